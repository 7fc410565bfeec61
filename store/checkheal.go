package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
	"garret/store/pack"
	"garret/store/parity"
)

// What is damaged is healed in memory, to learn whether repair can: then
// nothing is lost. One pack is held at a time.

var errAsWritten = errors.New("it is as it was written")

// heal makes a damaged or missing pack whole in memory, reports which bytes
// parity has to put right, and has use check the rest by what was healed. It
// returns false when the pack cannot be healed, which is tried once.
func (c *checker) heal(ctx context.Context, p *packState, use func(*openedPack) error) (bool, error) {
	c.healing.Lock()
	defer c.healing.Unlock()
	if p.hopeless != nil {
		return false, nil
	}
	h, found, err := c.healPack(ctx, p)
	if stop := fatal(ctx, err); stop != nil {
		return false, stop
	}
	if err != nil {
		p.hopeless = err
		return false, nil
	}
	if found.size == absent && !c.settling {
		c.vanished(p) // it may only have moved
		return true, nil
	}
	if !p.healed && !p.again {
		found.report(c.reporter, p.name())
	}
	p.healed = true
	if use == nil {
		return true, nil
	}
	return true, use(h)
}

func (c *checker) healPack(ctx context.Context, p *packState) (*openedPack, *differences, error) {
	data, err := healedPack(ctx, c.r.backend, p.ID)
	if err != nil {
		return nil, nil, err
	}
	if len(data) != int(p.Size) {
		return nil, nil, fmt.Errorf("%w: its parity is of %d bytes, the index says %d", object.ErrDamaged, len(data), p.Size)
	}
	h, damage, _, err := c.openFrom(ctx, p, bytes.NewReader(data))
	if err == nil && len(damage) > 0 {
		err = damage[0].err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("what its parity makes of it: %w", err)
	}
	h.data = data
	found, err := compare(ctx, c.r.backend, p.name(), data)
	if err == nil && found.none() {
		err = errAsWritten
	}
	return h, found, err
}

// healedByReader reports on the packs of trees that the walk has met damaged
// and that parity has healed for it.
func (c *checker) healedByReader(ctx context.Context) error {
	met := c.met
	c.met = nil
	for _, p := range c.sortedPacks(func(p *packState) bool { return met[p.ID] && !p.healed }) {
		if _, err := c.heal(ctx, p, nil); err != nil {
			return err
		}
	}
	return nil
}

// meet notes a pack that the reader of trees has healed.
func (c *checker) meet(id index.PackID, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.met == nil {
		c.met = make(map[index.PackID]bool)
	}
	c.met[id] = true
}

// healSegment maps a damaged segment as its parity makes it, and reports that.
func (c *checker) healSegment(ctx context.Context, id SegmentID) (*index.Segment, error) {
	data, err := healedSegment(ctx, c.r.backend, id)
	if err != nil {
		return nil, err
	}
	seg, err := c.mapSegment(id, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("what its parity makes of it: %w", err)
	}
	found, err := compare(ctx, c.r.backend, segmentName(id), data)
	if err == nil && found.none() {
		err = errAsWritten
	}
	if err != nil {
		return nil, errors.Join(err, seg.Close())
	}
	found.report(c.reporter, segmentName(id))
	c.add(&c.result.Segments, 1)
	return seg, nil
}

// notHealed says why parity does not help.
func notHealed(err error) string {
	switch {
	case err == nil, errors.Is(err, errNoParity):
		return errNoParity.Error()
	case errors.Is(err, errAsWritten):
		return "parity does not help: " + errAsWritten.Error()
	case errors.Is(err, parity.ErrTooDamaged):
		return "this is " + err.Error()
	}
	return "its parity does not help: " + err.Error()
}

// differences are the places where a stored object is not what it should be.
type differences struct {
	size, want int64 // stored, absent if it is missing; as it should be
	ranges     []pack.Range
}

// compare compares a stored object with its original bytes, in cells of
// parity.Sector bytes. What cannot be read is different.
func compare(ctx context.Context, b backend.Backend, name string, want []byte) (*differences, error) {
	d := &differences{want: int64(len(want))}
	size, err := b.Size(ctx, name)
	if missing(err) {
		d.size = absent
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	d.size = size
	at := object.ReaderAt{Ctx: ctx, Backend: b, Name: name}
	const window = 256 * parity.Sector
	buf := make([]byte, min(window, len(want)))
	for off := 0; off < len(want); off += len(buf) {
		part := want[off:min(off+len(buf), len(want))]
		n, err := at.ReadAt(buf[:len(part)], int64(off))
		if missing(err) {
			return &differences{size: absent, want: d.want}, nil // it has just gone
		}
		whole := n == len(part) || errors.Is(err, io.EOF)
		for cell := 0; cell < len(part); cell += parity.Sector {
			end := min(cell+parity.Sector, len(part))
			got := buf[cell:end]
			if !whole {
				if n, err := at.ReadAt(got, int64(off+cell)); n < len(got) {
					if stop := fatal(ctx, err); stop != nil {
						return nil, stop
					}
					d.add(int64(off+cell), int64(end-cell))
					continue
				}
			} else if end > n {
				got = got[:max(0, n-cell)]
			}
			if !bytes.Equal(got, part[cell:end]) {
				d.add(int64(off+cell), int64(end-cell))
			}
		}
	}
	return d, nil
}

func (d *differences) add(offset, length int64) {
	if n := len(d.ranges); n > 0 && d.ranges[n-1].Offset+d.ranges[n-1].Length == offset {
		d.ranges[n-1].Length += length
		return
	}
	d.ranges = append(d.ranges, pack.Range{Offset: offset, Length: length})
}

func (d *differences) none() bool { return d.size == d.want && len(d.ranges) == 0 }

// report tells what parity puts right.
func (d *differences) report(r *reporter, name string) {
	switch {
	case d.size == absent:
		r.problem(Problem{Object: name, Severity: Repairable, Err: errors.New("it is missing; its parity makes it again")})
	case d.size != d.want:
		r.problem(Problem{Object: name, Severity: Repairable,
			Err: fmt.Errorf("%w: it has %d bytes instead of %d; its parity heals it", object.ErrDamaged, d.size, d.want)})
	}
	for _, at := range d.ranges {
		r.problem(Problem{Object: name, Severity: Repairable, Offset: uint64(at.Offset), Length: uint64(at.Length),
			Err: fmt.Errorf("%w; its parity heals it", object.ErrDamaged)})
	}
}
