package snapshot

import (
	"context"
	"errors"
	"fmt"

	"garret/fs/source"
)

const (
	// maxReread bounds the files that are read again when they change while they
	// are read, bytes.
	maxReread = 64 << 20
	// rereads is how often.
	rereads = 1
)

// stream reads a file of any size, and again if it changes meanwhile. It takes
// the metadata again first: for a large one that is nothing, and what changed
// before it was opened is then not taken for a change while it was read.
func (r *reader) stream(ctx context.Context, e *entry, f file, again int) error {
	for {
		seen := e.stat
		if !r.look(e, f) {
			return nil
		}
		if e.resume > 0 && !seen.SameVersion(&e.stat) { // it is not the file any more that has begun so
			e.resume = 0
			if err := r.send(ctx, e, piece{restart: true}); err != nil {
				return err
			}
		}
		f.WillRead()
		if err := r.pass(ctx, e, f); err != nil || e.failed != nil {
			return err
		}
		if again == 0 || !errors.Is(e.changed, ErrChanged) || seen.Size > r.reread || e.stat.Size > r.reread {
			return nil
		}
		again--
		e.changed, e.problem, e.resume = nil, nil, 0
		if err := r.send(ctx, e, piece{restart: true}); err != nil {
			return err
		}
	}
}

// pass reads a file once.
func (r *reader) pass(ctx context.Context, e *entry, f file) error {
	s := stream{r: r, e: e, f: f, pos: e.resume, kept: e.resume, limit: e.stat.Size, sparse: true}
	if e.device.system.Pseudo { // its size means nothing
		s.pseudo, s.sparse, s.limit, s.grown = true, false, maxPseudo, true
	}
	if e.stat.Size >= uint64(r.max) {
		begun := e.node
		if err := r.send(ctx, e, piece{begun: &begun}); err != nil {
			return err
		}
	}
	if err := s.run(ctx); err != nil || e.failed != nil {
		return err
	}
	attributes(e, f)
	e.node.Size = s.pos
	if e.changed == nil && !s.pseudo {
		e.changed = difference(f, &e.stat, s.pos)
	}
	return nil
}

// difference tells whether a file was changed while it was read.
func difference(f file, before *source.Stat, size uint64) error {
	var now source.Stat
	if err := f.Stat(&now); err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	switch {
	case now.Links == 0 && before.Links > 0:
		return ErrVanished
	case !now.SameVersion(before):
		return ErrChanged
	case size != before.Size:
		return fmt.Errorf("%w: it has %d bytes and says %d", ErrChanged, size, before.Size)
	}
	return nil
}
