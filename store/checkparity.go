package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
	"garret/store/parity"
)

// parityHead is enough of a parity object to tell what it is of: its header and
// its first plate.
const parityHead = 4096

// protected is an object that should have parity.
type protected struct {
	of      object.Type
	id      [16]byte
	name    string
	size    int64
	session index.SessionID // that stores it; zero if it is not known
	damaged bool
	skipped bool // it was not looked at
}

// parities checks that every indexed pack and every segment has its parity. A
// percentage that is not the config's is fine.
func (c *checker) parities(ctx context.Context) error {
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(recordReads)
	var without []protected
	for _, p := range c.protected() {
		size, there := c.parity[p.id]
		if !there {
			without = append(without, p)
			continue
		}
		g.Go(func() error {
			err := c.parityOf(groupCtx, p, size)
			return c.parityProblem(groupCtx, p, size, err)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if c.r.config.Parity > 0 {
		for _, p := range without {
			if err := c.missingParity(ctx, c.r.backend, p, c.live); err != nil {
				return err
			}
		}
	}
	if c.limited() {
		return nil
	}
	return c.orphanedParities(ctx)
}

// protected lists the objects that should have parity.
func (c *checker) protected() (all []protected) {
	for _, p := range c.sortedPacks(func(p *packState) bool { return p.indexed && p.size != absent && !c.condemned[p.ID] && c.wants(p) }) {
		all = append(all, protected{of: object.Pack, id: p.ID, name: p.name(), size: int64(p.Size), session: p.ID.Session()})
	}
	if c.limited() {
		return all
	}
	for _, id := range sortedIDs(c.segments) {
		s := c.segments[id]
		if s.listed == c.round && s.seg != nil && s.seg.NumPacks() > 0 {
			all = append(all, protected{of: object.Segment, id: id, name: segmentName(id), size: s.size, session: s.seg.Pack(0).ID.Session()})
		}
	}
	return all
}

// parityOf checks the parity of an object, which was listed with that size: its
// beginning or, when data is read, all of it.
func (c *checker) parityOf(ctx context.Context, p protected, size int64) error {
	name := parityName(p.id)
	if err := checkParityHead(ctx, c.r.backend, p, size); err != nil || !c.readsParity(p) {
		return err
	}
	return verifyObject(ctx, c.r.backend, name, size, object.Parity)
}

// readsParity reports whether all of an object's parity is read: where all of
// the data is.
func (c *checker) readsParity(p protected) bool {
	return c.ReadData && c.Part == (Part{}) && !c.limited() || c.ReadData && c.Part.Of > 0 && c.Part.has(p.id)
}

// checkParityHead compares what the beginning of a parity object says with the
// object that it should be of. A size of zero in p is not compared.
func checkParityHead(ctx context.Context, b backend.Backend, p protected, size int64) error {
	head := make([]byte, min(size, parityHead))
	if err := readWhole(object.ReaderAt{Ctx: ctx, Backend: b, Name: parityName(p.id)}, head, 0); err != nil {
		return err
	}
	o, err := parity.Parse(head)
	switch {
	case err != nil:
		return err
	case o.ID() != p.id || o.Of() != p.of:
		return fmt.Errorf("%w: it is of another object", object.ErrDamaged)
	case p.size > 0 && o.Size() != p.size:
		return fmt.Errorf("%w: it is of %d bytes, and %s has %d", object.ErrDamaged, o.Size(), p.name, p.size)
	}
	if want := parity.Size(o.Size(), o.Percent()); size != want {
		return fmt.Errorf("%w: it has %d bytes instead of %d", object.ErrDamaged, size, want)
	}
	return nil
}

// parityProblem reports what is wrong with a parity object. It can be made
// again from what it protects; if that is damaged, that is told by itself.
func (c *checker) parityProblem(ctx context.Context, p protected, size int64, err error) error {
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	if missing(err) {
		return c.missingParity(ctx, c.r.backend, p, c.live)
	}
	c.add(&c.result.Objects, 1)
	c.progress.Objects.Add(1)
	c.progress.Bytes.Add(size)
	if c.readsParity(p) {
		c.add(&c.result.Bytes, size)
	}
	if err == nil {
		return nil
	}
	severity := Repairable
	if c.r.config.Parity == 0 {
		severity = Note
	}
	c.problem(Problem{Object: parityName(p.id), Severity: severity, Err: fmt.Errorf("%w; it is the parity of %s", err, p.name)})
	return nil
}

// missingParity reports that an object has no parity, unless it is being stored
// or removed.
func (r *reporter) missingParity(ctx context.Context, b backend.Backend, p protected, live map[index.SessionID]bool) error {
	if live[p.session] {
		return nil
	}
	if _, err := b.Size(ctx, parityName(p.id)); !missing(err) {
		return fatal(ctx, err)
	}
	if _, err := b.Size(ctx, p.name); err != nil {
		return fatal(ctx, err)
	}
	r.problem(Problem{Object: parityName(p.id), Severity: Repairable, Err: fmt.Errorf("it is missing; it is the parity of %s", p.name)})
	return nil
}

// orphans returns the parities of what is in no listing and no segment.
func (c *checker) orphans() (ids [][16]byte) {
	for id := range c.parity {
		p, s := c.packs[id], c.segments[id]
		if (p == nil || (p.size == absent && !p.indexed)) && (s == nil || s.listed < c.round) && !c.condemned[id] {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
	return ids
}

// orphanedParities reports the parities of what is not there.
func (c *checker) orphanedParities(ctx context.Context) error {
	for _, id := range c.orphans() {
		if c.rescued[id] || c.live[index.PackID(id).Session()] {
			continue
		}
		there, err := anyOf(ctx, c.r.backend, packName(id), segmentName(id))
		if err != nil {
			return err
		}
		if there {
			continue // it has just been stored
		}
		if there, err = anyOf(ctx, c.r.backend, parityName(id)); err != nil {
			return err
		}
		if there {
			c.add(&c.result.Objects, 1)
			c.progress.Objects.Add(1)
			c.progress.Bytes.Add(c.parity[id])
			c.problem(Problem{Object: parityName(id), Severity: Note, Err: errOrphan})
		}
	}
	return nil
}

var errOrphan = errors.New("it is the parity of an object that is not there and that nothing needs")

// anyOf reports whether one of the objects is there.
func anyOf(ctx context.Context, b backend.Backend, names ...string) (bool, error) {
	for _, name := range names {
		_, err := b.Size(ctx, name)
		if stop := fatal(ctx, err); stop != nil {
			return false, stop
		}
		if !missing(err) {
			return true, nil
		}
	}
	return false, nil
}

// sortedIDs returns a map's ids in order, so that reports come in the same
// order each time.
func sortedIDs[K ~[16]byte, V any](m map[K]V) []K {
	ids := make([]K, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b K) int {
		x, y := [16]byte(a), [16]byte(b)
		return slices.Compare(x[:], y[:])
	})
	return ids
}
