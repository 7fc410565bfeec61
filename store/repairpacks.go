package store

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"garret/index"
	"garret/store/object"
)

// repairMemory bounds the packs that are in memory at once while they are
// looked at, bytes. Healing one takes about three times its size.
const repairMemory = 128 << 20

// planPacks reads every pack, and plans what makes those sound that are not.
func (p *repairer) planPacks(ctx context.Context) error {
	p.noteIndexed()
	workers := runtime.GOMAXPROCS(0)
	if p.config != nil {
		workers = max(1, min(workers, repairMemory/p.config.PackSize))
	}
	todo := make(chan *repairPack)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(todo)
		for _, q := range p.sortedPacks() {
			select {
			case todo <- q:
			case <-gctx.Done():
				return context.Cause(gctx)
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			for q := range todo {
				if err := p.scanPack(gctx, q); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return p.planHopeless(ctx)
}

// noteIndexed marks the packs that the index lists, and adds those that are not
// there.
func (p *repairer) noteIndexed() {
	if p.set == nil {
		return
	}
	for _, seg := range p.set.Segments() {
		for i := range uint32(seg.NumPacks()) {
			id := seg.Pack(i).ID
			if p.packs[id] == nil {
				p.packs[id] = &repairPack{id: id, size: absent}
			}
			p.packs[id].indexed = true
		}
	}
}

// sortedPacks returns all packs in the order of their ids.
func (p *repairer) sortedPacks() []*repairPack {
	return slices.SortedFunc(maps.Values(p.packs), func(a, b *repairPack) int { return slices.Compare(a.id[:], b.id[:]) })
}

// scanPack looks at one pack and plans to heal it if that is needed. What
// cannot be healed is left to planHopeless.
func (p *repairer) scanPack(ctx context.Context, q *repairPack) error {
	if q.size == absent {
		return p.missingPack(ctx, q)
	}
	data, err := p.read(ctx, p.b, q.name())
	if stop := stops(ctx, err); stop != nil {
		return stop
	}
	if missing(err) {
		q.size = absent // a collector has just removed it
		return nil
	}
	p.done(q.size)
	p.progress.Packs.Add(1)
	var a *packAccount
	if err == nil {
		a, err = p.proof.pack(q.id, data, p.ReadData)
	}
	if err == nil {
		err = p.doubted(ctx, q.id, data)
		if stop := stops(ctx, err); stop != nil {
			return stop
		}
	}
	if err == nil {
		p.goodPack(q, a)
		return p.planParity(ctx, object.Pack, q.id, q.name(), data)
	}
	if isNewer(err) {
		p.left(q.name(), oneLine(err))
		return nil
	}
	p.notePlace(q.name(), data)
	healed, why, stop := p.planHeal(ctx, q, data, err)
	if stop == nil && !healed {
		p.mu.Lock()
		p.hopeless = append(p.hopeless, hopelessPack{q, err, why})
		p.mu.Unlock()
	}
	return stop
}

// goodPack takes a sound pack, or one that will be, into account.
func (p *repairer) goodPack(q *repairPack, a *packAccount) {
	q.good = true
	q.reindex = p.set != nil && !p.listed(p.set, q.id, a)
}

// listed reports whether the index has every blob of a pack where the pack's
// directory says it is.
func (p *repairer) listed(set *index.Set, id index.PackID, a *packAccount) bool {
	for i, f := range a.placed {
		for j, blob := range f.IDs {
			want := index.Location{Pack: id, Kind: a.header.Kind, Offset: f.Offset, Length: f.Length, Frame: uint16(i), Blob: uint16(j)}
			found := false
			set.Lookup(blob, func(at index.Location) bool {
				found = at == want
				return !found
			})
			if !found {
				return false
			}
		}
	}
	return true
}

// damagedPack describes a pack to original. data is what is left of it.
func (p *repairer) damagedPack(id index.PackID, data []byte, account **packAccount) damagedObject {
	return damagedObject{of: object.Pack, id: id, name: packName(id), data: data, prove: func(data []byte) (err error) {
		a, err := p.proof.pack(id, data, true)
		if err == nil && account != nil {
			*account = a
		}
		return err
	}}
}

// planHeal plans to write a pack's original bytes, if there is a way to have
// them; why says why not.
func (p *repairer) planHeal(ctx context.Context, q *repairPack, data []byte, bad error) (ok bool, why, err error) {
	var a *packAccount
	healed, from, why, err := p.original(ctx, p.damagedPack(q.id, data, &a))
	if err != nil || why != nil {
		return false, why, err
	}
	p.goodPack(q, a)
	p.act(RepairAction{Kind: RepairHeal, Object: q.name(), Reason: oneLine(bad), Remedy: "is healed from " + from, Bytes: int64(len(healed)),
		do: func(ctx context.Context, x *repairRun) error { return x.healPack(ctx, q.id) }})
	return true, nil, p.planParity(ctx, object.Pack, q.id, q.name(), healed)
}

var errPackGone = errors.New("this pack is missing")

// missingPack plans for a pack that the index lists and that is not there.
func (p *repairer) missingPack(ctx context.Context, q *repairPack) error {
	if !q.indexed || p.condemned[q.id] {
		return nil // nobody relies on it
	}
	_, quarantined := p.quarantined[q.name()]
	var data []byte
	if quarantined && p.mirror != nil {
		var err error
		data, err = p.read(ctx, p.b, quarantineName(q.name()))
		if stop := stops(ctx, err); stop != nil {
			return stop
		}
	}
	healed, why, err := p.planHeal(ctx, q, data, errPackGone)
	switch {
	case err != nil || healed:
		return err
	case quarantined:
		p.planMove(q.name(), q.id) // an earlier repair has saved what was readable
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hopeless = append(p.hopeless, hopelessPack{q, errPackGone, why})
	return nil
}

// healPack replaces a pack with its original bytes if it is still damaged.
func (x *repairRun) healPack(ctx context.Context, id index.PackID) error {
	p, name := x.p, packName(id)
	data, err := p.read(ctx, p.b, name)
	gone := missing(err)
	switch {
	case gone:
		if condemned, err := x.condemned(ctx, id); condemned || err != nil {
			return cmp.Or(err, errSettled)
		}
		if data, err = p.read(ctx, p.b, quarantineName(name)); stops(ctx, err) != nil {
			return err
		}
	case errors.Is(err, errUnreadable): // parity may be enough
	case err != nil:
		return err
	default:
		if _, err := p.proof.pack(id, data, p.ReadData); err == nil && p.doubted(ctx, id, data) == nil {
			return errSettled
		}
	}
	healed, from, why, err := p.original(ctx, p.damagedPack(id, data, nil))
	if err != nil || why != nil {
		return errors.Join(err, why)
	}
	saved, err := x.saveMisplaced(ctx, name, data)
	if err != nil {
		return err
	}
	// What quarantine has must stay until it is in its place.
	if gone || saved || from == quarantineName(name) {
		data = nil
	}
	return x.replace(ctx, name, data, healed)
}

// readAccount is account of a pack that lies in the backend.
func (p *repairer) readAccount(ctx context.Context, id index.PackID) (*packAccount, int64, error) {
	size, err := p.b.Size(ctx, packName(id))
	if err != nil {
		return nil, 0, err
	}
	a, err := p.proof.account(id, object.ReaderAt{Ctx: ctx, Backend: p.b, Name: packName(id)}, size)
	return a, size, err
}
