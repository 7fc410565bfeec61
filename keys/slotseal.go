package keys

import (
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"
)

// What slots wrap; doc.go draws it.
const (
	identitySize    = ed25519.SeedSize + ed25519.SignatureSize
	fullPayloadSize = identitySize + 4 + 32 + privateKeySize
	putPayloadSize  = identitySize + 4 + sharedKeysSize + ed25519.PublicKeySize + publicKeySize
)

var payloadSizes = map[Role]int{RoleFull: fullPayloadSize, RolePutOnly: putPayloadSize}

// NewSlot wraps all keys of the repository under a passphrase, with a signing
// key for the slot that is certified here. The first slot of newly generated
// keys takes the signing key that they have; later ones get a fresh one. It
// takes the memory that params name (the zero KDFParams are the suite's
// defaults), and is not for concurrent use. An empty passphrase is taken as it
// is. Errors wrap ErrInvalid or ErrPassphraseUnused.
func (k *Full) NewSlot(label string, pass Passphrase, params KDFParams) (slot []byte, id SlotID, err error) {
	own := k.own
	if k.slotted {
		own = k.newIdentity(RoleFull)
	}
	payload := appendIdentity(make([]byte, 0, fullPayloadSize), &own)
	payload = binary.LittleEndian.AppendUint32(payload, k.epoch)
	payload = append(append(payload, k.secret[:]...), k.privateBytes[:]...)
	if slot, err = k.wrap(&own, label, pass, params, payload); err != nil {
		return nil, SlotID{}, err
	}
	k.slotted = true
	return slot, own.slot, nil
}

// NewPutOnlySlot wraps what storing needs, and no more, under a passphrase,
// with a signing key of its own, certified as put-only. Errors as NewSlot's.
func (k *Full) NewPutOnlySlot(label string, pass Passphrase, params KDFParams) (slot []byte, id SlotID, err error) {
	own := k.newIdentity(RolePutOnly)
	payload := appendIdentity(make([]byte, 0, putPayloadSize), &own)
	payload = binary.LittleEndian.AppendUint32(payload, k.epoch)
	for _, f := range k.shared.fields() {
		payload = append(payload, f.key...)
	}
	payload = append(append(payload, k.certifier...), k.public.Bytes()...)
	if slot, err = k.wrap(&own, label, pass, params, payload); err != nil {
		return nil, SlotID{}, err
	}
	return slot, own.slot, nil
}

// wrap seals the payload, which it clears, into a slot.
func (k *Full) wrap(own *identity, label string, pass Passphrase, params KDFParams, payload []byte) ([]byte, error) {
	defer clear(payload)
	if params == (KDFParams{}) {
		params = k.suite.DefaultKDF()
	}
	s := &slotParts{SlotInfo: SlotInfo{
		ID:         own.slot,
		Role:       own.role,
		Suite:      k.suite,
		Repository: k.repository,
		Label:      label,
		Created:    time.Now(),
		KDF:        params,
	}}
	if err := checkLabel(label); err != nil {
		return nil, fmt.Errorf("new key slot: %w: %w", ErrInvalid, err)
	}
	if err := params.check(k.suite); err != nil {
		return nil, fmt.Errorf("new key slot: %w: %w", ErrInvalid, err)
	}
	rand.Read(s.salt[:])
	aead, err := s.aead(pass)
	if err != nil {
		return nil, fmt.Errorf("new key slot: %w", err)
	}
	header := s.appendHeader(make([]byte, 0, MaxSlotSize))
	return appendCRC(aead.Seal(header, slotNonce[:], payload, header)), nil
}

// slotNonce is always zero, which is safe because a slot's key seals once:
// its salt is random, and a changed passphrase makes a new slot.
var slotNonce [nonceSize]byte

// aead derives the key that wraps the slot's payload, bound to the suite, the
// role and the repository as the header is by the tag.
func (s *slotParts) aead(pass Passphrase) (cipher.AEAD, error) {
	stretched, err := s.KDF.key(pass, s.salt[:])
	if err != nil {
		return nil, err
	}
	defer clear(stretched)
	b := append(info(labelSlot), byte(s.Suite), byte(s.Role))
	b = append(b, s.Repository[:]...)
	var key [keySize]byte
	derive(key[:], stretched, s.salt[:], b)
	defer clear(key[:])
	return s.Suite.aead(key[:])
}

