package index

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// ID names a blob: the HMAC-SHA-256 of its plaintext under the repository's
// key for the blob's kind.
type ID [32]byte

// String returns the ID as 64 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first eight hexadecimal digits, for messages.
func (id ID) Short() string { return hex.EncodeToString(id[:4]) }

// ParseID reads 64 hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	return id, parseHex(id[:], s, "blob id")
}

// Kind tells file content from metadata. A pack and a frame hold blobs of one
// kind only.
type Kind uint8

// The kinds of blobs.
const (
	Data Kind = 1 // a piece of file content
	Tree Kind = 2 // a page of a directory or of a content list
)

func (k Kind) String() string {
	switch k {
	case Data:
		return "data"
	case Tree:
		return "tree"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// SessionID names one run of a writer or reader; random.
type SessionID [8]byte

func (id SessionID) String() string { return hex.EncodeToString(id[:]) }

// ParseSessionID reads 16 hexadecimal digits.
func ParseSessionID(s string) (SessionID, error) {
	var id SessionID
	return id, parseHex(id[:], s, "session id")
}

// PackID names a pack: the id of the session that wrote it, then 8 random
// bytes.
type PackID [16]byte

func (id PackID) String() string { return hex.EncodeToString(id[:]) }

// Session returns the id of the session that wrote the pack.
func (id PackID) Session() SessionID { return SessionID(id[:8]) }

// ParsePackID reads 32 hexadecimal digits.
func ParsePackID(s string) (PackID, error) {
	var id PackID
	return id, parseHex(id[:], s, "pack id")
}

// Pack describes a pack in a segment's pack table.
type Pack struct {
	ID   PackID
	Size uint32 // bytes of the stored object, header and trailer included
	Kind Kind
}

// Session holds what a reader needs to derive the keys of a session's packs.
type Session struct {
	ID            SessionID
	Epoch         uint32 // key epoch
	Encapsulation []byte // the encapsulated session key (HPKE enc)
}

// Location says where a copy of a blob lies.
type Location struct {
	Pack   PackID
	Kind   Kind
	Offset uint32 // of the frame in the pack, bytes
	Length uint32 // stored length of the frame, bytes, less than 1<<24
	Frame  uint16 // ordinal of the frame in the pack
	Blob   uint16 // ordinal of the blob in the frame
}

var errHex = errors.New("not lower-case hexadecimal digits of the right number")

func parseHex(dst []byte, s, what string) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("%s %q: %w", what, s, errHex)
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("%s %q: %w", what, s, errHex)
		}
	}
	_, err := hex.Decode(dst, []byte(s))
	return err
}
