package pack

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"garret/index"
	"garret/store/object"
)

// Header is what a pack says of itself in the clear.
type Header struct {
	Kind          index.Kind
	Suite         uint8
	Epoch         uint32
	Session       index.SessionID
	Pack          index.PackID
	Encapsulation []byte
}

// Len returns the header's length in bytes: where the first frame begins.
func (h Header) Len() int { return fixedHead + len(h.Encapsulation) }

func (h Header) append(b []byte) []byte {
	b = object.AppendHeader(b, object.Pack)
	b = append(b, byte(h.Kind), h.Suite)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.Encapsulation)))
	b = binary.LittleEndian.AppendUint32(b, h.Epoch)
	b = append(b, h.Session[:]...)
	b = append(b, h.Pack[:]...)
	return append(b, h.Encapsulation...)
}

// Builder lays frames into a pack, in memory.
type Builder struct {
	header Header
	aead   cipher.AEAD
	nonce  func(uint32) [12]byte
	buf    []byte
	frames []entry
	ids    []index.ID
	crcs   []uint32 // of the cells that are complete
}

type entry struct{ stored, blobs uint32 }

// NewBuilder begins a pack in buf, which it grows as needed. aead is used for
// this pack only, so that a nonce that is the frame's ordinal never repeats
// under one key; nonce is the repository's way to write it.
func NewBuilder(h Header, aead cipher.AEAD, nonce func(uint32) [12]byte, buf []byte) *Builder {
	return &Builder{header: h, aead: aead, nonce: nonce, buf: h.append(buf[:0])}
}

// Kind returns the kind of the pack's blobs.
func (b *Builder) Kind() index.Kind { return b.header.Kind }

// ID returns the pack's id.
func (b *Builder) ID() index.PackID { return b.header.Pack }

// Size returns the bytes laid so far.
func (b *Builder) Size() int { return len(b.buf) }

// Blobs returns the number of blobs laid so far.
func (b *Builder) Blobs() int { return len(b.ids) }

// Full reports whether the pack should be finished: it has reached the target
// size, or a directory as long as is sensible.
func (b *Builder) Full(target int) bool {
	return len(b.buf) >= target || len(b.ids) >= 64<<10 || len(b.frames) >= 60000
}

// Add seals a frame's plaintext that holds the blobs ids, and returns where it
// lies.
func (b *Builder) Add(plain []byte, ids []index.ID) (offset, length uint32, ordinal uint16, err error) {
	if len(plain)+overhead > MaxStored || len(b.frames) >= maxFrames || len(b.buf)+len(plain) >= 1<<31 ||
		len(ids) == 0 || len(ids) > MaxBlobs || len(b.ids)+len(ids) > maxIDs {
		return 0, 0, 0, fmt.Errorf("a frame of %d bytes and %d blobs in a pack of %d is %w", len(plain), len(ids), len(b.buf), errLimit)
	}
	offset, ordinal = uint32(len(b.buf)), uint16(len(b.frames))
	b.seal(plain, uint32(ordinal), false)
	length = uint32(len(b.buf)) - offset
	b.frames = append(b.frames, entry{length, uint32(len(ids))})
	b.ids = append(b.ids, ids...)
	b.sum() // while the frame is in the processor's cache
	return offset, length, ordinal, nil
}

// sum computes the CRC32C of the cells that are complete.
func (b *Builder) sum() {
	for at := len(b.crcs) * CellSize; at+CellSize <= len(b.buf); at += CellSize {
		b.crcs = append(b.crcs, crc32.Checksum(b.buf[at:at+CellSize], object.Castagnoli))
	}
}

func (b *Builder) seal(plain []byte, ordinal uint32, directory bool) {
	nonce := b.nonce(ordinal)
	b.buf = slices.Grow(b.buf, len(plain)+overhead) // AEADs grow by just what they need
	b.buf = b.aead.Seal(b.buf, nonce[:], plain, associated(b.header.Pack, b.header.Kind, ordinal, directory))
}

// Finish appends directory and trailer and returns the whole object, which
// lies in the builder's buffer.
func (b *Builder) Finish() []byte {
	dir := make([]byte, 0, frameEntry*len(b.frames)+32*len(b.ids))
	for _, f := range b.frames {
		dir = binary.LittleEndian.AppendUint32(dir, f.stored)
		dir = binary.LittleEndian.AppendUint32(dir, f.blobs)
	}
	for i := range b.ids {
		dir = append(dir, b.ids[i][:]...)
	}
	b.seal(dir, uint32(len(b.frames)), true)
	body := len(b.buf)
	b.sum()
	if at := len(b.crcs) * CellSize; at < body {
		b.crcs = append(b.crcs, crc32.Checksum(b.buf[at:body], object.Castagnoli))
	}
	for _, crc := range b.crcs {
		b.buf = binary.LittleEndian.AppendUint32(b.buf, crc)
	}
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(body))
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(len(dir)+overhead))
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(len(b.frames)))
	b.buf = binary.LittleEndian.AppendUint32(b.buf, crc32.Checksum(b.buf[body:], object.Castagnoli))
	b.buf = append(b.buf, magic...)
	return b.buf
}

// associated is the associated data of a frame or of the directory.
func associated(id index.PackID, kind index.Kind, ordinal uint32, directory bool) []byte {
	b := make([]byte, 0, 22)
	b = append(b, id[:]...)
	b = append(b, byte(kind))
	b = binary.LittleEndian.AppendUint32(b, ordinal)
	if directory {
		return append(b, 1)
	}
	return append(b, 0)
}
