package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"garret/index"
	"garret/store/pack"
)

// hopelessPack is a damaged pack of which nothing has the original bytes.
type hopelessPack struct {
	*repairPack
	bad, why error
}

// salvage is what is known of a hopeless pack's frames.
type salvage struct {
	opener pack.Opener
	frames []storedFrame
}

// planHopeless plans for the packs that cannot be healed: what is readable is
// stored anew, then the pack goes to quarantine. It must not stay, or else
// whoever stores a snapshot would take the lost blobs for stored.
func (p *repairer) planHopeless(ctx context.Context) error {
	packs := p.hopeless
	slices.SortFunc(packs, func(a, b hopelessPack) int { return slices.Compare(a.id[:], b.id[:]) })
	for i, q := range packs {
		healed, err := p.retryMisplaced(ctx, q.repairPack, q.bad)
		switch {
		case err != nil:
			return err
		case healed:
			packs[i].repairPack = nil
		case q.size == absent:
			p.beyond(q.name(), errors.Join(q.bad, q.why))
			packs[i].repairPack = nil
		}
	}
	packs = slices.DeleteFunc(packs, func(q hopelessPack) bool { return q.repairPack == nil })
	p.hopeless = packs
	if p.r == nil {
		for _, q := range packs {
			p.beyond(q.name(), fmt.Errorf("%w; %w; what is readable of it can be saved with the key", q.bad, q.why))
		}
		return nil
	}
	var ids []index.PackID
	for _, q := range packs {
		ids = append(ids, q.id)
	}
	known, err := p.salvageable(ctx, ids, p.set)
	if err != nil {
		return err
	}
	for _, q := range packs {
		if !q.indexed && (!q.early || p.alive[q.id.Session()]) {
			p.left(q.name(), "it is damaged, but its session has not ended yet, as far as can be told")
			continue
		}
		if errors.Is(q.bad, errUnreadable) {
			p.beyond(q.name(), fmt.Errorf("%w; it stays where it is, since storage may give it again; if it never will, remove it by hand", q.bad))
			continue
		}
		reason := oneLine(fmt.Errorf("%w; %w", q.bad, q.why))
		readable, blobs := 0, 0
		var bytes int64
		s := known[q.id]
		if s != nil {
			if err := p.eachReadable(ctx, q.id, s, func(frame storedFrame, good []bool, _ *pack.Frame) error {
				readable++
				blobs += len(good)
				bytes += int64(frame.length)
				return nil
			}); err != nil {
				return err
			}
		}
		a := RepairAction{Kind: RepairQuarantine, Object: q.name(), Reason: reason, Remedy: "nothing of it can be read; it goes to quarantine", Bytes: q.size,
			do: func(ctx context.Context, x *repairRun) error { return x.salvagePack(ctx, q.id) }}
		if readable > 0 {
			a.Kind, a.Bytes = RepairSalvage, bytes+q.size
			a.Remedy = fmt.Sprintf("%d of its %d frames are readable: their %d blobs are stored anew, then it goes to quarantine", readable, len(s.frames), blobs)
		}
		p.act(a)
	}
	return nil
}

// salvageable finds out where the frames of packs lie: as their directories say
// or, where these cannot be read, the index. Packs of which neither knows
// anything are left out.
func (p *repairer) salvageable(ctx context.Context, ids []index.PackID, set *index.Set) (map[index.PackID]*salvage, error) {
	known := make(map[index.PackID]*salvage)
	byRows := make(map[index.PackID]bool)
	for _, id := range ids {
		a, _, err := p.readAccount(ctx, id)
		if stop := stops(ctx, err); stop != nil {
			return nil, stop
		}
		if err != nil {
			byRows[id] = true
			continue
		}
		s := &salvage{opener: a.opener}
		for i, f := range a.placed {
			s.frames = append(s.frames, storedFrame{ordinal: uint16(i), offset: f.Offset, length: f.Length, ids: f.IDs})
		}
		known[id] = s
	}
	if len(byRows) == 0 {
		return known, nil
	}
	type place struct {
		pack           index.PackID
		frame          uint16
		offset, length uint32
	}
	frames := make(map[place]*storedFrame)
	kinds := make(map[index.PackID]index.Kind)
	for _, seg := range set.Segments() {
		for id, at := range seg.Rows() {
			if !byRows[at.Pack] {
				continue
			}
			key := place{at.Pack, at.Frame, at.Offset, at.Length}
			f := frames[key]
			if f == nil {
				f = &storedFrame{ordinal: at.Frame, offset: at.Offset, length: at.Length, at: []uint16{}}
				frames[key] = f
			}
			f.ids, f.at = append(f.ids, id), append(f.at, at.Blob)
			kinds[at.Pack] = at.Kind
		}
	}
	for id, kind := range kinds {
		in, _ := set.Session(id.Session())
		if opener, err := p.proof.opener(id, kind, in); err == nil {
			known[id] = &salvage{opener: opener}
		}
	}
	for key, f := range frames {
		if s := known[key.pack]; s != nil {
			s.frames = append(s.frames, *f)
		}
	}
	for _, s := range known {
		slices.SortFunc(s.frames, func(a, b storedFrame) int { return cmp.Compare(a.offset, b.offset) })
	}
	return known, nil
}

