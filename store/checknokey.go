package store

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"garret/index"
	"garret/store/backend"
	"garret/store/cache"
	"garret/store/object"
	"garret/store/pack"
)

// noKey is one run of CheckNoKey.
type noKey struct {
	*reporter
	b      backend.Backend
	config *Config // nil when no copy is sound
	live   map[index.SessionID]bool

	condemned map[index.PackID]bool // on their way out, of which parity goes first

	limit time.Duration // no pack is begun later; 0: no limit
	began time.Time
	last  *verified // when packs were verified; nil if the repository is not known

	healing sync.Mutex // held while an object is held in memory

	mu        sync.Mutex
	protected map[[16]byte]protected // packs and segments, with the sizes that were listed
	parity    map[[16]byte]int64     // sizes as listed
}

// CheckNoKey verifies every stored byte by its CRC32C, and what objects say of
// themselves in the clear, and says of what is damaged whether a second copy or
// parity puts it right. It needs no key, and memory for the names of packs and
// for one pack that it heals, and changes nothing. It cannot notice that an
// object is missing together with its copy or parity, nor that one was replaced
// by somebody who made its checksums right. Of the options, ReadData, Walk and
// Only mean nothing to it, and of Part only Limit does. ErrNoRepository means
// that nothing there is part of a repository.
func CheckNoKey(ctx context.Context, b backend.Backend, o CheckOptions) (*CheckResult, error) {
	began := time.Now()
	c := &noKey{limit: o.Part.Limit, began: began, reporter: newReporter(o), b: b, protected: make(map[[16]byte]protected), parity: make(map[[16]byte]int64)}
	err := c.run(ctx)
	if err == nil {
		c.summarise()
	}
	return &c.result, err
}

func (c *noKey) summarise() {
	r := &c.result
	yes := func(format string, args ...any) { r.Verified = append(r.Verified, fmt.Sprintf(format, args...)) }
	no := func(format string, args ...any) { r.NotVerified = append(r.NotVerified, fmt.Sprintf(format, args...)) }
	yes("Every stored byte of %s, %s, was read and matches its CRC32C%s.", plural(r.Objects, "object"), bytesOf(r.Bytes), r.apart())
	if c.config != nil && c.config.Parity > 0 {
		yes("Each pack and each index segment has parity of the right size, and each config, key slot and snapshot its second copy%s.", r.apart())
	}
	if c.last != nil {
		c.last.summarise(r, Part{Limit: c.limit}, yes, no)
	}
	no("Whether objects are missing of which no copy and no parity is left, and whether any was replaced on purpose: that needs a key.")
	no("Whether snapshots and index are readable and agree with the packs.")
}

func (c *noKey) run(ctx context.Context) (err error) {
	known := 0
	err = c.b.List(ctx, "", func(e backend.Entry) error {
		want := expected(e.Name)
		if !want.known && isAside(e.Name) {
			return c.aside(ctx, c.b, e)
		}
		c.progress.TotalObjects.Add(1)
		c.progress.TotalBytes.Add(e.Size)
		switch {
		case !want.known:
			return nil
		case want.kind == object.Pack:
			c.progress.TotalPacks.Add(1)
		}
		known++
		return nil
	})
	if err != nil {
		return err
	}
	if known == 0 {
		return ErrNoRepository
	}
	newest, err := c.checkConfigs(ctx, c.b, func(*storedConfig) error { return nil })
	if err != nil {
		return err
	}
	if newest != nil {
		c.config = &newest.Config
		c.last = newVerified(cache.Open(newest.Repository.String(), c.b.Location()), "no-key")
		defer func() { c.keepVerified(err == nil) }()
	}
	if err := c.checkSlots(ctx, c.b, c.config); err != nil {
		return err
	}
	if err := c.history(ctx); err != nil {
		return err
	}
	if err := c.objects(ctx); err != nil {
		return err
	}
	if err := c.leaving(ctx); err != nil {
		return err
	}
	if err := c.parities(ctx); err != nil {
		return err
	}
	return c.missingCopies(ctx, c.b, c.live)
}

