// Package object is the envelope that every stored object shares: a header
// with magic, type, version and feature bits, and for all but packs a CRC32C over everything before it.
//
//	offset size
//	0      6    magic "garret"
//	6      1    type, a letter
//	7      1    version of the type's layout, 1
//	8      4    read features, little-endian: an unknown bit refuses the object
//	12     4    write features: an unknown bit refuses writing to the repository
//	16     …    body
//	end-4  4    CRC32C (Castagnoli) of all bytes before it, little-endian
package object

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Type says what an object is.
type Type byte

// The types of objects.
const (
	Config   Type = 'c'
	KeySlot  Type = 'k'
	Snapshot Type = 'h'
	Segment  Type = 'i'
	Lease    Type = 'l'
	Fence    Type = 'd'
	Pack     Type = 'p'
	Parity   Type = 'r'
	Losses   Type = 'q'
)

func (t Type) String() string {
	switch t {
	case Config:
		return "config"
	case KeySlot:
		return "key slot"
	case Snapshot:
		return "snapshot"
	case Segment:
		return "index segment"
	case Lease:
		return "lease"
	case Fence:
		return "fence"
	case Pack:
		return "pack"
	case Parity:
		return "parity"
	case Losses:
		return "list of losses"
	}
	return fmt.Sprintf("type %q", byte(t))
}

// Sizes in bytes.
const (
	HeaderSize = 16
	CRCSize    = 4
	version    = 1
)

// The feature bits that this program knows: none yet.
const (
	knownReadFeatures  = 0
	knownWriteFeatures = 0
)

var magic = [6]byte{'g', 'a', 'r', 'r', 'e', 't'}

// Errors of Open and ParseHeader.
var (
	// ErrDamaged means that the bytes are not what was written.
	ErrDamaged = errors.New("damaged")
	// ErrReadFeature means that a newer program wrote the object.
	ErrReadFeature = errors.New("needs a newer garret to be read")
	// ErrWriteFeature means that only a newer program may write here.
	ErrWriteFeature = errors.New("needs a newer garret to be written to")
)

// Castagnoli is the table of CRC32C, the checksum of all stored bytes.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is what stands at the beginning of every object.
type Header struct {
	Type          Type
	Version       uint8
	ReadFeatures  uint32
	WriteFeatures uint32
}

// AppendHeader appends the header of a new object of type t.
func AppendHeader(b []byte, t Type) []byte {
	b = append(b, magic[:]...)
	b = append(b, byte(t), version)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return binary.LittleEndian.AppendUint32(b, 0)
}

// ParseHeader reads the header and refuses what this program cannot read.
func ParseHeader(data []byte, want Type) (Header, error) {
	if len(data) < HeaderSize {
		return Header{}, fmt.Errorf("%w: %d bytes are too few for a header", ErrDamaged, len(data))
	}
	if [6]byte(data[:6]) != magic {
		return Header{}, fmt.Errorf("%w: no magic at its beginning", ErrDamaged)
	}
	h := Header{
		Type:          Type(data[6]),
		Version:       data[7],
		ReadFeatures:  binary.LittleEndian.Uint32(data[8:]),
		WriteFeatures: binary.LittleEndian.Uint32(data[12:]),
	}
	if h.Type != want {
		return h, fmt.Errorf("%w: it is a %v where a %v should be", ErrDamaged, h.Type, want)
	}
	if h.Version != version {
		return h, fmt.Errorf("version %d of a %v: %w", h.Version, want, ErrReadFeature)
	}
	if unknown := h.ReadFeatures &^ knownReadFeatures; unknown != 0 {
		return h, fmt.Errorf("read feature %#x: %w", unknown, ErrReadFeature)
	}
	return h, nil
}

// Writable returns ErrWriteFeature when the object carries a write feature
// that this program does not know.
func (h Header) Writable() error {
	if unknown := h.WriteFeatures &^ knownWriteFeatures; unknown != 0 {
		return fmt.Errorf("write feature %#x: %w", unknown, ErrWriteFeature)
	}
	return nil
}

// Finish appends the CRC32C of data and returns the whole object.
func Finish(data []byte) []byte {
	return binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, Castagnoli))
}

// VerifyCRC checks the CRC32C at the end of a whole object.
func VerifyCRC(data []byte) error {
	if len(data) < HeaderSize+CRCSize {
		return fmt.Errorf("%w: only %d bytes are left of it", ErrDamaged, len(data))
	}
	end := len(data) - CRCSize
	if crc32.Checksum(data[:end], Castagnoli) != binary.LittleEndian.Uint32(data[end:]) {
		return fmt.Errorf("%w: its CRC32C does not match", ErrDamaged)
	}
	return nil
}

// Open checks an object's CRC and header and returns the header and the body.
// The CRC, which every version keeps in its place, comes first: a flipped bit
// in the version is damage, not a newer program's work.
func Open(data []byte, want Type) (Header, []byte, error) {
	if err := VerifyCRC(data); err != nil {
		return Header{}, nil, err
	}
	h, err := ParseHeader(data, want)
	if err != nil {
		return h, nil, err
	}
	return h, data[HeaderSize : len(data)-CRCSize], nil
}
