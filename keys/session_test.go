package keys

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"testing"
)

func packAEAD(t testing.TB, s *Session, pack byte, kind uint8) cipher.AEAD {
	t.Helper()
	aead, err := s.PackAEAD([16]byte{pack}, kind)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func newSession(t testing.TB, k *Put) *Session {
	t.Helper()
	s, err := k.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSessionIsRecoveredFromItsEncapsulation(t *testing.T) {
	forSuites(t, func(t *testing.T, suite Suite) {
		k := generate(t, suite)
		s := newSession(t, &k.Put)
		if len(s.Encapsulation()) != EncapsulationSize || s.Epoch() != k.Epoch() {
			t.Fatalf("%d bytes, epoch %d", len(s.Encapsulation()), s.Epoch())
		}
		r, err := k.OpenSession(s.Epoch(), s.Encapsulation())
		if err != nil {
			t.Fatal(err)
		}
		if r.Epoch() != s.Epoch() || !bytes.Equal(r.Encapsulation(), s.Encapsulation()) {
			t.Error("epoch or encapsulation differ")
		}
		nonce := Nonce(1)
		sealed := packAEAD(t, s, 1, 1).Seal(nil, nonce[:], []byte("frame"), nil)
		if got, err := packAEAD(t, r, 1, 1).Open(nil, nonce[:], sealed, nil); err != nil || string(got) != "frame" {
			t.Errorf("%q, %v", got, err)
		}
		msg, err := s.Seal("history/1", []byte("aad"), []byte("details"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Open("history/1", []byte("aad"), msg); err != nil || string(got) != "details" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// Nonces are ordinals: two packs, or two kinds, under one key would use the
// same nonce twice.
func TestPackKeysDiffer(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	s := newSession(t, &k.Put)
	older := *s
	older.epoch++
	otherSuite := *s
	otherSuite.suite = SuiteChaCha20Poly1305
	elsewhere := *s
	elsewhere.repository[0]++

	nonce := Nonce(0)
	sealed := packAEAD(t, s, 1, 1).Seal(nil, nonce[:], []byte("frame"), nil)
	for name, aead := range map[string]cipher.AEAD{
		"pack":       packAEAD(t, s, 2, 1),
		"kind":       packAEAD(t, s, 1, 2),
		"session":    packAEAD(t, newSession(t, &k.Put), 1, 1),
		"epoch":      packAEAD(t, &older, 1, 1),
		"suite":      packAEAD(t, &otherSuite, 1, 1),
		"repository": packAEAD(t, &elsewhere, 1, 1),
	} {
		if _, err := aead.Open(nil, nonce[:], sealed, nil); err == nil {
			t.Errorf("the %s does not enter the pack's key", name)
		}
	}
}

// A server knows the public key and can encapsulate to it. It must not be
// able to write a pack that reads.
func TestForgingTakesTheWriteSecret(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	stranger := Put{repository: k.repository, suite: k.suite, epoch: k.epoch, public: k.public}
	forged := newSession(t, &stranger)
	nonce := Nonce(0)
	sealed := packAEAD(t, forged, 1, 1).Seal(nil, nonce[:], []byte("evil"), nil)
	message, err := forged.Seal("n", nil, []byte("evil"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := k.OpenSession(forged.Epoch(), forged.Encapsulation())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := packAEAD(t, s, 1, 1).Open(nil, nonce[:], sealed, nil); err == nil {
		t.Error("a forged frame opens")
	}
	if _, err := s.Open("n", nil, message); !errors.Is(err, ErrAuthentication) {
		t.Errorf("a forged message opens: %v", err)
	}
}

func TestOpenSessionOfDamagedEncapsulations(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	s := newSession(t, &k.Put)
	enc := s.Encapsulation()
	nonce := Nonce(0)
	sealed := packAEAD(t, s, 1, 1).Seal(nil, nonce[:], []byte("frame"), nil)

	for _, bad := range [][]byte{nil, enc[:EncapsulationSize-1], append(bytes.Clone(enc), 0)} {
		if _, err := k.OpenSession(s.Epoch(), bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
	for _, i := range []int{0, 1087, 1088, 1119} {
		bad := bytes.Clone(enc)
		bad[i] ^= 4
		r, err := k.OpenSession(s.Epoch(), bad)
		if err != nil {
			continue
		}
		if _, err := packAEAD(t, r, 1, 1).Open(nil, nonce[:], sealed, nil); err == nil {
			t.Errorf("byte %d of the encapsulation may change", i)
		}
	}
	// An all-zero X25519 share gives a shared secret that anyone knows.
	if _, err := k.OpenSession(s.Epoch(), make([]byte, EncapsulationSize)); !errors.Is(err, ErrDamaged) {
		t.Errorf("zeros: %v", err)
	}
	for _, epoch := range []uint32{0, s.Epoch() + 1} {
		if _, err := k.OpenSession(epoch, enc); !errors.Is(err, ErrEpoch) {
			t.Errorf("epoch %d: %v", epoch, err)
		}
	}
	other := generate(t, SuiteAES256GCM)
	if r, err := other.OpenSession(s.Epoch(), enc); err == nil {
		if _, err := packAEAD(t, r, 1, 1).Open(nil, nonce[:], sealed, nil); err == nil {
			t.Error("another repository opens it")
		}
	}
}

// What a session seals and what the list key seals are kept apart, as are a
// session's messages and its packs.
func TestSessionMessagesAreBound(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	s := newSession(t, &k.Put)
	sealed, err := s.Seal("history/1", []byte("aad"), []byte("details"))
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"name":    func() ([]byte, error) { return s.Open("history/2", []byte("aad"), sealed) },
		"aad":     func() ([]byte, error) { return s.Open("history/1", nil, sealed) },
		"session": func() ([]byte, error) { return newSession(t, &k.Put).Open("history/1", []byte("aad"), sealed) },
		"purpose": func() ([]byte, error) { return k.Open(ListKey, "history/1", []byte("aad"), sealed) },
	} {
		if got, err := open(); !errors.Is(err, ErrAuthentication) || got != nil {
			t.Errorf("another %s opens it: %v", name, err)
		}
	}
}
