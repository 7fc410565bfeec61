package tarball

import (
	"fmt"

	"garret/fs/tree"
	"garret/fs/view"
	"garret/index"
)

// content is a regular file on its way into the archive.
type content struct {
	*exporter
	entry view.Entry
	keep  regions
	holes []Range // lost: nothing tells what was there, so they become holes
	lost  LostError
}

// parts visits the parts of the file's range from at to end, cut to it, until
// visit returns false. Of what cannot be known it tells missing.
func (c *content) parts(at, end uint64, visit func(at, skip, length uint64, p tree.Part) bool, missing func(at, length uint64, err error) bool) {
	for more := true; more && at < end && c.ctx.Err() == nil; {
		err := c.o.Tree.Parts(c.ctx, c.entry, at, func(start uint64, p tree.Part) bool {
			if start >= end {
				at = end
				return false
			}
			length := min(start+p.Length, end) - at
			more = visit(at, at-start, length, p)
			at += length
			return more && at < end
		})
		if err == nil || !more {
			return
		}
		if c.ctx.Err() == nil {
			next := c.skipParts(at, end)
			more = missing(at, next-at, err)
			at = next
		}
	}
}

// skipParts finds the first byte behind at, at most to, whose part is known: the
// page of parts that has those between cannot be read. It tries at most 65536
// places, then searches back.
func (c *content) skipParts(at, to uint64) uint64 {
	readable := func(off uint64) bool {
		return off >= to || c.o.Tree.Parts(c.ctx, c.entry, off, func(uint64, tree.Part) bool { return false }) == nil
	}
	step := max(1<<20, c.entry.Size>>16)
	last, next := at, at+step
	for ; !readable(next) && c.ctx.Err() == nil; next += step {
		last = next
	}
	for next = min(next, to); next-last > 1 && c.ctx.Err() == nil; {
		if middle := last + (next-last)/2; readable(middle) {
			next = middle
		} else {
			last = middle
		}
	}
	return next
}

// findHoles fills in the regions of a file that has holes.
func (c *content) findHoles() {
	c.parts(0, c.entry.Size, func(at, _, length uint64, p tree.Part) bool {
		if !p.IsHole() {
			c.keep.add(at, length)
		}
		return true
	}, func(at, length uint64, err error) bool {
		c.lost.add(Range{at, length}, err)
		c.holes = append(c.holes, Range{at, length})
		return true
	})
}

// write writes the regions.
func (c *content) write() error {
	if len(c.entry.Content.Inline) > 0 {
		return c.put(c.entry.Content.Inline)
	}
	for _, r := range c.keep.list {
		if err := c.region(r); err != nil {
			return err
		}
	}
	return nil
}

// region writes a piece of the file, in full length whatever is lost of it.
func (c *content) region(r Range) error {
	var failed error
	c.parts(r.Offset, r.Offset+r.Length, func(at, skip, length uint64, p tree.Part) bool {
		if p.IsHole() {
			failed = c.zeros(length)
			return failed == nil
		}
		b, giveBack, err := tree.Borrow(c.ctx, c.o.Loader, index.Data, p.ID)
		if err == nil {
			defer giveBack()
		}
		if err == nil && uint64(len(b)) != p.Length {
			err = fmt.Errorf("data blob %s: %w: %d bytes where the file has %d", p.ID.Short(), tree.ErrInvalid, len(b), p.Length)
		}
		switch {
		case c.ctx.Err() != nil:
			failed = c.ctx.Err()
		case err != nil:
			c.lost.add(Range{at, length}, err)
			failed = c.zeros(length)
		default:
			failed = c.put(b[skip : skip+length])
		}
		return failed == nil
	}, func(at, length uint64, err error) bool {
		if !c.knownLost(at) {
			c.lost.add(Range{at, length}, err)
		}
		failed = c.zeros(length)
		return failed == nil
	})
	if failed == nil {
		failed = c.ctx.Err()
	}
	return failed
}

// knownLost reports whether findHoles has told of what is lost there.
func (c *content) knownLost(at uint64) bool {
	for _, r := range c.holes {
		if r.Offset <= at && at-r.Offset < r.Length {
			return true
		}
	}
	return false
}

// blank holds zeros.
var blank [64 << 10]byte

func (e *exporter) zeros(n uint64) error {
	for n > 0 {
		piece := blank[:min(n, uint64(len(blank)))]
		if err := e.put(piece); err != nil {
			return err
		}
		n -= uint64(len(piece))
	}
	return nil
}
