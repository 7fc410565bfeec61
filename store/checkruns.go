package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"garret/store/pack"
)

// run is a stretch of a pack that is read at once, by one worker.
type run struct {
	pack   *openedPack
	pieces []piece
}

// piece is one frame, or a part of the header or of the directory.
type piece struct {
	from, to int64
	frame    *placedFrame // nil: bytes that only a CRC32C covers here
}

func (r run) from() int64 { return r.pieces[0].from }

func (r run) to() int64 { return r.pieces[len(r.pieces)-1].to }

// runSize is about how much is read at once, bytes.
const runSize = 2 << 20

// emitRuns cuts a pack's body, header and directory included, into runs, in
// storage order. If keep is not nil only the frames are emitted that it keeps.
func emitRuns(o *openedPack, keep func(*placedFrame) bool, emit func(run) error) error {
	next := run{pack: o}
	add := func(p piece) error {
		if keep != nil && (p.frame == nil || !keep(p.frame)) {
			return nil
		}
		if n := len(next.pieces); n > 0 && (p.to-next.from() > runSize || next.to() != p.from) {
			if err := emit(next); err != nil {
				return err
			}
			next = run{pack: o}
		}
		next.pieces = append(next.pieces, p)
		return nil
	}
	at := int64(0)
	plain := func(to int64) error {
		for at < to {
			from := at
			at = min(to, from+runSize)
			if err := add(piece{from: from, to: at}); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range o.frames {
		f := &o.frames[i]
		if err := plain(int64(f.offset)); err != nil {
			return err
		}
		at = int64(f.offset) + int64(f.length)
		if err := add(piece{int64(f.offset), at, f}); err != nil {
			return err
		}
	}
	if err := plain(o.layout.Body); err != nil {
		return err
	}
	if len(next.pieces) == 0 {
		return nil
	}
	return emit(next)
}

// readPack emits what is to be read of a pack. What is wrong with it is told
// when all of it has been verified.
func (c *checker) readPack(ctx context.Context, o *openedPack, emit func(run) error) error {
	var keep func(*placedFrame) bool
	if c.limited() {
		keep = func(f *placedFrame) bool { return c.holdsNeeded(o.Kind, f) }
	}
	o.pending.Store(1)
	o.whole = keep == nil && (c.sample == nil || o.suspect)
	err := emitRuns(o, keep, func(r run) error {
		if c.sample != nil && !o.suspect && !c.sample.take() {
			c.acceptRun(o, r)
			return nil
		}
		o.pending.Add(1)
		return emit(r)
	})
	if err != nil {
		return err
	}
	return c.runDone(ctx, o)
}

// acceptRun takes the blobs of a run that is not read for sound.
func (c *checker) acceptRun(o *openedPack, r run) {
	for _, p := range r.pieces {
		if p.frame != nil {
			c.accept(o, p.frame)
		}
	}
	c.progress.Bytes.Add(r.to() - r.from())
}

// runDone counts down a pack's runs; the last one finishes it.
func (c *checker) runDone(ctx context.Context, o *openedPack) error {
	if o.pending.Add(-1) > 0 {
		return nil
	}
	return c.finish(ctx, o)
}

// finish heals the pack whose runs have all been verified, if it is damaged, or
// reports the damage.
func (c *checker) finish(ctx context.Context, o *openedPack) error {
	if o.gone {
		return nil
	}
	if o.whole && c.last != nil {
		c.last.pack(o.ID, len(o.failed)+len(o.rotten) == 0 && o.data == nil && !o.suspect)
	}
	if len(o.failed)+len(o.rotten) == 0 {
		return nil
	}
	slices.SortFunc(o.failed, func(a, b failedFrame) int { return cmp.Compare(a.frame.offset, b.frame.offset) })
	slices.SortFunc(o.rotten, func(a, b stretch) int { return cmp.Compare(a.Offset, b.Offset) })
	if o.data == nil {
		healed, err := c.heal(ctx, o.packState, func(h *openedPack) error {
			w := c.newFrameWorker()
			for _, f := range o.failed {
				if err := w.again(ctx, h, f.frame); err != nil {
					h.failed = append(h.failed, failedFrame{f.frame, err})
				}
			}
			return c.finish(ctx, h)
		})
		if err != nil || healed {
			return err
		}
		if why := o.hopeless; len(o.failed) > 0 && !errors.Is(why, errNoParity) && !errors.Is(why, errAsWritten) {
			o.failed[0].err = fmt.Errorf("%w; %s", o.failed[0].err, notHealed(why))
		}
	}
	var failed []pack.Range
	for _, f := range o.failed {
		failed = append(failed, pack.Range{Offset: int64(f.frame.offset), Length: int64(f.frame.length)})
		c.badFrame(o.packState, f.frame, f.err)
	}
	for i := 0; i < len(o.rotten); i++ {
		r := o.rotten[i]
		// What a failed frame explains is not told twice.
		if touches(failed, r.Offset, r.Offset+r.Length) {
			continue
		}
		for i+1 < len(o.rotten) && o.rotten[i+1].Offset == r.Offset+r.Length && !touches(failed, o.rotten[i+1].Offset, o.rotten[i+1].Offset+1) {
			i++
			r.Length += o.rotten[i].Length
		}
		c.later(o.packState, true, Problem{Object: o.name(), Offset: uint64(r.Offset), Length: uint64(r.Length), Err: r.err})
	}
	return nil
}

// verifyHere verifies runs where they are emitted.
func (c *checker) verifyHere(ctx context.Context) func(run) error {
	w := c.newFrameWorker()
	return func(r run) error {
		defer r.pack.pending.Add(-1)
		return w.verify(ctx, r)
	}
}

// readFrames verifies the runs that produce emits, on all cores.
func (c *checker) readFrames(ctx context.Context, produce func(ctx context.Context, emit func(run) error) error) error {
	g, ctx := errgroup.WithContext(ctx)
	runs := make(chan run)
	g.Go(func() error {
		defer close(runs)
		return produce(ctx, func(r run) error {
			select {
			case runs <- r:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			w := c.newFrameWorker()
			for r := range runs {
				if err := w.verify(ctx, r); err != nil {
					return err
				}
				if err := c.runDone(ctx, r.pack); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func touches(ranges []pack.Range, from, to int64) bool {
	return slices.ContainsFunc(ranges, func(r pack.Range) bool { return r.Offset < to && from < r.Offset+r.Length })
}
