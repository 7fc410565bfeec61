package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"garret/index"
	"garret/keys"
	"garret/store/object"
	"garret/store/pack"
)

// openedPack is a pack whose frames can be verified.
type openedPack struct {
	*packState
	data    []byte // what parity has made of it; nil: it is read from storage
	whole   bool   // all of it is read
	suspect bool   // it is damaged, and not healed: what is left is found out by reading
	opener  pack.Opener
	layout  *pack.Layout // nil when the trailer is not sound
	frames  []placedFrame

	pending atomic.Int32 // runs that are being verified, and one for their emission
	mu      sync.Mutex   // guards what follows while runs are verified
	gone    bool         // it went away meanwhile
	failed  []failedFrame
	rotten  []stretch // cells, and what could not be read
}

// at gives the pack's bytes.
func (o *openedPack) at(ctx context.Context, c *checker) io.ReaderAt {
	if o.data != nil {
		return bytes.NewReader(o.data)
	}
	return object.ReaderAt{Ctx: ctx, Backend: c.r.backend, Name: o.name()}
}

// failedFrame is a frame that did not verify.
type failedFrame struct {
	frame *placedFrame
	err   error
}

// stretch is a damaged range of an object's bytes.
type stretch struct {
	pack.Range
	err error
}

// placedFrame is a frame whose index rows have been looked at.
type placedFrame struct {
	storedFrame
	unlisted []bool // blobs of which the index does not have this copy; nil: none
}

// packsAndTrees checks all packs and walks all trees. Frames of trees are few
// and are read first: what is decoded then need not be decoded again by the
// walk, which goes on while the data is read.
func (c *checker) packsAndTrees(ctx context.Context) error {
	c.sample = c.sampled()
	if c.limited() {
		return c.treesFirst(ctx)
	}
	// With a limit all packs take turns, by age; else frames of trees come
	// first.
	rest := []index.Kind{index.Tree, index.Data}
	if c.Part.Limit == 0 {
		if err := c.checkPacks(ctx, index.Tree); err != nil {
			return err
		}
		rest = rest[1:]
	}
	g, groupCtx := errgroup.WithContext(ctx)
	if c.Walk != nil {
		g.Go(func() error { return c.firstWalk(groupCtx) })
	}
	g.Go(func() error { return c.checkPacks(groupCtx, rest...) })
	if err := g.Wait(); err != nil {
		return err
	}
	c.compareRows()
	return c.healedByReader(ctx)
}

// packOpeners is how many packs are opened at once: on a remote backend that is
// mostly waiting. When data is read one is read while the next is opened, so
// that storage is read in order.
func (c *checker) packOpeners() int {
	if c.ReadData {
		return 2
	}
	return max(4, runtime.GOMAXPROCS(0))
}

