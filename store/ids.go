package store

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"garret/index"
)

// SnapshotID names a snapshot; random, never reused.
type SnapshotID [16]byte

// SegmentID names an index segment; random, never reused.
type SegmentID [16]byte

func (id SnapshotID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first eight digits, for people.
func (id SnapshotID) Short() string { return id.String()[:8] }

// MarshalText writes the id as hexadecimal digits.
func (id SnapshotID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText writes; nothing is the zero id.
func (id *SnapshotID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = SnapshotID{}
		return nil
	}
	return parseID(id[:], string(text))
}

func (id SegmentID) String() string { return hex.EncodeToString(id[:]) }

// ParseSnapshotID reads 32 hexadecimal digits.
func ParseSnapshotID(s string) (id SnapshotID, err error) { return id, parseID(id[:], s) }

func parseSegmentID(s string) (id SegmentID, err error) { return id, parseID(id[:], s) }

func parseID(dst []byte, s string) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("%q is not an id of %d hexadecimal digits", s, 2*len(dst))
	}
	if _, err := hex.Decode(dst, []byte(s)); err != nil {
		return fmt.Errorf("%q is not an id: %w", s, err)
	}
	return nil
}

// Random ids: crypto/rand.Read never fails.

func newSnapshotID() (id SnapshotID) { rand.Read(id[:]); return id }

func newSegmentID() (id SegmentID) { rand.Read(id[:]); return id }

func newSessionID() (id index.SessionID) { rand.Read(id[:]); return id }

func newPackID(session index.SessionID) index.PackID {
	var id index.PackID
	copy(id[:], session[:])
	rand.Read(id[len(session):])
	return id
}
