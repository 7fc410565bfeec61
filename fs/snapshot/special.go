package snapshot

import (
	"context"
	"errors"
	"time"

	"garret/fs/source"
	"garret/fs/tree"
)

// special is a block device or FIFO as a reader's file. That a FIFO has no
// writer is told once; it is waited for as long as the run lasts.
type special struct {
	*source.Special
	ctx     context.Context
	waiting func() error  // tells so once
	after   time.Duration // of waiting
}

const (
	specialPatience = 100 * time.Millisecond // between looks at the context
	waitingAfter    = 5 * time.Second
)

func (s *special) ReadAt(p []byte, off int64) (int, error) {
	begun := time.Now()
	for {
		n, err := s.Special.ReadAt(p, off, specialPatience)
		if !errors.Is(err, source.ErrNoWriter) {
			return n, err
		}
		if err := s.ctx.Err(); err != nil {
			return 0, err
		}
		if s.waiting != nil && time.Since(begun) > s.after {
			if err := s.waiting(); err != nil {
				return 0, err
			}
			s.waiting = nil
		}
	}
}

// A device has no version, no holes and no attributes that a file could have:
// what is asked of a file before and after it is read is not asked of it.

func (s *special) Stat(*source.Stat) error { return nil }
func (s *special) NextData(off int64) (start, end int64, err error) {
	return off, int64(s.Size()), nil
}
func (s *special) Xattrs() ([]tree.Xattr, error)  { return nil, nil }
func (s *special) Flags() (flags uint32, ok bool) { return 0, false }
func (s *special) WillRead()                      {}

var _ file = (*special)(nil)

// special reads a device or FIFO to its end.
func (r *reader) special(ctx context.Context, e *entry) error {
	open, err := e.from.OpenSpecial(e.name)
	if err != nil {
		e.failed = err
		return nil
	}
	defer open.Close()
	e.opened = true
	open.KeepCache(int64(open.Size()))
	f := &special{Special: open, ctx: ctx, after: waitingAfter}
	if r.o.waitingAfter > 0 {
		f.after = r.o.waitingAfter
	}
	f.waiting = func() error { return r.send(ctx, e, piece{notice: ErrWaiting}) }
	begun := e.node
	if err := r.send(ctx, e, piece{begun: &begun}); err != nil {
		return err
	}
	s := stream{r: r, e: e, f: f, limit: open.Size(), grown: true}
	if err := s.run(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e.node.Size = s.pos
	return nil
}
