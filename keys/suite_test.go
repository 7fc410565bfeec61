package keys

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"testing"
)

var (
	_ encoding.TextMarshaler   = Suite(0)
	_ encoding.TextUnmarshaler = (*Suite)(nil)
	_ encoding.TextUnmarshaler = (*RepositoryID)(nil)
	_ encoding.TextUnmarshaler = (*SlotID)(nil)
)

func TestSuiteNames(t *testing.T) {
	for s, name := range map[Suite]string{1: "aes256-gcm", 2: "chacha20-poly1305", 3: "none"} {
		text, err := s.MarshalText()
		if err != nil || string(text) != name {
			t.Errorf("%d: %s, %v", s, text, err)
		}
		var got Suite
		if err := got.UnmarshalText(text); err != nil || got != s {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "AES256-GCM", "aes", "suite(1)"} {
		if s, err := ParseSuite(name); !errors.Is(err, ErrInvalid) || s != 0 {
			t.Errorf("%q: %v, %v", name, s, err)
		}
	}
	if _, err := Suite(0).MarshalText(); !errors.Is(err, ErrInvalid) {
		t.Errorf("suite 0: %v", err)
	}
}

// The format has one layout for all suites, and callers seal in place.
func TestAEADsAreAlike(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite) {
		key := bytes.Repeat([]byte{7}, keySize)
		aead, err := s.aead(key)
		if err != nil {
			t.Fatal(err)
		}
		clear(key) // callers do: the AEAD has its own copy
		if aead.NonceSize() != nonceSize || aead.Overhead() != tagSize {
			t.Fatalf("sizes %d, %d", aead.NonceSize(), aead.Overhead())
		}
		nonce, aad := Nonce(5), []byte("aad")
		for _, n := range []int{0, 1, 15, 16, 17, 4096, 70000} {
			plain := bytes.Repeat([]byte{0xa5}, n)
			sealed := aead.Seal(nil, nonce[:], plain, aad)
			if len(sealed) != n+tagSize {
				t.Fatalf("%d bytes became %d", n, len(sealed))
			}
			appended := aead.Seal([]byte("head"), nonce[:], plain, aad)
			if !bytes.Equal(appended, append([]byte("head"), sealed...)) {
				t.Errorf("%d bytes: Seal does not append", n)
			}
			buf := append(make([]byte, 0, n+tagSize), plain...)
			if got := aead.Seal(buf[:0], nonce[:], buf, aad); !bytes.Equal(got, sealed) {
				t.Errorf("%d bytes: sealing in place differs", n)
			}
			got, err := aead.Open([]byte("head"), nonce[:], sealed, aad)
			if err != nil || !bytes.Equal(got, append([]byte("head"), plain...)) {
				t.Errorf("%d bytes: Open does not append: %v", n, err)
			}
			inPlace := bytes.Clone(sealed)
			if got, err := aead.Open(inPlace[:0], nonce[:], inPlace, aad); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes: opening in place: %v", n, err)
			}
			for _, i := range []int{0, n / 2, n, n + tagSize - 1} {
				bad := bytes.Clone(sealed)
				bad[i] ^= 1
				if got, err := aead.Open(nil, nonce[:], bad, aad); err == nil || got != nil {
					t.Errorf("%d bytes: byte %d may change", n, i)
				}
			}
			other := Nonce(6)
			if _, err := aead.Open(nil, other[:], sealed, aad); err == nil {
				t.Errorf("%d bytes: the nonce may change", n)
			}
			if _, err := aead.Open(nil, nonce[:], sealed, []byte("aae")); err == nil {
				t.Errorf("%d bytes: the associated data may change", n)
			}
			if _, err := aead.Open(nil, nonce[:], sealed[:len(sealed)-1], aad); err == nil {
				t.Errorf("%d bytes: may be cut", n)
			}
		}
		if _, err := aead.Open(nil, nonce[:], make([]byte, tagSize-1), nil); err == nil {
			t.Error("less than a tag opens")
		}
		defer func() {
			if recover() == nil {
				t.Error("a nonce of 11 bytes is taken")
			}
		}()
		aead.Seal(nil, make([]byte, nonceSize-1), nil, nil)
	})
}

func TestTagOnlyIsTheDocumentedMAC(t *testing.T) {
	key := bytes.Repeat([]byte{9}, keySize)
	nonce := Nonce(0x01020304)
	aad, plain := []byte("associated"), []byte("plaintext")
	mac := hmac.New(sha256.New, key)
	mac.Write(nonce[:])
	mac.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(aad))))
	mac.Write(aad)
	mac.Write(plain)
	want := append(bytes.Clone(plain), mac.Sum(nil)[:16]...)
	aead := newTagOnly(key)
	if got := aead.Seal(nil, nonce[:], plain, aad); !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
	// Bytes must not move between the associated data and the plaintext.
	if a, b := aead.Seal(nil, nonce[:], []byte("bc"), []byte("a")), aead.Seal(nil, nonce[:], []byte("c"), []byte("ab")); bytes.Equal(a[2:], b[1:]) {
		t.Error("the lengths are not bound")
	}
}

func TestNonce(t *testing.T) {
	if got := Nonce(0x01020304); got != [12]byte{8: 1, 9: 2, 10: 3, 11: 4} {
		t.Errorf("%x", got)
	}
}
