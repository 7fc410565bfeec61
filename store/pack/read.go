package pack

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"garret/index"
	"garret/store/object"
)

// HeaderRead is how many bytes of a pack's beginning are enough for
// ParseHeader.
const HeaderRead = fixedHead + maxEncap

// ParseHeader reads a pack's header from its first bytes.
func ParseHeader(b []byte) (Header, error) {
	if _, err := object.ParseHeader(b, object.Pack); err != nil {
		return Header{}, err
	}
	if len(b) < fixedHead {
		return Header{}, fmt.Errorf("pack header of %d bytes: %w", len(b), ErrDamaged)
	}
	h := Header{
		Kind:    index.Kind(b[16]),
		Suite:   b[17],
		Epoch:   binary.LittleEndian.Uint32(b[20:]),
		Session: index.SessionID(b[24:32]),
		Pack:    index.PackID(b[32:48]),
	}
	n := int(binary.LittleEndian.Uint16(b[18:]))
	if n > maxEncap || len(b) < fixedHead+n || (h.Kind != index.Data && h.Kind != index.Tree) || h.Pack.Session() != h.Session {
		return Header{}, fmt.Errorf("pack header: %w", ErrDamaged)
	}
	h.Encapsulation = append([]byte(nil), b[fixedHead:fixedHead+n]...)
	return h, nil
}

// Layout is what a pack's trailer says.
type Layout struct {
	Body      int64 // bytes of header, frames and directory
	Directory int64 // bytes of the sealed directory, at the end of the body
	Frames    int
	CRCs      []uint32 // of each cell of the body
}

// cells returns the number of cells of a body.
func cells(body int64) int64 { return (body + CellSize - 1) / CellSize }

// ReadLayout reads the trailer of a pack of that size.
func ReadLayout(r io.ReaderAt, size int64) (Layout, error) {
	if size < fixedHead+overhead+4+footer || size >= 1<<32 {
		return Layout{}, fmt.Errorf("pack of %d bytes: %w", size, ErrDamaged)
	}
	var foot [footer]byte
	if _, err := r.ReadAt(foot[:], size-footer); err != nil && err != io.EOF {
		return Layout{}, err
	}
	l := Layout{
		Body:      int64(binary.LittleEndian.Uint64(foot[0:])),
		Directory: int64(binary.LittleEndian.Uint32(foot[8:])),
		Frames:    int(binary.LittleEndian.Uint32(foot[12:])),
	}
	if string(foot[20:]) != magic {
		return Layout{}, fmt.Errorf("pack has no trailer: %w", ErrDamaged)
	}
	if l.Body < 0 || l.Body > size || l.Body+4*cells(l.Body)+footer != size ||
		l.Frames > maxFrames || l.Directory < int64(overhead+frameEntry*l.Frames) || l.Directory > maxDirectory ||
		l.Directory > l.Body-fixedHead {
		return Layout{}, fmt.Errorf("pack trailer: %w", ErrDamaged)
	}
	table := make([]byte, 4*cells(l.Body), 4*cells(l.Body)+16)
	if _, err := r.ReadAt(table, l.Body); err != nil && err != io.EOF {
		return Layout{}, err
	}
	if crc32.Checksum(append(table, foot[:16]...), object.Castagnoli) != binary.LittleEndian.Uint32(foot[16:]) {
		return Layout{}, fmt.Errorf("pack trailer's CRC32C: %w", ErrDamaged)
	}
	l.CRCs = make([]uint32, len(table)/4)
	for i := range l.CRCs {
		l.CRCs[i] = binary.LittleEndian.Uint32(table[4*i:])
	}
	return l, nil
}

// Range is a stretch of an object's bytes.
type Range struct{ Offset, Length int64 }

