package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"garret/index"
	"garret/store/object"
	"garret/store/parity"
)

// Parity whose object is not there: the object is made anew if there is as much
// parity as that takes. Else the parity is of no use.

// orphans visits the parity whose object is not listed. Whatever a live session
// may be putting is left out. par is nil when nothing of the parity can be read.
func (p *repairer) orphans(ctx context.Context, visit func(id [16]byte, par *parity.Object) error) error {
	for _, id := range slices.SortedFunc(maps.Keys(p.parity), func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) }) {
		q := p.packs[id]
		if p.segments[id] != nil || q != nil && (q.size != absent || q.good) || p.condemned[id] || p.alive[index.PackID(id).Session()] {
			continue
		}
		par, err := readParity(ctx, p.b, object.Pack, id)
		if err != nil && !missing(err) && stops(ctx, err) == nil {
			par, err = readParity(ctx, p.b, object.Segment, id)
		}
		switch {
		case stops(ctx, err) != nil:
			return stops(ctx, err)
		case missing(err) || isNewer(err):
			continue
		case err != nil:
			par = nil
		}
		if err := visit(id, par); err != nil {
			return err
		}
	}
	return nil
}

// planLostSegments plans to make index segments anew from their parity alone.
func (p *repairer) planLostSegments(ctx context.Context) error {
	if len(p.alive) > 0 {
		return nil // a segment's name does not tell whose it is
	}
	return p.orphans(ctx, func(id [16]byte, par *parity.Object) error {
		if par == nil || par.Of() != object.Segment {
			return nil
		}
		healed, _, err := p.planSegment(ctx, id, nil, errors.New("this index segment is missing, but its parity is there"))
		if err == nil && !healed {
			p.planOrphan(id)
		}
		return err
	})
}

// planLostPacks does so for packs that no index lists; the others have been
// looked at.
func (p *repairer) planLostPacks(ctx context.Context) error {
	return p.orphans(ctx, func(id [16]byte, par *parity.Object) error {
		switch {
		case par == nil && len(p.alive) > 0:
			return nil // it may be of a segment that is being put
		case par != nil && par.Of() != object.Pack || p.packs[id] != nil:
			return nil // done
		case par == nil:
			p.planOrphan(id)
			return nil
		}
		q := &repairPack{id: id, size: absent}
		healed, _, err := p.planHeal(ctx, q, nil, errors.New("this pack is missing, but its parity is there"))
		switch {
		case err != nil:
			return err
		case healed:
			p.packs[id] = q
		default:
			p.planOrphan(id)
		}
		return nil
	})
}

// planOrphan plans to remove parity that nothing can be made of, unless its
// object is in quarantine.
func (p *repairer) planOrphan(id [16]byte) {
	for _, name := range []string{packName(id), segmentName(id)} {
		if _, ok := p.quarantined[name]; ok {
			p.planMove(name, id)
			return
		}
	}
	if !p.indexWhole() {
		p.left(parityName(id), "what it is the parity of is not there, and whether that is needed cannot be told without a key and a sound index: it may come back")
		return
	}
	p.act(RepairAction{Kind: RepairClean, Object: parityName(id), Reason: fmt.Sprintf("what it is the parity of is not there, and its %d bytes are too few to make that anew", p.parity[id]),
		Remedy: "is removed", do: func(ctx context.Context, x *repairRun) error {
			for _, name := range []string{packName(id), segmentName(id)} {
				if _, err := x.p.b.Size(ctx, name); !missing(err) {
					return cmp.Or(err, errSettled)
				}
			}
			return x.delete(ctx, parityName(id))
		}})
}

// indexWhole reports whether a pack that no segment lists is one that nobody
// needs, as far as can be told: only with the key, and with all of the index.
func (p *repairer) indexWhole() bool {
	if p.r == nil || len(p.segments) == 0 && len(p.snapshots) > 0 {
		return false
	}
	for _, s := range p.segments {
		if !s.good {
			return false
		}
	}
	return true
}