// history checks both copies of every snapshot, and then learns whose sessions
// are alive: what these have yet to put is not missing.
func (c *noKey) history(ctx context.Context) error {
	listed, err := listSnapshots(ctx, c.b)
	if err != nil {
		return err
	}
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(recordReads)
	for _, id := range listed {
		g.Go(func() error {
			_, err := c.checkRecord(groupCtx, c.b, id, nil)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	c.live, err = liveSessions(ctx, c.b)
	return err
}

// objects checks all that is stored once.
func (c *noKey) objects(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	entries := make(chan backend.Entry)
	g.Go(func() error {
		defer close(entries)
		var packs []backend.Entry // which take turns when there is a limit
		send := func(e backend.Entry) error {
			select {
			case entries <- e:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		told := make(map[string]bool)
		err := c.b.List(ctx, "", func(e backend.Entry) error {
			switch want := expected(e.Name); {
			case !want.known && isAside(e.Name):
				return nil // done
			case !want.known:
				if p := unknownObject(e.Name); !told[p.Object] {
					told[p.Object] = true
					c.problem(p)
				}
				return nil
			case want.kind == object.Config || want.kind == object.KeySlot || want.kind == object.Snapshot:
				return nil // done
			case want.kind == object.Pack && c.limit > 0 && c.last != nil:
				packs = append(packs, e)
				return nil
			}
			return send(e)
		})
		if err != nil {
			return err
		}
		if len(packs) > 0 {
			oldestFirst(c.last, packs, func(e backend.Entry) [16]byte {
				id, _ := index.ParsePackID(base(e.Name))
				return id
			})
		}
		for _, e := range packs {
			if err := send(e); err != nil {
				return err
			}
		}
		return nil
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for e := range entries {
				if err := c.object(ctx, e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// keepVerified remembers which packs were verified, of a check that was ended
// early as well.
func (c *noKey) keepVerified(all bool) {
	packs := make(map[[16]byte]int64)
	for id, p := range c.protected {
		if p.of == object.Pack {
			packs[id] = p.size
			c.result.DataTotal += p.size
		}
	}
	if len(packs) == 0 {
		return
	}
	c.last.keep(packs, all)
	share, oldest := c.last.covered(packs)
	if c.result.Covered = share; !oldest.IsZero() {
		c.result.Oldest = &oldest
	}
}

// object checks one object.
func (c *noKey) object(ctx context.Context, e backend.Entry) error {
	switch want := expected(e.Name); want.kind {
	case object.Pack:
		return c.pack(ctx, e)
	case object.Segment:
		return c.segment(ctx, e)
	case object.Parity:
		c.mu.Lock()
		defer c.mu.Unlock()
		id, _ := parseParityName(e.Name)
		c.parity[id] = e.Size // checked when all that it can be of is known
		return nil
	default:
		return c.small(ctx, e, Note, verifyObject(ctx, c.b, e.Name, e.Size, want.kind))
	}
}

func (c *noKey) segment(ctx context.Context, e backend.Entry) error {
	err := verifyObject(ctx, c.b, e.Name, e.Size, object.Segment)
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	if missing(err) {
		return nil // removed since it was listed
	}
	c.done(e.Size)
	c.add(&c.result.Segments, 1)
	id, _ := parseSegmentID(base(e.Name))
	c.protect(protected{of: object.Segment, id: id, name: e.Name, size: e.Size, damaged: err != nil})
	if err == nil {
		return nil
	}
	return c.heal(ctx, object.Segment, e.Name, id, []Problem{{Object: e.Name, Severity: Lost, Err: err}})
}

func (c *noKey) protect(p protected) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.protected[p.id] = p
}

// pack checks a pack's cells, trailer and header, and names the stretches that
// are damaged.
func (c *noKey) pack(ctx context.Context, e backend.Entry) error {
	id, _ := index.ParsePackID(base(e.Name))
	p := protected{of: object.Pack, id: id, name: e.Name, size: e.Size, session: id.Session()}
	if c.limit > 0 && time.Since(c.began) >= c.limit {
		p.skipped = true
		c.protect(p)
		return nil
	}
	problems, err := c.verifyPack(ctx, e, id)
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	if missing(err) {
		return nil // removed since it was listed
	}
	c.done(e.Size)
	c.add(&c.result.Packs, 1)
	c.progress.Packs.Add(1)
	p.damaged = len(problems) > 0
	c.protect(p)
	if c.last != nil {
		c.last.pack(id, !p.damaged)
	}
	if len(problems) == 0 {
		return nil
	}
	return c.heal(ctx, object.Pack, e.Name, id, problems)
}

// verifyPack returns what is wrong with a pack, and an error if it is missing or
// the check ends.
func (c *noKey) verifyPack(ctx context.Context, e backend.Entry, id index.PackID) (problems []Problem, err error) {
	at := object.ReaderAt{Ctx: ctx, Backend: c.b, Name: e.Name}
	problem := func(offset, length int64, err error) {
		problems = append(problems, Problem{Object: e.Name, Severity: Lost, Offset: uint64(offset), Length: uint64(length), Err: err})
	}
	layout, err := pack.ReadLayout(at, e.Size)
	if err == nil {
		err = layout.VerifyCells(at, func(r pack.Range) {
			problem(r.Offset, r.Length, fmt.Errorf("%w: its CRC32C does not match, or it cannot be read", object.ErrDamaged))
		})
	}
	if stop := fatal(ctx, err); stop != nil || missing(err) {
		return nil, err
	}
	if err != nil {
		problem(0, 0, fmt.Errorf("its trailer, without which the rest cannot be checked: %w", err))
	}
	if len(problems) > 0 {
		return problems, nil // the header would only repeat it
	}
	// Sound by its own account: is it the one that its name says?
	head := make([]byte, min(e.Size, pack.HeaderRead))
	err = readWhole(at, head, 0)
	var h pack.Header
	if err == nil {
		h, err = pack.ParseHeader(head)
	}
	switch {
	case fatal(ctx, err) != nil || missing(err):
		return nil, err
	case err != nil:
		problem(0, 0, fmt.Errorf("its header: %w", err))
	case h.Pack != id:
		problem(0, 0, fmt.Errorf("%w: it is pack %v", object.ErrDamaged, h.Pack))
	case c.config != nil && h.Suite != uint8(c.config.Suite):
		problem(0, 0, fmt.Errorf("%w: it is of another repository", object.ErrDamaged))
	}
	return problems, nil
}