// VerifyCells reads the body and reports every stretch of cells whose CRC32C
// does not match or that cannot be read. It takes constant memory.
func (l Layout) VerifyCells(r io.ReaderAt, bad func(Range)) error {
	const window = 256 * CellSize // 1 MiB
	buf := make([]byte, min(window, l.Body))
	var run Range
	add := func(b Range) {
		if run.Length > 0 && run.Offset+run.Length == b.Offset {
			run.Length += b.Length
			return
		}
		if run.Length > 0 {
			bad(run)
		}
		run = b
	}
	for at := int64(0); at < l.Body; at += int64(len(buf)) {
		part := buf[:min(int64(len(buf)), l.Body-at)]
		err := readFull(r, part, at)
		if err == nil {
			l.BadCells(part, at, add)
			continue
		}
		// One bad sector must not hide the rest: what can be read is read.
		for off := 0; off < len(part); off += CellSize {
			cell := part[off:min(off+CellSize, len(part))]
			switch err := readFull(r, cell, at+int64(off)); {
			case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrClosed),
				errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
				return err // says nothing of the pack
			case err != nil:
				add(Range{at + int64(off), int64(len(cell))})
			default:
				l.BadCells(cell, at+int64(off), add)
			}
		}
	}
	if run.Length > 0 {
		bad(run)
	}
	return nil
}

// BadCells reports every cell of data whose CRC32C does not match. data lies at
// offset at, a multiple of CellSize, and ends with a cell.
func (l Layout) BadCells(data []byte, at int64, bad func(Range)) {
	for off := 0; off < len(data); off += CellSize {
		cell := data[off:min(off+CellSize, len(data))]
		if crc32.Checksum(cell, object.Castagnoli) != l.CRCs[(at+int64(off))/CellSize] {
			bad(Range{at + int64(off), int64(len(cell))})
		}
	}
}

// readFull is r.ReadAt, for which a full read ends well even at the very end.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	return err
}

// Placed is one frame of a directory: where it lies and what it holds.
type Placed struct {
	Offset, Length uint32
	IDs            []index.ID
}

// Opener opens what one pack's AEAD has sealed.
type Opener struct {
	ID    index.PackID
	Kind  index.Kind
	AEAD  cipher.AEAD
	Nonce func(uint32) [12]byte
}

// Frame opens a sealed frame in place and returns its plaintext.
func (o Opener) Frame(sealed []byte, ordinal uint16) ([]byte, error) {
	return o.open(sealed, uint32(ordinal), false)
}

func (o Opener) open(sealed []byte, ordinal uint32, directory bool) ([]byte, error) {
	nonce := o.Nonce(ordinal)
	plain, err := o.AEAD.Open(sealed[:0], nonce[:], sealed, associated(o.ID, o.Kind, ordinal, directory))
	if err != nil {
		return nil, fmt.Errorf("%w: its authentication tag does not match", ErrDamaged)
	}
	return plain, nil
}

// Directory reads and opens a pack's directory; headLen is Header.Len.
func (o Opener) Directory(r io.ReaderAt, l Layout, headLen int) ([]Placed, error) {
	sealed := make([]byte, l.Directory)
	if _, err := r.ReadAt(sealed, l.Body-l.Directory); err != nil && err != io.EOF {
		return nil, err
	}
	plain, err := o.open(sealed, uint32(l.Frames), true)
	if err != nil {
		return nil, fmt.Errorf("pack directory: %w", err)
	}
	return parseDirectory(plain, l.Frames, int64(headLen), l.Body-l.Directory)
}

func parseDirectory(plain []byte, frames int, at, end int64) ([]Placed, error) {
	if len(plain) < frameEntry*frames || (len(plain)-frameEntry*frames)%32 != 0 {
		return nil, fmt.Errorf("pack directory of %d bytes: %w", len(plain), ErrDamaged)
	}
	table, rest := plain[:frameEntry*frames], plain[frameEntry*frames:]
	ids := make([]index.ID, len(rest)/32)
	for i := range ids {
		ids[i] = index.ID(rest[32*i:])
	}
	placed := make([]Placed, frames)
	for i := range placed {
		stored := int64(binary.LittleEndian.Uint32(table[frameEntry*i:]))
		blobs := int64(binary.LittleEndian.Uint32(table[frameEntry*i+4:]))
		if stored < overhead || stored > MaxStored || stored > end-at || blobs == 0 || blobs > MaxBlobs || blobs > int64(len(ids)) {
			return nil, fmt.Errorf("pack directory's frame %d: %w", i, ErrDamaged)
		}
		placed[i] = Placed{Offset: uint32(at), Length: uint32(stored), IDs: ids[:blobs:blobs]}
		ids, at = ids[blobs:], at+stored
	}
	if at != end || len(ids) != 0 {
		return nil, fmt.Errorf("pack directory does not cover the pack: %w", ErrDamaged)
	}
	return placed, nil
}
