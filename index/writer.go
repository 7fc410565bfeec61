package index

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// writer writes a segment from front to back. Rows come in order; of identical
// ones the first is written.
type writer struct {
	w    io.Writer
	n    int64  // bytes written
	buf  []byte // not written yet
	crc  uint32 // of the current part, as far as it is written
	head header
	fan  []uint32
	last row
}

const writeSize = 64 << 10

// newWriter writes header and tables of a segment of at most so many rows. The
// tables are in order.
func newWriter(w io.Writer, sessions []Session, packs []packEntry, rows uint64) (*writer, error) {
	var encapsulations uint64
	for _, s := range sessions {
		encapsulations += uint64(len(s.Encapsulation))
	}
	if uint64(len(packs)) > maxPacks || encapsulations >= 1<<32 || rows > maxRows {
		return nil, fmt.Errorf("%w: %d packs, %d sessions, %d rows", ErrLimit, len(packs), len(sessions), rows)
	}
	o := &writer{w: w, buf: make([]byte, 0, writeSize), head: header{
		fanBits:       fanBits(rows),
		sessions:      uint32(len(sessions)),
		packs:         uint32(len(packs)),
		encapsulation: uint32(encapsulations),
	}}
	o.fan = make([]uint32, 1<<o.head.fanBits)
	return o, o.tables(sessions, packs)
}

func (o *writer) tables(sessions []Session, packs []packEntry) error {
	if err := o.write(o.head.encode()); err != nil {
		return err
	}
	var b [packSize]byte
	var end uint32
	for _, s := range sessions {
		end += uint32(len(s.Encapsulation))
		copy(b[:], s.ID[:])
		binary.LittleEndian.PutUint32(b[sessionEpoch:], s.Epoch)
		binary.LittleEndian.PutUint32(b[sessionEnd:], end)
		if err := o.write(b[:sessionSize]); err != nil {
			return err
		}
	}
	for _, s := range sessions {
		if err := o.write(s.Encapsulation); err != nil {
			return err
		}
	}
	for _, p := range packs {
		copy(b[:], p.ID[:])
		binary.LittleEndian.PutUint32(b[packBytes:], p.Size)
		b[packKind] = byte(p.Kind)
		binary.LittleEndian.PutUint32(b[packSession:], p.session)
		if err := o.write(b[:]); err != nil {
			return err
		}
	}
	var err error
	o.head.tablesCRC, err = o.endPart()
	return err
}

// add writes a row. Out of order it is an error: whatever gave it is damaged.
func (o *writer) add(r *row) error {
	if o.head.rows > 0 {
		c := compareRows(&o.last, r)
		if c == 0 {
			return nil
		}
		if c > 0 {
			return fmt.Errorf("%w: rows out of order", ErrDamaged)
		}
	}
	if r.pack >= o.head.packs {
		return fmt.Errorf("%w: a row refers to no pack", ErrDamaged)
	}
	o.last = *r
	o.head.rows++
	o.fan[fanIndex(r.id[:], o.head.fanBits)]++
	if len(o.buf)+rowSize > cap(o.buf) {
		if err := o.flush(); err != nil {
			return err
		}
	}
	n := len(o.buf)
	o.buf = o.buf[:n+rowSize]
	r.encode((*[rowSize]byte)(o.buf[n:]))
	return nil
}

// finish writes fan-out and footer and returns the size of the segment.
func (o *writer) finish() (int64, error) {
	var err error
	if o.head.rowsCRC, err = o.endPart(); err != nil {
		return o.n, err
	}
	var b [fanSize]byte
	var end uint32
	for _, n := range o.fan {
		end += n
		binary.LittleEndian.PutUint32(b[:], end)
		if err := o.write(b[:]); err != nil {
			return o.n, err
		}
	}
	if o.head.fanCRC, err = o.endPart(); err != nil {
		return o.n, err
	}
	if err := o.write(o.head.footer()); err != nil {
		return o.n, err
	}
	return o.n, o.flush()
}

// write appends to the buffer; b may be larger than it.
func (o *writer) write(b []byte) error {
	for len(b) > 0 {
		if len(o.buf) == cap(o.buf) {
			if err := o.flush(); err != nil {
				return err
			}
		}
		n := min(len(b), cap(o.buf)-len(o.buf))
		o.buf = append(o.buf, b[:n]...)
		b = b[n:]
	}
	return nil
}

// endPart returns the checksum of what was written since the last call.
func (o *writer) endPart() (uint32, error) {
	err := o.flush()
	crc := o.crc
	o.crc = 0
	return crc, err
}

func (o *writer) flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	n, err := o.w.Write(o.buf)
	o.n += int64(n)
	if err == nil && n < len(o.buf) {
		err = io.ErrShortWrite
	}
	o.crc = crc32.Update(o.crc, castagnoli, o.buf)
	o.buf = o.buf[:0]
	return err
}
