package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
	"garret/store/parity"
)

// maxParity bounds a parity object, bytes: that of the largest pack at 100 %,
// with its tables.
const maxParity = 2 << 30

// parityEncoder makes the parity of what is stored, in memory that it uses
// again. It is not for concurrent use.
type parityEncoder struct {
	percent int
	buf     []byte
}

// put stores an object together with its parity, if the repository has any,
// and returns the bytes stored. Both are durable when it returns.
func (e *parityEncoder) put(ctx context.Context, b backend.Backend, of object.Type, name string, id [16]byte, data []byte) (int64, error) {
	if e.percent == 0 {
		return int64(len(data)), b.Put(ctx, name, data)
	}
	var err error
	e.buf, err = parity.Encode(parity.Params{Of: of, ID: id, Percent: e.percent}, data, e.buf[:0])
	if err != nil {
		return 0, fmt.Errorf("parity of %s: %w", name, err)
	}
	// The parity comes after, and collectors remove it before: where there is
	// only parity, the object was lost.
	if err := b.Put(ctx, name, data); err != nil {
		return 0, err
	}
	return int64(len(data) + len(e.buf)), b.Put(ctx, parityName(id), e.buf)
}

// readParity reads and parses an object's parity, however damaged it is.
func readParity(ctx context.Context, b backend.Backend, of object.Type, id [16]byte) (*parity.Object, error) {
	data, err := readDamaged(ctx, b, parityName(id), maxParity)
	if err != nil {
		return nil, err
	}
	p, err := parity.Parse(data)
	if err == nil && (p.Of() != of || p.ID() != id) {
		err = fmt.Errorf("%w: it is of another object", object.ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", parityName(id), err)
	}
	return p, nil
}

// errNoParity means that an object has no parity that could heal it.
var errNoParity = errors.New("it has no parity")

// heal returns the original bytes of a pack or segment out of what is left of
// it, which may be nothing, and of its parity.
func heal(ctx context.Context, b backend.Backend, of object.Type, name string, id [16]byte) ([]byte, error) {
	p, err := readParity(ctx, b, of, id)
	if missing(err) {
		return nil, errNoParity
	}
	if err != nil {
		return nil, err
	}
	data, err := readEnds(ctx, b, name, p.Size())
	if err != nil && !missing(err) && !errors.Is(err, errUnreadable) {
		return nil, err
	}
	return p.Heal(data, nil)
}

// healedSegment is heal for a segment.
func healedSegment(ctx context.Context, b backend.Backend, id SegmentID) ([]byte, error) {
	return heal(ctx, b, object.Segment, segmentName(id), id)
}

// healedPack is heal for a pack.
func healedPack(ctx context.Context, b backend.Backend, id index.PackID) ([]byte, error) {
	return heal(ctx, b, object.Pack, packName(id), id)
}

// errUnreadable means that storage gives no byte of an object, though it is
// there. That may pass: a disk that was away for a moment, a network that is.
// So nothing may be concluded about what the object holds.
var errUnreadable = errors.New("nothing of it can be read")

// readDamaged reads an object from a medium that may be failing: what cannot
// be read is zeros, and if that is all, errUnreadable. An object of more than
// limit bytes is an error.
func readDamaged(ctx context.Context, b backend.Backend, name string, limit int64) ([]byte, error) {
	data, err := backend.ReadAll(ctx, b, name, limit)
	if err == nil || missing(err) || errors.Is(err, backend.ErrTooLarge) || errors.Is(err, backend.ErrClosed) || ctx.Err() != nil {
		return data, err
	}
	size, err := b.Size(ctx, name)
	if err != nil {
		return nil, err
	}
	return readCells(ctx, b, name, 0, min(size, limit))
}

// readEnds reads what is left of an object that had size bytes: all of it or, if
// it has grown far beyond that, its first and its last size bytes, one after
// another. Parity looks for its cells as far from the beginning as they were, and
// as far from the end, and finds in them what it would find in all of it.
func readEnds(ctx context.Context, b backend.Backend, name string, size int64) ([]byte, error) {
	stored, err := b.Size(ctx, name)
	if err != nil {
		return nil, err
	}
	if stored <= 2*size {
		return readDamaged(ctx, b, name, 2*size)
	}
	head, err := readCells(ctx, b, name, 0, size)
	if err != nil && !errors.Is(err, errUnreadable) {
		return nil, err
	}
	tail, err := readCells(ctx, b, name, stored-size, size)
	if err != nil && !errors.Is(err, errUnreadable) {
		return nil, err
	}
	data := make([]byte, 2*size)
	copy(data, head)
	copy(data[size:], tail)
	return data, nil
}

// readCells reads length bytes of an object from offset from on, cell by cell.
// Those that cannot be read are zeros; errUnreadable if none can.
func readCells(ctx context.Context, b backend.Backend, name string, from, length int64) ([]byte, error) {
	data := make([]byte, length)
	var failed error
	cells, lost := 0, 0
	for off := 0; off < len(data); off += parity.Sector {
		cell := data[off:min(off+parity.Sector, len(data))]
		n, err := b.ReadAt(ctx, name, cell, from+int64(off))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(err, backend.ErrClosed) || missing(err) {
			return nil, err
		}
		if err == io.EOF {
			data = data[:off+n]
			break
		}
		cells++
		if err != nil {
			clear(cell)
			lost++
			failed = err
		}
	}
	if cells > 0 && lost == cells {
		return nil, fmt.Errorf("%w: %w", errUnreadable, failed)
	}
	return data, nil
}