// eachReadable visits the frames of a pack that can be read, here or in the
// mirror, with which of their blobs are sound.
func (p *repairer) eachReadable(ctx context.Context, id index.PackID, s *salvage, visit func(f storedFrame, good []bool, frame *pack.Frame) error) error {
	here, err := p.read(ctx, p.b, packName(id))
	if stop := stops(ctx, err); stop != nil {
		return stop
	}
	copies := [][]byte{here}
	if p.mirror != nil {
		there, err := p.read(ctx, p.mirror.b, packName(id))
		if stop := stops(ctx, err); stop != nil {
			return stop
		}
		copies = append(copies, there)
	}
	w := p.proof.newFrameReader()
	for _, f := range s.frames {
		for _, data := range copies {
			frame, bad, err := w.open(s.opener, f, data)
			if err != nil || bad == len(f.ids) {
				continue
			}
			if err := visit(f, w.good, frame); err != nil {
				return err
			}
			if bad == 0 {
				break
			}
		}
	}
	return ctx.Err()
}

// salvagePack stores what is readable of a pack in packs of the repair's own
// session, all durable and indexed, and then takes it out of the way.
func (x *repairRun) salvagePack(ctx context.Context, id index.PackID) error {
	p, name := x.p, packName(id)
	data, err := p.read(ctx, p.b, name)
	if missing(err) {
		return errSettled
	}
	if err != nil {
		return err
	}
	if _, err := p.proof.pack(id, data, p.ReadData); err == nil && p.doubted(ctx, id, data) == nil {
		return errSettled // healed meanwhile
	}
	if err := x.needsPlace(ctx, name, data); err != nil {
		return err
	}
	s, err := x.writer(ctx)
	if err != nil {
		return err
	}
	known, err := p.salvageable(ctx, []index.PackID{id}, s.set)
	if err != nil {
		return err
	}
	if from := known[id]; from != nil {
		err := p.eachReadable(ctx, id, from, func(f storedFrame, good []bool, frame *pack.Frame) error {
			for i, blob := range f.ids {
				if !good[i] {
					continue
				}
				if data, ok := frame.Blob(f.blob(i)); ok {
					if _, err := s.Put(ctx, from.opener.Kind, blob, data); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := s.Flush(ctx); err != nil {
			return err
		}
		// What was not stored again because it was there may be gone if a
		// collector has given up on the session.
		if fenced, err := p.r.fenced(ctx, s.id); fenced || err != nil {
			return cmp.Or(err, ErrFenced)
		}
	}
	if err := x.quarantine(ctx, name, data); err != nil {
		return err
	}
	return x.quarantineParity(ctx, id)
}

// writer returns the session that stores what is salvaged. It relies on no pack
// that is about to be taken out of the way.
func (x *repairRun) writer(ctx context.Context) (*Session, error) {
	if x.session != nil {
		return x.session, nil
	}
	r := x.p.r
	s, err := r.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	condemned, err := r.condemned(ctx)
	if err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	packs, err := r.packs(ctx)
	if err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	doomed := make(map[index.PackID]bool)
	for _, q := range x.p.hopeless {
		doomed[q.id] = true
	}
	s.set.Restrict(func(p index.Pack) bool {
		if p.ID.Session() == s.id {
			return true
		}
		size, listed := packs[p.ID]
		return listed && size == int64(p.Size) && !condemned[p.ID] && !doomed[p.ID]
	})
	x.session = s
	return s, nil
}
