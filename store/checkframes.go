package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"garret/index"
	"garret/store/object"
	"garret/store/pack"
)

// frameWorker verifies frames, with memory of its own that it reuses.
type frameWorker struct {
	c      *checker
	hasher *hasher
	buf    []byte
	frame  pack.Frame
}

func (c *checker) newFrameWorker() *frameWorker {
	return &frameWorker{c: c, hasher: c.r.hasher()}
}

// verify reads a run and verifies its frames and, where the pack's trailer is
// sound, the cells that begin in it.
func (w *frameWorker) verify(ctx context.Context, r run) error {
	o, c := r.pack, w.c
	from, to := r.from(), r.to()
	if o.layout != nil { // whole cells
		from -= from % pack.CellSize
		to = min(o.layout.Body, (to+pack.CellSize-1)/pack.CellSize*pack.CellSize)
	}
	w.buf = slices.Grow(w.buf[:0], int(to-from))[:to-from]
	err := readWhole(o.at(ctx, c), w.buf, from)
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	if err != nil {
		return w.unreadable(ctx, r, err)
	}
	c.countRun(o, r)
	var rotten []pack.Range
	if o.layout != nil {
		o.layout.BadCells(w.buf, from, func(b pack.Range) { rotten = append(rotten, b) })
	}
	var failed []failedFrame
	for _, p := range r.pieces {
		if p.frame == nil {
			continue
		}
		if err := w.openFrame(o, p.frame, w.buf[p.from-from:p.to-from]); err != nil {
			if o.layout != nil && !touches(rotten, p.from, p.to) {
				err = fmt.Errorf("%w, although its CRC32C does: it was written like this", err)
			}
			failed = append(failed, failedFrame{p.frame, err})
		}
	}
	if len(failed)+len(rotten) == 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed = append(o.failed, failed...)
	for _, b := range rotten {
		if b.Offset >= r.from() { // else it was seen with the run before
			o.rotten = append(o.rotten, stretch{b, errCell})
		}
	}
	return nil
}

var errCell = fmt.Errorf("%w: its CRC32C does not match", object.ErrDamaged)

// countRun counts what was read.
func (c *checker) countRun(o *openedPack, r run) {
	n := r.to() - r.from()
	c.add(&c.result.Bytes, n)
	if !o.again {
		c.progress.Bytes.Add(n)
		c.add(&c.result.DataBytes, n)
	}
}

// again verifies a frame that has failed, out of its healed pack.
func (w *frameWorker) again(ctx context.Context, h *openedPack, f *placedFrame) error {
	w.buf = slices.Grow(w.buf[:0], int(f.length))[:f.length]
	if err := readWhole(h.at(ctx, w.c), w.buf, int64(f.offset)); err != nil {
		return err
	}
	return w.openFrame(h, f, w.buf)
}

// unreadable notes a run that could not be read, piece by piece: what can be
// read of it is.
func (w *frameWorker) unreadable(ctx context.Context, r run, err error) error {
	o := r.pack
	if missing(err) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if !o.gone {
			o.gone = true
			w.c.vanished(o.packState)
		}
		return nil
	}
	if len(r.pieces) > 1 {
		for i := range r.pieces {
			if err := w.verify(ctx, run{o, r.pieces[i : i+1]}); err != nil {
				return err
			}
		}
		return nil
	}
	w.c.countRun(o, r)
	o.mu.Lock()
	defer o.mu.Unlock()
	if f := r.pieces[0].frame; f != nil {
		o.failed = append(o.failed, failedFrame{f, err})
		return nil
	}
	o.rotten = append(o.rotten, stretch{pack.Range{Offset: r.from(), Length: r.to() - r.from()}, err})
	return nil
}

// openFrame decrypts a frame in place, decompresses it and recomputes its
// blobs' HMACs. Blobs that are sound are marked, whatever else is wrong.
func (w *frameWorker) openFrame(o *openedPack, f *placedFrame, sealed []byte) error {
	plain, err := o.opener.Frame(sealed, f.ordinal)
	if err != nil {
		return fmt.Errorf("frame %d: %w", f.ordinal, err)
	}
	// A frame of a tree is kept for the walk, in memory of its own.
	decoded := &w.frame
	var kept *frame
	if o.Kind == index.Tree {
		kept = newFrame()
		defer kept.drop()
		decoded = &kept.Frame
		err = kept.decode(plain)
	} else {
		err = decoded.Decode(plain)
	}
	if err != nil {
		return fmt.Errorf("frame %d: %w", f.ordinal, err)
	}
	var problems []error
	if f.at == nil && decoded.Len() != len(f.ids) {
		problems = append(problems, fmt.Errorf("frame %d: %w: it holds %d blobs, the directory says %d", f.ordinal, object.ErrDamaged, decoded.Len(), len(f.ids)))
	}
	var ids []index.ID
	if kept != nil {
		ids = slices.Clone(f.ids)
	}
	good := int64(0)
	for i, ok := range w.hasher.verify(o.Kind, decoded, f.storedFrame) {
		n := f.blob(i)
		if !ok {
			problems = append(problems, fmt.Errorf("frame %d: %w: the HMAC of its blob %d does not match", f.ordinal, object.ErrDamaged, n))
			continue
		}
		good++
		if kept != nil {
			kept.ids[n].Store(&ids[i])
		}
		if f.unlisted == nil || !f.unlisted[i] {
			w.c.markSound(o.Kind, f.ids[i])
		}
	}
	w.c.countBlobs(o.packState, good)
	if !o.again {
		w.c.add(&w.c.result.DataBlobs, good)
	}
	if kept != nil {
		key := w.c.reader.frameKey(index.Location{Pack: o.ID, Kind: o.Kind, Frame: f.ordinal})
		w.c.reader.frames.Set(key, kept, kept.cost())
	}
	return errors.Join(problems...)
}