// checkPacks checks the indexed packs of some kinds that were not checked yet.
// Once it is settled that a pack is missing, its parity may stand in.
func (c *checker) checkPacks(ctx context.Context, kinds ...index.Kind) error {
	packs := c.sortedPacks(func(p *packState) bool {
		there := p.size != absent || c.settling && !c.condemned[p.ID]
		return p.indexed && there && p.checked == 0 && slices.Contains(kinds, p.Kind) && c.wants(p)
	})
	if c.Part.Limit > 0 {
		oldestFirst(c.last, packs, func(p *packState) [16]byte { return p.ID })
	}
	err := c.readFrames(ctx, func(ctx context.Context, emit func(run) error) error {
		g, ctx := errgroup.WithContext(ctx)
		todo := make(chan *packState)
		for range c.packOpeners() {
			g.Go(func() error {
				for p := range todo {
					if err := c.checkPack(ctx, p, emit); err != nil {
						return err
					}
				}
				return nil
			})
		}
		g.Go(func() error {
			defer close(todo)
			for _, p := range packs {
				select {
				case todo <- p:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return nil
		})
		return g.Wait()
	})
	if err != nil {
		return err
	}
	return c.packsByRows(ctx)
}

// checkPack checks one pack's structure and, if data is to be read, emits what
// there is to read.
func (c *checker) checkPack(ctx context.Context, p *packState, emit func(run) error) error {
	p.checked = c.round
	var o *openedPack
	var damage []stretch
	if p.size != absent {
		var read int64
		var err error
		o, damage, read, err = c.openPack(ctx, p)
		if stop := fatal(ctx, err); stop != nil {
			return stop
		}
		if missing(err) {
			c.vanished(p)
			return nil
		}
		if !p.again {
			c.add(&c.result.Packs, 1)
			c.add(&c.result.Objects, 1)
			c.progress.Objects.Add(1)
			c.progress.Packs.Add(1)
		}
		if o != nil && damage == nil {
			return c.packContent(ctx, o, read, emit)
		}
	}
	healed, err := c.heal(ctx, p, func(h *openedPack) error {
		return c.packContent(ctx, h, h.layout.Body, c.verifyHere(ctx))
	})
	if err != nil || healed || p.size == absent {
		return err
	}
	for _, d := range damage {
		c.later(p, true, Problem{Object: p.name(), Offset: uint64(d.Offset), Length: uint64(d.Length), Err: d.err})
	}
	if o != nil {
		o.suspect = true
		return c.packContent(ctx, o, 0, emit)
	}
	// Its account of itself is no use: the index's stands in, and what can be
	// read by it is found out by reading.
	c.mu.Lock()
	c.byRows = append(c.byRows, p)
	c.mu.Unlock()
	return nil
}

// packContent compares what a pack holds with the index, and emits what is to
// be read of it. read is how many bytes opening it took.
func (c *checker) packContent(ctx context.Context, o *openedPack, read int64, emit func(run) error) error {
	c.compareDirectory(o)
	// The walk has verified what it needs of trees.
	skip := c.limited() && o.Kind == index.Tree
	if !o.suspect && (!c.reads(o.packState) || skip) {
		for i := range o.frames {
			c.accept(o, &o.frames[i])
		}
		c.add(&c.result.Bytes, read)
		c.progress.Bytes.Add(max(o.size, 0))
		return nil
	}
	trailer := int64(o.Size) - o.layout.Body
	c.add(&c.result.Bytes, trailer)
	c.progress.Bytes.Add(trailer)
	return c.readPack(ctx, o, emit)
}

// accept takes the blobs of a frame that is not read for sound: its pack and
// the index agree on it.
func (c *checker) accept(o *openedPack, f *placedFrame) {
	listed := int64(0)
	for i, id := range f.ids {
		if f.unlisted == nil || !f.unlisted[i] {
			c.markSound(o.Kind, id)
			listed++
		}
	}
	c.countBlobs(o.packState, listed)
}

// countBlobs counts blobs of a pack, once.
func (c *checker) countBlobs(p *packState, n int64) {
	if !p.again {
		c.add(&c.result.Blobs, n)
	}
}

// openPack reads header, trailer and directory and compares them with the
// index. It returns nil when the directory cannot be used, what is damaged, and
// an error only when something could not be read because it is missing, or when
// the check ends. read is how many bytes it took.
func (c *checker) openPack(ctx context.Context, p *packState) (o *openedPack, damage []stretch, read int64, err error) {
	if i := slices.IndexFunc(p.others, func(q index.Pack) bool { return int64(q.Size) == p.size }); i >= 0 && int64(p.Size) != p.size {
		p.Pack, p.others[i] = p.others[i], p.Pack
	}
	if p.size != int64(p.Size) {
		return nil, []stretch{{err: fmt.Errorf("%w: it has %d bytes, the index says %d", object.ErrDamaged, p.size, p.Size)}}, 0, nil
	}
	return c.openFrom(ctx, p, object.ReaderAt{Ctx: ctx, Backend: c.r.backend, Name: p.name()})
}

// openFrom is openPack for a pack of the right size, of which at gives the
// bytes.
func (c *checker) openFrom(ctx context.Context, p *packState, at io.ReaderAt) (o *openedPack, damage []stretch, read int64, err error) {
	bad := func(offset, length int64, err error) error {
		if stop := fatal(ctx, err); stop != nil || missing(err) {
			return err
		}
		damage = append(damage, stretch{pack.Range{Offset: offset, Length: length}, err})
		return nil
	}
	in, ok := c.set.Session(p.ID.Session())
	if !ok {
		in.ID = p.ID.Session()
	}
	header, headErr := c.packHeader(at, p, in)
	if headErr != nil {
		if err := bad(0, int64(header.Len()), headErr); err != nil {
			return nil, nil, 0, err
		}
	}
	layout, err := pack.ReadLayout(at, int64(p.Size))
	if err != nil {
		return nil, damage, 0, bad(0, 0, fmt.Errorf("its trailer: %w", err))
	}
	read = int64(header.Len()) + int64(p.Size) - layout.Body + layout.Directory
	// Readers go by what the index says of a pack. That the pack can be opened
	// by its own account only helps to rebuild the index.
	opener, err := c.opener(p.ID, p.Kind, in)
	var placed []pack.Placed
	if err == nil {
		placed, err = opener.Directory(at, layout, header.Len())
	}
	if err != nil {
		err = bad(layout.Body-layout.Directory, layout.Directory, err)
		return nil, damage, read, err
	}
	o = &openedPack{packState: p, opener: opener, layout: &layout, frames: make([]placedFrame, len(placed))}
	for i, f := range placed {
		o.frames[i] = placedFrame{storedFrame: storedFrame{ordinal: uint16(i), offset: f.Offset, length: f.Length, ids: f.IDs}}
	}
	return o, damage, read, nil
}

// packHeader reads the header and compares it with what the index says. The
// header that it returns has the right length in any case.
func (c *checker) packHeader(at io.ReaderAt, p *packState, in index.Session) (pack.Header, error) {
	fallback := pack.Header{Encapsulation: in.Encapsulation}
	head := make([]byte, min(p.Size, pack.HeaderRead))
	if err := readWhole(at, head, 0); err != nil {
		return fallback, err
	}
	h, err := pack.ParseHeader(head)
	if err != nil {
		return fallback, fmt.Errorf("its header: %w", err)
	}
	differs := ""
	switch {
	case h.Pack != p.ID:
		differs = "pack id"
	case h.Kind != p.Kind:
		differs = "kind"
	case h.Suite != uint8(c.r.config.Suite):
		differs = "suite"
	case h.Epoch != in.Epoch:
		differs = "key epoch"
	case string(h.Encapsulation) != string(in.Encapsulation):
		differs = "session key"
	default:
		return h, nil
	}
	return fallback, fmt.Errorf("its header: %w: %s is not what index and config say", object.ErrDamaged, differs)
}

// opener derives a pack's key from a session, each of which is opened once.
func (c *checker) opener(id index.PackID, kind index.Kind, in index.Session) (pack.Opener, error) {
	name := fmt.Sprintf("%v %d %s", in.ID, in.Epoch, in.Encapsulation)
	c.mu.Lock()
	defer c.mu.Unlock()
	session := c.sessions[name]
	if session == nil {
		var err error
		if session, err = c.r.keys.OpenSession(in.Epoch, in.Encapsulation); err != nil {
			return pack.Opener{}, fmt.Errorf("session %v: %w", in.ID, err)
		}
		c.sessions[name] = session
	}
	aead, err := session.PackAEAD(id, uint8(kind))
	if err != nil {
		return pack.Opener{}, err
	}
	return pack.Opener{ID: id, Kind: kind, AEAD: aead, Nonce: keys.Nonce}, nil
}

// compareDirectory looks every blob of a directory up in the index.
func (c *checker) compareDirectory(o *openedPack) {
	unlisted := 0
	var matched uint64
	for i := range o.frames {
		f := &o.frames[i]
		for j, id := range f.ids {
			want := index.Location{Pack: o.ID, Kind: o.Kind, Offset: f.offset, Length: f.length, Frame: f.ordinal, Blob: uint16(j)}
			var rows uint64 // the same row may be in several segments
			c.set.Lookup(id, func(at index.Location) bool {
				if at == want {
					rows++
				}
				return true
			})
			matched += rows
			if rows == 0 {
				if f.unlisted == nil {
					f.unlisted = make([]bool, len(f.ids))
				}
				f.unlisted[j] = true
				unlisted++
			}
		}
	}
	o.byDirectory, o.matched, o.unlisted = true, matched, max(o.unlisted, unlisted)
}

func (c *checker) markSound(kind index.Kind, id index.ID) {
	n, ok := c.set.Ordinal(id)
	if m := c.sound[kind]; ok && m != nil {
		m.set(n)
	}
}

// compareRows is the other direction: rows of the index that no directory has.
// It looks at the rows only when their number says that there are some. Packs
// that were not compared by their directories are left out.
func (c *checker) compareRows() {
	var matched uint64
	for _, p := range c.packs {
		matched += p.matched
		p.rows = 0
	}
	if matched == c.set.Rows() {
		return
	}
	for _, seg := range c.set.Segments() {
		for _, at := range seg.Rows() {
			if p := c.packs[at.Pack]; p != nil {
				p.rows++
			}
		}
	}
	for _, p := range c.sortedPacks(func(p *packState) bool {
		return p.byDirectory && p.checked == c.round && p.rows > p.matched
	}) {
		// If one of them is needed, that is reported as a loss.
		c.problem(Problem{Object: p.name(), Severity: Repairable, Err: fmt.Errorf("%w: the index lists %d blobs in it that its directory does not have there", object.ErrDamaged, p.rows-p.matched)})
	}
}

// later keeps a pack's problem until it is known whether something needed was
// lost by it. structure says that it is about more than frames.
func (c *checker) later(p *packState, structure bool, problem Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.again {
		return // it was said when the pack was checked first
	}
	p.deferred = append(p.deferred, deferredProblem{problem, structure})
}

// vanished notes that a pack went away after it was listed. It is checked again
// if the next listing has it all the same.
func (c *checker) vanished(p *packState) {
	c.suspect.Store(true)
	if c.settling {
		c.later(p, true, Problem{Object: p.name(), Err: errors.New("it is listed but cannot be opened")})
		return
	}
	c.mu.Lock()
	p.checked = 0
	c.mu.Unlock()
}
