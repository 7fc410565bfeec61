package keys

import (
	"encoding/hex"
	"fmt"
)

// RepositoryID names a repository; random, 16 bytes.
type RepositoryID [16]byte

// String returns 32 lower-case hexadecimal digits.
func (id RepositoryID) String() string { return hex.EncodeToString(id[:]) }

// ParseRepositoryID reads 32 lower-case hexadecimal digits.
func ParseRepositoryID(s string) (id RepositoryID, err error) {
	err = parseHex(id[:], s, "repository id")
	return id, err
}

// MarshalText returns what String returns.
func (id RepositoryID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *RepositoryID) UnmarshalText(text []byte) error {
	return parseHex(id[:], string(text), "repository id")
}

// SlotID names a key slot; random, 16 bytes.
type SlotID [16]byte

// String returns 32 lower-case hexadecimal digits.
func (id SlotID) String() string { return hex.EncodeToString(id[:]) }

// ParseSlotID reads 32 lower-case hexadecimal digits.
func ParseSlotID(s string) (id SlotID, err error) {
	err = parseHex(id[:], s, "key slot id")
	return id, err
}

// MarshalText returns what String returns.
func (id SlotID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *SlotID) UnmarshalText(text []byte) error {
	return parseHex(id[:], string(text), "key slot id")
}

// parseHex fills dst, which stays as it is on error. Upper-case digits are
// refused: ids are object names, and each has one spelling.
func parseHex(dst []byte, s, what string) error {
	ok := len(s) == 2*len(dst)
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
	}
	if !ok {
		return fmt.Errorf("%s %.80q: %w: not %d lower-case hexadecimal digits", what, s, ErrInvalid, 2*len(dst))
	}
	_, err := hex.Decode(dst, []byte(s))
	return err
}