// frameKey names a frame.
type frameKey struct {
	pack   index.PackID
	offset uint32
}

// badFrame reports a damaged frame that nothing heals, once. It costs nothing if
// all that is needed of it has another sound copy; unless that is out of the
// question already, the report waits until it is known.
func (c *checker) badFrame(p *packState, f *placedFrame, err error) {
	key := frameKey{p.ID, f.offset}
	c.mu.Lock()
	known := c.frames[key]
	c.frames[key] = true
	c.mu.Unlock()
	if known {
		return
	}
	problem := Problem{Object: p.name(), Offset: uint64(f.offset), Length: uint64(f.length), Err: err}
	if slices.ContainsFunc(f.ids, func(id index.ID) bool { return c.onlyCopy(p.Kind, id) }) {
		problem.Severity = Lost
		c.problem(problem)
		return
	}
	c.later(p, false, problem)
}

// onlyCopy reports whether a blob is known to be needed and to have no other
// copy than the one at hand.
func (c *checker) onlyCopy(kind index.Kind, id index.ID) bool {
	n, ok := c.set.Ordinal(id)
	if !ok || (kind == index.Data && !c.needed.has(n)) || (kind == index.Tree && !c.visited.has(n)) {
		return false
	}
	copies := make(map[frameKey]bool)
	c.set.Lookup(id, func(at index.Location) bool {
		copies[frameKey{at.Pack, at.Offset}] = true
		return len(copies) == 1
	})
	return len(copies) == 1
}

// packsByRows verifies the packs whose directory is no use by the index's rows.
func (c *checker) packsByRows(ctx context.Context) error {
	// The rows are read once for so many packs.
	const batch = 32
	packs := c.byRows
	c.byRows = nil
	for some := range slices.Chunk(packs, batch) {
		opened := make(map[index.PackID]*openedPack, len(some))
		for _, p := range some {
			in, _ := c.set.Session(p.ID.Session())
			if opener, err := c.opener(p.ID, p.Kind, in); err == nil {
				opened[p.ID] = &openedPack{packState: p, opener: opener}
			}
		}
		c.placeByRows(opened)
		err := c.readFrames(ctx, func(ctx context.Context, emit func(run) error) error {
			for _, p := range some {
				o := opened[p.ID]
				if o == nil {
					continue
				}
				o.pending.Store(1)
				for i := range o.frames {
					f := &o.frames[i]
					end := int64(f.offset) + int64(f.length)
					if end > p.size {
						break // that the pack is too short has been told
					}
					o.pending.Add(1)
					if err := emit(run{o, []piece{{int64(f.offset), end, f}}}); err != nil {
						return err
					}
				}
				if err := c.runDone(ctx, o); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// placeByRows gathers the frames of the given packs from the index.
func (c *checker) placeByRows(opened map[index.PackID]*openedPack) {
	type place struct {
		pack           index.PackID
		frame          uint16
		offset, length uint32
	}
	frames := make(map[place]*placedFrame)
	for _, seg := range c.set.Segments() {
		for id, at := range seg.Rows() {
			if opened[at.Pack] == nil {
				continue
			}
			key := place{at.Pack, at.Frame, at.Offset, at.Length}
			f := frames[key]
			if f == nil {
				f = &placedFrame{storedFrame: storedFrame{ordinal: at.Frame, offset: at.Offset, length: at.Length, at: []uint16{}}}
				frames[key] = f
			}
			f.ids, f.at = append(f.ids, id), append(f.at, at.Blob)
		}
	}
	for key, f := range frames {
		o := opened[key.pack]
		o.frames = append(o.frames, *f)
	}
	for _, o := range opened {
		slices.SortFunc(o.frames, func(a, b placedFrame) int { return int(a.offset) - int(b.offset) })
	}
}
