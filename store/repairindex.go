package store

import (
	"context"
	"errors"
	"fmt"

	"garret/index"
	"garret/store/object"
)

// rebuildRows is how many rows of a rebuilt index are in memory at once; a row
// takes about 60 bytes.
const rebuildRows = 1 << 20

// planIndex plans new index segments for packs that no segment lists, or not
// wholly. Those of sessions that may still be alive are left to them.
func (p *repairer) planIndex(context.Context) error {
	var ids []index.PackID
	var bytes int64
	waiting := 0
	for _, q := range p.sortedPacks() {
		switch {
		case !q.good || !q.reindex || p.condemned[q.id]:
		case p.alive[q.id.Session()] && !q.indexed:
			waiting++
		case !q.early && q.size != absent: // came while we looked
		default:
			ids = append(ids, q.id)
			bytes += max(q.size, 0) / 1000
		}
	}
	if waiting > 0 {
		p.left(dirPacks, fmt.Sprintf("%d packs of sessions that have not ended yet, as far as can be told, are in no index segment; run repair again later", waiting))
	}
	if len(ids) == 0 {
		return nil
	}
	p.act(RepairAction{Kind: RepairIndex, Object: dirIndex, Reason: fmt.Sprintf("%d packs are in no sound index segment", len(ids)),
		Remedy: "their directories are read and new segments written", Bytes: bytes,
		do: func(ctx context.Context, x *repairRun) error { return x.rebuildIndex(ctx, ids) }})
	return nil
}

// rebuildIndex writes index segments for those of the packs that still need it.
func (x *repairRun) rebuildIndex(ctx context.Context, ids []index.PackID) (err error) {
	p := x.p
	x.indexFailed = true
	set := index.NewSet()
	defer func() { err = errors.Join(err, set.Close()) }()
	// A damaged segment that the local cache still has is of no use to others.
	skip := make(map[SegmentID]bool)
	for id, s := range p.segments {
		skip[id] = !s.good
	}
	if _, err := p.r.addSegments(ctx, set, skip); err != nil {
		return err
	}
	rows := index.NewBuilder()
	var failed []error
	for _, id := range ids {
		a, size, err := p.readAccount(ctx, id)
		if stop := stops(ctx, err); stop != nil {
			return stop
		}
		if missing(err) {
			continue
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", packName(id), err))
			continue
		}
		if p.listed(set, id, a) {
			continue
		}
		n := rows.AddPack(index.Pack{ID: id, Size: uint32(size), Kind: a.header.Kind}, a.session)
		for i, f := range a.placed {
			for j, blob := range f.IDs {
				rows.Add(blob, n, f.Offset, f.Length, uint16(i), uint16(j))
			}
		}
		if rows.Len() >= rebuildRows {
			if err := x.writeSegment(ctx, rows); err != nil {
				return err
			}
			rows.Reset()
		}
	}
	if rows.Len() > 0 {
		if err := x.writeSegment(ctx, rows); err != nil {
			return err
		}
	}
	x.indexFailed = len(failed) > 0
	return errors.Join(failed...)
}

// writeSegment stores an index segment and its parity, and reads it back.
func (x *repairRun) writeSegment(ctx context.Context, rows *index.Builder) error {
	r, id := x.p.r, newSegmentID()
	data, err := r.encodeSegment(id, rows)
	if err != nil {
		return err
	}
	e := parityEncoder{percent: r.config.Parity}
	if _, err := e.put(ctx, r.backend, object.Segment, segmentName(id), id, data); err != nil {
		return err
	}
	seg, err := r.mapSegment(ctx, id, int64(len(data)))
	if err != nil {
		return err
	}
	return seg.Close()
}
