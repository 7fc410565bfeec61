package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"garret/index"
	"garret/store/object"
)

// planSegments reads every index segment, and plans to heal those that are not
// sound. Those that are, or will be, make up the index that packs are compared
// with.
func (p *repairer) planSegments(ctx context.Context) error {
	for _, id := range slices.SortedFunc(maps.Keys(p.segments), func(a, b SegmentID) int { return slices.Compare(a[:], b[:]) }) {
		name := segmentName(id)
		data, err := p.read(ctx, p.b, name)
		if stop := stops(ctx, err); stop != nil {
			return stop
		}
		if missing(err) {
			continue // superseded meanwhile
		}
		p.done(p.segments[id].size)
		if err == nil {
			err = p.useSegment(id, data)
		}
		if err == nil {
			p.segments[id].good = true
			if err := p.planParity(ctx, object.Segment, id, name, data); err != nil {
				return err
			}
			continue
		}
		if isNewer(err) {
			p.left(name, oneLine(err))
			continue
		}
		bad := err
		healed, why, err := p.planSegment(ctx, id, data, bad)
		if err != nil {
			return err
		}
		switch {
		case healed:
		case errors.Is(bad, errUnreadable):
			p.left(name, oneLine(bad)+"; it stays, since storage may give it again")
		case p.r == nil:
			p.beyond(name, fmt.Errorf("%w; %w; it can be rebuilt with the key", bad, why))
		default:
			p.act(RepairAction{Kind: RepairQuarantine, Object: name, Reason: oneLine(fmt.Errorf("%w; %w", bad, why)),
				Remedy: "goes to quarantine; what it listed is found in the packs", Bytes: int64(len(data)),
				do: func(ctx context.Context, x *repairRun) error { return x.dropSegment(ctx, id) }})
		}
	}
	return nil
}

// planSegment plans to write a segment's original bytes, if there is a way to
// have them; why says why not.
func (p *repairer) planSegment(ctx context.Context, id SegmentID, data []byte, bad error) (ok bool, why, err error) {
	healed, from, why, err := p.original(ctx, p.damagedSegment(id, data))
	if err == nil && why == nil {
		why = p.useSegment(id, healed)
	}
	if err != nil || why != nil {
		return false, why, err
	}
	if p.segments[id] == nil {
		p.segments[id] = &repairSegment{}
	}
	p.segments[id].good = true
	name := segmentName(id)
	p.act(RepairAction{Kind: RepairHeal, Object: name, Reason: oneLine(bad), Remedy: "is healed from " + from, Bytes: int64(len(healed)),
		do: func(ctx context.Context, x *repairRun) error { return x.healSegment(ctx, id) }})
	return true, nil, p.planParity(ctx, object.Segment, id, name, healed)
}

func (p *repairer) damagedSegment(id SegmentID, data []byte) damagedObject {
	return damagedObject{of: object.Segment, id: id, name: segmentName(id), data: data, prove: func(data []byte) error {
		return p.proof.segment(id, data)
	}}
}

// useSegment proves a segment and, with a key, makes it part of the index.
func (p *repairer) useSegment(id SegmentID, data []byte) error {
	if _, _, err := object.Open(data, object.Segment); err != nil || p.set == nil {
		return err
	}
	f, path, err := p.r.cache.AddSegment(id.String(), func(w io.Writer) error {
		return p.r.decodeSegment(id, bytes.NewReader(data), int64(len(data)), w)
	})
	if err != nil {
		return err
	}
	seg, err := index.OpenFile(path)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = seg.Verify()
	}
	if err == nil {
		p.set.Add(seg)
		return nil
	}
	p.r.cache.RemoveSegment(id.String())
	if seg != nil {
		err = errors.Join(err, seg.Close())
	}
	return err
}

// healSegment replaces a segment with its original bytes if it is still
// damaged.
func (x *repairRun) healSegment(ctx context.Context, id SegmentID) error {
	p := x.p
	data, err := p.read(ctx, p.b, segmentName(id))
	if err != nil && !missing(err) && !errors.Is(err, errUnreadable) {
		return err
	}
	if err == nil && p.proof.segment(id, data) == nil {
		return errSettled
	}
	healed, _, why, err := p.original(ctx, p.damagedSegment(id, data))
	if err != nil || why != nil {
		return errors.Join(err, why)
	}
	return x.replace(ctx, segmentName(id), data, healed)
}

// dropSegment takes a damaged segment out of the way. Packs that only it has
// listed are in new segments by now, unless that has failed.
func (x *repairRun) dropSegment(ctx context.Context, id SegmentID) error {
	p, name := x.p, segmentName(id)
	data, err := p.read(ctx, p.b, name)
	if missing(err) || err == nil && p.proof.segment(id, data) == nil {
		return errSettled
	}
	if err != nil {
		return err
	}
	if x.indexFailed {
		return errors.New("it stays until all packs are listed in others")
	}
	if err := x.quarantine(ctx, name, data); err != nil {
		return err
	}
	return x.quarantineParity(ctx, id)
}
