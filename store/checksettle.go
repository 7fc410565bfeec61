package store

import (
	"context"
	"errors"
	"fmt"

	"garret/index"
	"garret/store/object"
	"garret/store/pack"
)

// maxRounds bounds how often the repository is listed again because packs
// vanish. With a lease every one of them was condemned before the check began,
// so that there is an end to it; without a lease there need not be.
const maxRounds = 16

// settle decides about what seemed to be missing: it lists everything again
// until no pack vanishes between two listings, checks what has come, and finds
// out what is lost then, and where.
func (c *checker) settle(ctx context.Context) error {
	c.settling = true
	if c.Walk == nil {
		c.unwalked.Store(true) // all may be needed
	}
	odd := len(c.sortedPacks(func(p *packState) bool { return p.indexed == (p.size == absent) })) > 0
	if !odd && !c.suspect.Load() && !c.lossy() {
		return nil
	}
	if err := c.listAgain(ctx); err != nil {
		return err
	}
	if !c.lossy() {
		return nil
	}
	if err := c.openUnindexed(ctx); err != nil {
		return err
	}
	return c.findLosses(ctx)
}

// lossy reports whether something that is needed may be lost.
func (c *checker) lossy() bool {
	return c.Walk != nil && (c.broken.Load() || !c.needed.within(c.sound[index.Data]))
}

// listAgain loads until the repository stands still, and checks the packs that
// are new.
func (c *checker) listAgain(ctx context.Context) error {
	for range maxRounds {
		vanished, err := c.loadAgain(ctx)
		if err != nil {
			return err
		}
		if vanished == 0 {
			break
		}
	}
	for _, kind := range []index.Kind{index.Tree, index.Data} {
		if err := c.checkPacks(ctx, kind); err != nil {
			return err
		}
	}
	c.compareRows()
	return nil
}

// missingPacks reports the packs that the index lists and that are not there.
// A collector removes packs before the segments that name them, so one that
// was condemned is no problem. Others are harmless if what was needed of them
// is somewhere else.
func (c *checker) missingPacks(context.Context) error {
	named := make(map[index.PackID]bool)
	for _, s := range c.segments {
		if s.seg == nil || s.listed != c.round {
			continue
		}
		for i := range uint32(s.seg.NumPacks()) {
			if id := s.seg.Pack(i).ID; c.packs[id].size == absent && !c.condemned[id] {
				named[id] = true
			}
		}
	}
	for _, p := range c.sortedPacks(func(p *packState) bool { return named[p.ID] }) {
		problem := Problem{Object: p.name(), Harmless: !p.loss && !c.unwalked.Load(), Err: errors.New("this pack is missing")}
		if problem.Harmless {
			problem.Err = errors.New("this pack is missing, but all that is needed of it is in other packs")
		}
		c.problem(problem)
	}
	return nil
}

// harmless reports the damage that was kept back until it is known whether it
// cost anything.
func (c *checker) harmless(ctx context.Context) error {
	for _, p := range c.sortedPacks(func(p *packState) bool { return len(p.deferred) > 0 && p.size != absent }) {
		if _, err := c.r.backend.Size(ctx, p.name()); missing(err) && c.condemned[p.ID] {
			continue // a collector has just removed it
		}
		for _, problem := range p.deferred {
			if problem.Harmless = !p.loss && !c.unwalked.Load(); problem.Harmless {
				problem.Err = fmt.Errorf("%w; all that is needed of it is in other places", problem.Err)
			}
			c.problem(problem)
		}
	}
	return nil
}

// leftOver reports whether a pack is in no index segment and never will be. A
// writer stores packs, then a segment, and then ends its lease. Such a pack was
// in the first listing, its session was not alive after that, and no segment
// that was listed later has it.
func (c *checker) leftOver(p *packState) bool {
	return !p.indexed && p.first == 1 && p.size != absent && !c.condemned[p.ID] && !c.live[p.ID.Session()]
}

// unindexedPacks reports the packs that an interrupted run has left behind, or
// that a lost segment has.
func (c *checker) unindexedPacks(context.Context) error {
	for _, p := range c.sortedPacks(func(p *packState) bool { return !p.indexed && p.size != absent }) {
		switch {
		case c.leftOver(p) && p.loss:
			c.problem(Problem{Object: p.name(), Err: fmt.Errorf("%w: no index segment lists this pack, which has blobs that are needed", object.ErrDamaged)})
		case c.leftOver(p):
			c.problem(Problem{Object: p.name(), Harmless: true, Err: errors.New("no index segment lists this pack: an interrupted run has left it behind")})
		case c.live[p.ID.Session()]:
			c.skipped.packs++
		}
	}
	return nil
}

// openUnindexed reads the directories of packs that the index does not list, or
// not wholly, so that it can be said where what seems lost still is. Those that
// cannot be read are left out.
func (c *checker) openUnindexed(ctx context.Context) error {
	packs := c.sortedPacks(func(p *packState) bool { return c.leftOver(p) })
	packs = append(packs, c.partial...)
	for _, p := range packs {
		placed, in, err := c.ownAccount(ctx, p)
		if stop := fatal(ctx, err); stop != nil {
			return stop
		}
		if err != nil {
			continue
		}
		if c.rescue == nil {
			c.rescue = index.NewBuilder()
		}
		n := c.rescue.AddPack(p.Pack, in)
		for i, f := range placed {
			for j, id := range f.IDs {
				c.rescue.Add(id, n, f.Offset, f.Length, uint16(i), uint16(j))
			}
		}
	}
	return nil
}

// ownAccount reads a pack's directory by what its header says.
func (c *checker) ownAccount(ctx context.Context, p *packState) ([]pack.Placed, index.Session, error) {
	at := object.ReaderAt{Ctx: ctx, Backend: c.r.backend, Name: p.name()}
	head := make([]byte, min(p.size, pack.HeaderRead))
	if err := readWhole(at, head, 0); err != nil {
		return nil, index.Session{}, err
	}
	h, err := pack.ParseHeader(head)
	if err != nil {
		return nil, index.Session{}, err
	}
	layout, err := pack.ReadLayout(at, p.size)
	if err != nil {
		return nil, index.Session{}, err
	}
	in := index.Session{ID: h.Session, Epoch: h.Epoch, Encapsulation: h.Encapsulation}
	opener, err := c.opener(p.ID, h.Kind, in)
	if err != nil {
		return nil, index.Session{}, err
	}
	placed, err := opener.Directory(at, layout, h.Len())
	if !p.indexed {
		p.Pack = index.Pack{ID: p.ID, Size: uint32(p.size), Kind: h.Kind}
	}
	return placed, in, err
}
