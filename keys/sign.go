package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// The parts of a signature, in order; doc.go draws it.
const (
	signatureSlot        = 0
	signatureRole        = signatureSlot + len(SlotID{})
	signatureKey         = signatureRole + 1
	signatureCertificate = signatureKey + ed25519.PublicKeySize
	signatureSignature   = signatureCertificate + ed25519.SignatureSize

	// SignatureSize is the length of what Sign returns, bytes.
	SignatureSize = signatureSignature + ed25519.SignatureSize
)

// Signer says who signed.
type Signer struct {
	Slot SlotID
	Role Role
}

// identity is a slot's signing key and its certificate.
type identity struct {
	slot        SlotID
	role        Role
	key         ed25519.PrivateKey
	certificate []byte
}

func (d *identity) public() ed25519.PublicKey { return d.key.Public().(ed25519.PublicKey) }

// newIdentity makes a random slot id and signing key and certifies them.
func (k *Full) newIdentity(role Role) identity {
	var slot SlotID
	var seed [ed25519.SeedSize]byte
	rand.Read(slot[:])
	rand.Read(seed[:])
	d := identity{slot: slot, role: role, key: ed25519.NewKeyFromSeed(seed[:])}
	d.certificate = ed25519.Sign(k.certifierKey, k.certified(slot, role, d.public()))
	return d
}

// certified returns what a certificate signs.
func (k *Put) certified(slot SlotID, role Role, public ed25519.PublicKey) []byte {
	b := append(info(labelCertificate), k.repository[:]...)
	b = append(append(b, slot[:]...), byte(role))
	return append(b, public...)
}

// signed returns what a signature signs. Domain and message are hashed, so
// that they may have any length and neither runs into the other.
func (k *Put) signed(slot SlotID, role Role, domain string, message []byte) []byte {
	d, m := sha256.Sum256([]byte(domain)), sha256.Sum256(message)
	b := append(info(labelSignature), k.repository[:]...)
	b = append(append(b, slot[:]...), byte(role))
	return append(append(b, d[:]...), m[:]...)
}

// Sign signs message with the signing key of the holder's slot. The domain
// says what kind of object it is, so that a signature of one kind is worth
// nothing as one of another. The result has SignatureSize bytes and carries
// the certificate: verifying needs no slot.
func (k *Put) Sign(domain string, message []byte) []byte {
	d := &k.own
	out := make([]byte, 0, SignatureSize)
	out = append(append(out, d.slot[:]...), byte(d.role))
	out = append(append(out, d.public()...), d.certificate...)
	return append(out, ed25519.Sign(d.key, k.signed(d.slot, d.role, domain, message))...)
}

// Verify tells which slot, of which role, signed message in this repository.
// Whether that slot still exists, and is still trusted, is the caller's
// question. Errors wrap ErrSignature.
func (k *Put) Verify(domain string, message, signature []byte) (Signer, error) {
	if len(signature) != SignatureSize {
		return Signer{}, fmt.Errorf("%s: %w: %d bytes", domain, ErrSignature, len(signature))
	}
	slot := SlotID(signature[signatureSlot:])
	role := Role(signature[signatureRole])
	public := ed25519.PublicKey(bytes.Clone(signature[signatureKey:signatureCertificate]))
	if role != RoleFull && role != RolePutOnly {
		return Signer{}, fmt.Errorf("%s: %w: by a slot of unknown %v", domain, ErrSignature, role)
	}
	if !ed25519.Verify(k.certifier, k.certified(slot, role, public), signature[signatureCertificate:signatureSignature]) {
		return Signer{}, fmt.Errorf("%s: %w: the key of slot %v is not certified", domain, ErrSignature, slot)
	}
	if !ed25519.Verify(public, k.signed(slot, role, domain, message), signature[signatureSignature:]) {
		return Signer{}, fmt.Errorf("%s: %w: not made by slot %v", domain, ErrSignature, slot)
	}
	return Signer{Slot: slot, Role: role}, nil
}
