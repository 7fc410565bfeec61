package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"garret/index"
)

// verdict is damage of a pack that nothing heals, and what it costs.
type verdict struct {
	problem Problem
	pack    *packState
	all     bool // all that the pack holds is in question

	lost  int // blobs in the damaged range that are needed, and gone
	only  int // … needed, sound, and nowhere else
	other int // … needed, and sound in another pack
	where []index.PackID
}

// verdicts reports the damage that was kept back until it is known what it
// costs: packs that are missing, and those that parity does not heal.
func (c *checker) verdicts(ctx context.Context) error {
	all := c.missingPacks()
	for _, p := range c.sortedPacks(func(p *packState) bool { return len(p.deferred) > 0 && p.size != absent }) {
		if gone, err := c.condemnedNow(ctx, p); err != nil {
			return err
		} else if gone {
			continue
		}
		for _, d := range p.deferred {
			if d.structure && p.hopeless != nil {
				d.Err = fmt.Errorf("%w; %s", d.Err, notHealed(p.hopeless))
			}
			all = append(all, &verdict{problem: d.Problem, pack: p, all: d.structure})
		}
	}
	if len(all) == 0 {
		return nil
	}
	if c.Walk != nil {
		c.weigh(all)
	}
	for _, v := range all {
		c.problem(c.judgeDamage(v))
	}
	return nil
}

// missingPacks returns the packs that the index lists and that are not there. A
// collector removes packs before the segments that name them, so one that was
// condemned is no problem.
func (c *checker) missingPacks() (all []*verdict) {
	named := make(map[index.PackID]bool)
	for _, s := range c.segments {
		if s.seg == nil || s.listed != c.round {
			continue
		}
		for i := range uint32(s.seg.NumPacks()) {
			if id := s.seg.Pack(i).ID; c.packs[id].size == absent && !c.packs[id].healed && !c.condemned[id] && c.wants(c.packs[id]) {
				named[id] = true
			}
		}
	}
	for _, p := range c.sortedPacks(func(p *packState) bool { return named[p.ID] }) {
		err := errors.New("this pack is missing")
		if p.hopeless != nil && !errors.Is(p.hopeless, errNoParity) {
			err = fmt.Errorf("%w; %s", err, notHealed(p.hopeless))
		}
		all = append(all, &verdict{problem: Problem{Object: p.name(), Err: err}, pack: p})
	}
	return all
}

// maxWhere bounds how many packs a message names.
const maxWhere = 3

// weigh counts what was needed of the damaged ranges. It reads the index once.
func (c *checker) weigh(all []*verdict) {
	of := make(map[index.PackID][]*verdict)
	for _, v := range all {
		of[v.pack.ID] = append(of[v.pack.ID], v)
	}
	for _, seg := range c.set.Segments() {
		for id, at := range seg.Rows() {
			verdicts := of[at.Pack]
			if verdicts == nil {
				continue
			}
			n, ok := c.set.Ordinal(id)
			if !ok || (at.Kind == index.Data && !c.needed.has(n)) || (at.Kind == index.Tree && !c.visited.has(n)) {
				continue
			}
			for _, v := range verdicts {
				from, to := uint64(at.Offset), uint64(at.Offset)+uint64(at.Length)
				if p := v.problem; v.all || p.Length == 0 || from < p.Offset+p.Length && p.Offset < to {
					c.weighBlob(v, at, id, n)
				}
			}
		}
	}
}

func (c *checker) weighBlob(v *verdict, at index.Location, id index.ID, ordinal uint64) {
	if at.Kind == index.Data && !c.sound[index.Data].has(ordinal) {
		v.lost++
		return
	}
	elsewhere := false
	c.set.Lookup(id, func(copy index.Location) bool {
		p := c.packs[copy.Pack]
		if copy.Pack == at.Pack || copy.Kind != at.Kind || p == nil || (p.size != int64(p.Size) && !p.healed) || c.frames[frameKey{copy.Pack, copy.Offset}] {
			return true
		}
		elsewhere = true
		v.found(copy.Pack)
		return false
	})
	if elsewhere {
		v.other++
	} else {
		v.only++
	}
}

func (v *verdict) found(id index.PackID) {
	for _, known := range v.where {
		if known == id {
			return
		}
	}
	if len(v.where) <= maxWhere {
		v.where = append(v.where, id)
	}
}

// judgeDamage says what the damage costs.
func (c *checker) judgeDamage(v *verdict) Problem {
	p := v.problem
	switch {
	case c.unwalked.Load(), v.lost > 0, v.pack.Kind == index.Tree && v.pack.loss:
		p.Severity = Lost
	case v.only > 0:
		p.Severity = Repairable
		p.Err = fmt.Errorf("%w; what is needed of it can still be read", p.Err)
	case v.other > 0:
		p.Severity = Note
		p.Err = fmt.Errorf("%w; all that was needed of it is stored again in %s", p.Err, v.places())
	default:
		p.Severity = Note
		p.Err = fmt.Errorf("%w; nothing of it is needed", p.Err)
		if c.limited() {
			p.Err = fmt.Errorf("%w by this snapshot", p.Err)
		}
	}
	return p
}

func (v *verdict) places() string {
	names := make([]string, 0, maxWhere)
	for _, id := range v.where[:min(len(v.where), maxWhere)] {
		names = append(names, id.String())
	}
	switch text := strings.Join(names, ", "); {
	case len(v.where) > maxWhere:
		return "packs " + text + " and others"
	case len(v.where) > 1:
		return "packs " + text
	default:
		return "pack " + text
	}
}
