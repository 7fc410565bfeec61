package store

import (
	"context"
	"errors"
	"fmt"

	"garret/index"
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
	if err := c.rescue(ctx); err != nil {
		return err
	}
	if err := c.findLosses(ctx); err != nil {
		return err
	}
	return c.healedByReader(ctx)
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
	c.want()
	if err := c.checkPacks(ctx, index.Tree, index.Data); err != nil {
		return err
	}
	c.compareRows()
	return nil
}

// leftOver reports whether a pack is in no index segment and never will be. A
// writer stores packs, then a segment, and then ends its lease. Such a pack was
// in the first listing, its session was not alive after that, and no segment
// that was listed later has it.
func (c *checker) leftOver(p *packState) bool {
	return (!p.indexed || p.adopted) && p.first == 1 && p.size != absent && !c.condemned[p.ID] && !c.live[p.ID.Session()]
}

// unindexedPacks reports the packs that an interrupted run has left behind, or
// that a lost segment has.
func (c *checker) unindexedPacks(context.Context) error {
	for _, p := range c.sortedPacks(func(p *packState) bool { return !p.indexed || p.adopted || p.unlisted > 0 }) {
		problem := Problem{Object: p.name(), Severity: Note}
		switch {
		case p.adopted && p.needed:
			problem.Severity = Repairable
			problem.Err = errors.New("no index segment lists this pack, which has blobs that are needed")
		case p.unlisted > 0 && p.needed:
			problem.Severity = Repairable
			problem.Err = fmt.Errorf("no index segment lists %d of its blobs, some of which are needed", p.unlisted)
		case c.limited():
			continue
		case c.leftOver(p):
			problem.Err = errors.New("no index segment lists this pack: an interrupted run has left it behind")
		case !p.indexed && p.size != absent && c.live[p.ID.Session()]:
			c.skipped.packs++
			continue
		case p.unlisted > 0:
			problem.Err = fmt.Errorf("its directory has %d blobs that no index segment lists there", p.unlisted)
		default:
			continue
		}
		c.problem(problem)
	}
	return nil
}

// badSegments reports the segments that are no use. They can be made again from
// the packs, unless something was lost that no pack owns to.
func (c *checker) badSegments(context.Context) error {
	for _, id := range sortedIDs(c.segments) {
		s := c.segments[id]
		if s.bad == nil {
			continue
		}
		if s.listed < c.round {
			continue // it was superseded meanwhile
		}
		problem := Problem{Object: segmentName(id), Severity: Lost, Err: s.bad}
		if !c.unlisted.Load() && !c.unwalked.Load() {
			problem.Severity = Repairable
			problem.Err = fmt.Errorf("%w, but the packs have all that is needed of what it lists", s.bad)
		}
		c.problem(problem)
	}
	return nil
}

// condemnedNow reports whether a collector has just removed the pack.
func (c *checker) condemnedNow(ctx context.Context, p *packState) (bool, error) {
	_, err := c.r.backend.Size(ctx, p.name())
	return missing(err) && c.condemned[p.ID], fatal(ctx, err)
}
