package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Suite says how a repository's content is protected. All suites have the
// same sizes (32-byte keys, 12-byte nonces, 16-byte tags), so that nothing
// in the format depends on which one it is.
type Suite uint8

// The suites. The numbers are stored.
const (
	SuiteAES256GCM        Suite = 1 // NIST SP 800-38D
	SuiteChaCha20Poly1305 Suite = 2 // RFC 8439
	SuiteNone             Suite = 3 // no encryption; tags detect damage and, for who lacks the slot, change
)

const (
	keySize   = 32
	nonceSize = 12
	tagSize   = 16
)

var suiteNames = map[Suite]string{
	SuiteAES256GCM:        "aes256-gcm",
	SuiteChaCha20Poly1305: "chacha20-poly1305",
	SuiteNone:             "none",
}

// String returns the name by which people choose the suite.
func (s Suite) String() string {
	if name, ok := suiteNames[s]; ok {
		return name
	}
	return fmt.Sprintf("suite(%d)", uint8(s))
}

// ParseSuite reads a suite's name.
func ParseSuite(name string) (Suite, error) {
	for s, n := range suiteNames {
		if n == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("encryption %.80q: %w: neither aes256-gcm nor chacha20-poly1305 nor none", name, ErrInvalid)
}

// MarshalText returns the suite's name; a suite without one is an error.
func (s Suite) MarshalText() ([]byte, error) {
	if !s.valid() {
		return nil, fmt.Errorf("%v: %w", s, ErrInvalid)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads a suite's name.
func (s *Suite) UnmarshalText(text []byte) (err error) {
	parsed, err := ParseSuite(string(text))
	if err == nil {
		*s = parsed
	}
	return err
}

func (s Suite) valid() bool { return s >= SuiteAES256GCM && s <= SuiteNone }

// aead returns the suite's AEAD under key, which is keySize bytes and is
// copied. It is safe for concurrent use.
func (s Suite) aead(key []byte) (cipher.AEAD, error) {
	switch s {
	case SuiteAES256GCM:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	case SuiteChaCha20Poly1305:
		return chacha20poly1305.New(key)
	case SuiteNone:
		return newTagOnly(key), nil
	}
	return nil, fmt.Errorf("%v: %w", s, ErrInvalid)
}

// Role says what the holder of a slot may do.
type Role uint8

// The roles. The numbers are stored.
const (
	RoleFull    Role = 1 // everything
	RolePutOnly Role = 2 // snapshot and deduplicate; cannot read content back
)

// String returns "full" or "put-only".
func (r Role) String() string {
	switch r {
	case RoleFull:
		return "full"
	case RolePutOnly:
		return "put-only"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}