// OpenFullSlot opens a slot of the full role. It takes the memory and time
// that the slot's parameters name, which are bounded, and gives the memory
// back to the system before it returns. Errors wrap ErrPassphrase,
// ErrPassphraseUnused, ErrRole, ErrDamaged or ErrUnsupported.
func OpenFullSlot(slot []byte, pass Passphrase) (*Full, error) {
	s, payload, err := unwrap(slot, pass, RoleFull)
	if err != nil {
		return nil, err
	}
	defer clear(payload)
	rest := payload[identitySize:]
	k, err := newFull(s.Repository, s.Suite, binary.LittleEndian.Uint32(rest), rest[4:4+32], rest[4+32:])
	if err != nil {
		return nil, err
	}
	if err := k.setIdentity(s, payload); err != nil {
		return nil, err
	}
	k.slotted = true
	return k, nil
}

// OpenPutOnlySlot opens a slot of the put-only role, as OpenFullSlot does one
// of the full role.
func OpenPutOnlySlot(slot []byte, pass Passphrase) (*Put, error) {
	s, payload, err := unwrap(slot, pass, RolePutOnly)
	if err != nil {
		return nil, err
	}
	defer clear(payload)
	rest := payload[identitySize:]
	k := &Put{repository: s.Repository, suite: s.Suite, epoch: binary.LittleEndian.Uint32(rest)}
	rest = rest[4:]
	for _, f := range k.shared.fields() {
		rest = rest[copy(f.key, rest):]
	}
	k.certifier = append(k.certifier, rest[:ed25519.PublicKeySize]...)
	if k.public, err = kem.NewPublicKey(rest[ed25519.PublicKeySize:]); err != nil {
		return nil, fmt.Errorf("repository public key: %w: %w", ErrDamaged, err)
	}
	if err := k.setIdentity(s, payload); err != nil {
		return nil, err
	}
	return k, nil
}

// unwrap returns a slot's payload, whose length is that of its role.
func unwrap(slot []byte, pass Passphrase, role Role) (*slotParts, []byte, error) {
	s, err := parseSlot(slot)
	if err != nil {
		return nil, nil, err
	}
	if s.Role != role {
		return nil, nil, fmt.Errorf("key slot %v is %v, not %v: %w", s.ID, s.Role, role, ErrRole)
	}
	aead, err := s.aead(pass)
	if err != nil {
		return nil, nil, fmt.Errorf("key slot %v: %w", s.ID, err)
	}
	payload, err := aead.Open(nil, slotNonce[:], s.sealed, s.header)
	switch {
	case err == nil:
		return s, payload, nil
	case s.KDF.KDF == KDFNone:
		return nil, nil, fmt.Errorf("key slot %v: %w: %w", s.ID, ErrDamaged, ErrAuthentication)
	}
	return nil, nil, fmt.Errorf("key slot %v: %w", s.ID, ErrPassphrase)
}

// appendIdentity appends the seed of a signing key and its certificate.
func appendIdentity(b []byte, d *identity) []byte {
	return append(append(b, d.key.Seed()...), d.certificate...)
}

// setIdentity reads what appendIdentity wrote, and refuses a certificate that
// others would refuse.
func (k *Put) setIdentity(s *slotParts, payload []byte) error {
	k.own = identity{
		slot:        s.ID,
		role:        s.Role,
		key:         ed25519.NewKeyFromSeed(payload[:ed25519.SeedSize]),
		certificate: append([]byte(nil), payload[ed25519.SeedSize:identitySize]...),
	}
	if !ed25519.Verify(k.certifier, k.certified(s.ID, s.Role, k.own.public()), k.own.certificate) {
		return fmt.Errorf("key slot %v: %w: its signing key is not certified", s.ID, ErrDamaged)
	}
	return nil
}
