package keys

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"
)

func TestSignatures(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	msg := []byte("segment")
	sig := k.Sign("index", msg)
	if len(sig) != SignatureSize || SignatureSize != 177 {
		t.Fatalf("%d bytes", len(sig))
	}
	signer, err := k.Verify("index", msg, sig)
	if err != nil || signer != k.Slot() || signer.Role != RoleFull {
		t.Fatalf("%v, %v", signer, err)
	}
	for i := range sig {
		bad := bytes.Clone(sig)
		bad[i] ^= 1
		if who, err := k.Verify("index", msg, bad); !errors.Is(err, ErrSignature) || !errors.Is(err, ErrAuthentication) || who != (Signer{}) {
			t.Fatalf("byte %d may change: %v, %v", i, who, err)
		}
	}
	elsewhere := k.Put
	elsewhere.repository[0]++
	other := generate(t, SuiteAES256GCM)
	for what, verify := range map[string]func() (Signer, error){
		"message":    func() (Signer, error) { return k.Verify("index", []byte("segmenu"), sig) },
		"domain":     func() (Signer, error) { return k.Verify("history", msg, sig) },
		"shifted":    func() (Signer, error) { return k.Verify("indexs", msg[1:], sig) },
		"repository": func() (Signer, error) { return elsewhere.Verify("index", msg, sig) },
		"certifier":  func() (Signer, error) { return other.Verify("index", msg, sig) },
		"shorter":    func() (Signer, error) { return k.Verify("index", msg, sig[:SignatureSize-1]) },
		"longer":     func() (Signer, error) { return k.Verify("index", msg, append(bytes.Clone(sig), 0)) },
		"empty":      func() (Signer, error) { return k.Verify("index", msg, nil) },
	} {
		if _, err := verify(); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Adoption, and with it what a collector deletes, rests on a put-only client
// being unable to sign as a full one.
func TestPutOnlyKeysCannotSignAsFull(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	slot, id, err := k.NewPutOnlySlot("client", Passphrase("p"), cheap)
	if err != nil {
		t.Fatal(err)
	}
	put, err := OpenPutOnlySlot(slot, Passphrase("p"))
	if err != nil {
		t.Fatal(err)
	}
	msg := []byte("m")
	if signer, err := k.Verify("d", msg, put.Sign("d", msg)); err != nil || signer != (Signer{id, RolePutOnly}) {
		t.Fatalf("%v, %v", signer, err)
	}
	if signer, err := put.Verify("d", msg, k.Sign("d", msg)); err != nil || signer != k.Slot() {
		t.Fatalf("%v, %v", signer, err)
	}

	claims := *put // claims the role with the certificate that it has
	claims.own.role = RoleFull
	borrows := *put // borrows the full slot's certificate
	borrows.own.role, borrows.own.slot, borrows.own.certificate = RoleFull, k.own.slot, k.own.certificate
	certifies := *put // certifies itself
	certifies.own.role = RoleFull
	certifies.own.certificate = ed25519.Sign(put.own.key, put.certified(id, RoleFull, put.own.public()))
	for what, forger := range map[string]*Put{"claims": &claims, "borrows": &borrows, "certifies": &certifies} {
		if signer, err := k.Verify("d", msg, forger.Sign("d", msg)); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v, %v", what, signer, err)
		}
	}
}

// A role that this version does not know must not pass for one that it does.
func TestUnknownRolesAreRefused(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	k.own = k.newIdentity(Role(3))
	if _, err := k.Verify("d", nil, k.Sign("d", nil)); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
}
