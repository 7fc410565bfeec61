package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
)

// listedSegment is an index segment that some listing has shown.
type listedSegment struct {
	seg    *index.Segment // nil when it is damaged or could not be found
	bad    error          // why it is no use: it is damaged, and nothing heals it
	listed int            // the last round that listed it
	size   int64          // as listed, bytes
}

// packState is what a check knows of a pack.
type packState struct {
	index.Pack              // as the index describes it; only its ID if it does not
	others     []index.Pack // what other segments say instead
	indexed    bool
	size       int64 // as listed, bytes; absent when it is not
	first      int   // the first round that listed it, 0 if none has
	checked    int   // the round after whose listings it was checked, 0 if not yet

	byDirectory   bool   // its directory was compared with the index
	matched, rows uint64 // rows of the index that agree with it; all its rows
	unlisted      int    // blobs that no segment lists there

	healed   bool  // parity makes it whole, in memory
	hopeless error // why parity does not

	loss     bool              // something needed is lost with it
	deferred []deferredProblem // damage, until it is known what it costs

	wanted  bool // it holds something that is needed, in a limited check
	adopted bool // no segment lists all of it: its own account was taken in
	needed  bool // what no segment lists of it is needed
	again   bool // it is checked again, and its problems were reported
}

// deferredProblem is damage of a pack that nothing heals.
type deferredProblem struct {
	Problem
	structure bool // it is about more than frames
}

const absent = -1

// name returns the object's name.
func (p *packState) name() string { return packName(p.ID) }

// loadAgain lists condemned packs, index and packs, in that order, and maps the
// segments that are new. It is called again when something seems to be
// missing; no workers run then. It returns how many indexed packs went away
// since the last time.
func (c *checker) loadAgain(ctx context.Context) (vanished int, err error) {
	c.round++
	condemned, err := c.r.condemned(ctx)
	if err != nil {
		return 0, err
	}
	for id := range condemned {
		c.condemned[id] = true
	}
	if err := c.loadSegments(ctx); err != nil {
		return 0, err
	}
	before := make(map[*packState]bool)
	for _, p := range c.packs {
		if p.size != absent {
			before[p] = true
			p.size = absent
		}
	}
	err = c.r.backend.List(ctx, dirPacks, func(e backend.Entry) error {
		if !expected(e.Name).known {
			c.unknownName(e.Name)
			return nil
		}
		id, err := index.ParsePackID(base(e.Name))
		if err != nil {
			return err
		}
		p := c.packs[id]
		if p == nil {
			p = &packState{Pack: index.Pack{ID: id}}
			c.packs[id] = p
		}
		p.size = e.Size
		if p.first == 0 {
			p.first = c.round
		}
		return nil
	})
	for p := range before {
		if p.indexed && p.size == absent {
			vanished++
		}
	}
	if err != nil {
		return vanished, err
	}
	// The parity of what was listed is there by now, or will be in a moment.
	c.parity = make(map[[16]byte]int64)
	return vanished, c.r.backend.List(ctx, dirParity, func(e backend.Entry) error {
		if id, ok := parseParityName(e.Name); ok {
			c.parity[id] = e.Size
		}
		return nil
	})
}

func (c *checker) load(ctx context.Context) error {
	_, err := c.loadAgain(ctx)
	return err
}

// loadSegments decodes the listed segments that are new, each from the
// repository even if the local cache has it (which is replaced by what was
// read).
func (c *checker) loadSegments(ctx context.Context) error {
	if c.round == 1 { // what is merged of the local cache is not looked at, so it is not believed any more
		for _, m := range c.r.cache.Merged() {
			c.r.cache.RemoveMerged(m)
		}
	}
	type fresh struct {
		id   SegmentID
		size int64
	}
	var add []fresh
	err := c.r.backend.List(ctx, dirIndex, func(e backend.Entry) error {
		id, err := parseSegmentID(base(e.Name))
		if err != nil || segmentName(id) != e.Name {
			c.unknownName(e.Name)
			return nil
		}
		s := c.segments[id]
		if s == nil {
			s = new(listedSegment)
			c.segments[id] = s
		}
		s.listed, s.size = c.round, e.Size
		if s.seg == nil && s.bad == nil {
			add = append(add, fresh{id, e.Size})
		}
		return nil
	})
	if err != nil {
		return err
	}
	segs := make([]*index.Segment, len(add))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range add {
		g.Go(func() (err error) {
			segs[i], err = c.segment(ctx, f.id, f.size, c.segments[f.id])
			return err
		})
	}
	err = g.Wait()
	for i, seg := range segs {
		if seg != nil {
			c.segments[add[i].id].seg = seg
			c.addSegment(segmentName(add[i].id), seg)
		}
	}
	for _, m := range c.all {
		m.grow(c.set.Rows())
	}
	return err
}

// segment decodes and verifies one segment; nil when it is bad or missing. What
// is damaged is taken from its parity.
func (c *checker) segment(ctx context.Context, id SegmentID, size int64, listed *listedSegment) (*index.Segment, error) {
	seg, err := c.mapSegment(id, c.r.segmentReader(ctx, id), size)
	if stop := fatal(ctx, err); stop != nil {
		return nil, stop
	}
	if err == nil {
		c.done(size)
		c.add(&c.result.Segments, 1)
		return seg, nil
	}
	// What it lists seems lost. If it was superseded, its successor is there.
	c.suspect.Store(true)
	if missing(err) {
		return nil, nil
	}
	c.done(size)
	seg, healErr := c.healSegment(ctx, id)
	if seg != nil || fatal(ctx, healErr) != nil {
		return seg, fatal(ctx, healErr)
	}
	listed.bad = fmt.Errorf("%w; %s", err, notHealed(healErr))
	return nil, nil
}

// mapSegment decodes a segment, of which at has the bytes, and maps it.
func (c *checker) mapSegment(id SegmentID, at io.ReaderAt, size int64) (*index.Segment, error) {
	f, path, err := c.r.cache.AddSegment(id.String(), func(w io.Writer) error {
		return c.r.decodeSegment(id, at, size, w)
	})
	if err != nil {
		return nil, err
	}
	seg, err := index.OpenFile(path)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = seg.Verify()
	}
	if err != nil && seg != nil {
		err = errors.Join(err, seg.Close())
		seg = nil
	}
	return seg, err
}

// addSegment takes a segment's packs over into the table of packs.
func (c *checker) addSegment(name string, seg *index.Segment) {
	c.set.Add(seg)
	for i := range uint32(seg.NumPacks()) {
		claim := seg.Pack(i)
		p := c.packs[claim.ID]
		switch {
		case p == nil:
			c.packs[claim.ID] = &packState{Pack: claim, indexed: true, size: absent}
		case !p.indexed:
			p.Pack, p.indexed = claim, true
		case p.Pack != claim && !slices.Contains(p.others, claim):
			p.others = append(p.others, claim)
			c.problem(Problem{Object: name, Severity: Repairable, Err: fmt.Errorf("%w: it and another segment disagree about pack %v", object.ErrDamaged, claim.ID)})
		}
	}
}
