package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
)

// mirror is another copy of the repository, which is only read.
type mirror struct {
	b      backend.Backend
	config *Config     // nil when none of it is sound
	r      *Repository // nil without a key
	set    *index.Set  // its index; nil until it is needed
}

// openMirror makes sure that the mirror is of the same repository.
func (p *repairer) openMirror(ctx context.Context) error {
	if p.From == nil {
		return nil
	}
	if p.From.Location() == p.b.Location() {
		return fmt.Errorf("%s is the repository itself, not a mirror of it", p.From.Location())
	}
	other := fmt.Errorf("%s: %w", p.From.Location(), ErrOtherRepository)
	m := &mirror{b: p.From}
	configs, problems, err := readConfigs(ctx, m.b)
	if err != nil {
		return fmt.Errorf("mirror %s: %w", m.b.Location(), err)
	}
	if len(configs) == 0 && len(problems) == 0 {
		return fmt.Errorf("mirror %s: %w", m.b.Location(), ErrNoRepository)
	}
	for _, c := range configs {
		if p.r == nil || c.authenticate(&p.r.keys.Put) == nil {
			m.config = &c.Config
			break
		}
	}
	if p.r != nil {
		if m.config == nil && len(configs) > 0 {
			return other
		}
		m.r = newRepository(&Locked{backend: m.b}, &storedConfig{Config: p.r.config}, p.r.keys)
		p.mirror = m
		return nil
	}
	// Without a key only the ids tell that it is a copy.
	if m.config == nil {
		return fmt.Errorf("mirror %s: no copy of its config is sound: %w", m.b.Location(), errors.Join(problems...))
	}
	own, known, err := p.ownRepository(ctx)
	switch {
	case err != nil:
		return err
	case !known:
		return fmt.Errorf("%s: nothing sound is left here that says which repository it is", p.b.Location())
	case own != m.config.Repository:
		return other
	}
	p.mirror = m
	return nil
}

// ownRepository returns the repository's id, from the config or a key slot.
func (p *repairer) ownRepository(ctx context.Context) (id keys.RepositoryID, ok bool, err error) {
	if id, _, ok := p.repository(); ok {
		return id, true, nil
	}
	for name := range p.slots {
		slot, _, _ := parseKeyName(name)
		data, err := readDamaged(ctx, p.b, name, maxSlot)
		if stop := stops(ctx, err); stop != nil {
			return id, false, stop
		}
		if err != nil {
			continue
		}
		if _, info, err := openSlot(data, slot); err == nil {
			return info.Repository, true, nil
		}
	}
	return id, false, nil
}

func (p *repairer) closeMirror() error {
	if p.mirror == nil || p.mirror.set == nil {
		return nil
	}
	set := p.mirror.set
	p.mirror.set = nil
	return set.Close()
}

// planFromMirror looks for packs that snapshots need, that are not here, that
// nothing here even lists, and that the mirror has.
func (p *repairer) planFromMirror(ctx context.Context) (err error) {
	if p.mirror == nil || p.r == nil || p.Walk == nil {
		return nil
	}
	m := p.mirror
	m.set = index.NewSet()
	if _, err := m.r.addSegments(ctx, m.set, make(map[SegmentID]bool)); err != nil {
		return fmt.Errorf("mirror %s: %w", m.b.Location(), err)
	}
	p.set.Restrict(func(k index.Pack) bool {
		q := p.packs[k.ID]
		return q != nil && q.good
	})
	wanted, err := p.wantedThere(ctx)
	if err != nil {
		return err
	}
	for _, id := range wanted {
		if p.packs[id] != nil || p.condemned[id] {
			continue // the mirror was asked for it already
		}
		q := &repairPack{id: id, size: absent}
		p.packs[id] = q
		bad := errors.New("it is missing, and so is every index segment that lists it")
		healed, why, err := p.planHeal(ctx, q, nil, bad)
		if err != nil {
			return err
		}
		if !healed {
			p.beyond(q.name(), errors.Join(bad, why))
		}
	}
	return nil
}

// wantedThere returns the packs of the mirror that hold what snapshots need and
// nothing here has, in the order of their ids.
func (p *repairer) wantedThere(ctx context.Context) (ids []index.PackID, err error) {
	own, err := newReader(p.r, p.set, checkCache/2)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, own.Close(ctx)) }()
	there, err := newReader(p.mirror.r, p.mirror.set, checkCache/2)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, there.Close(ctx)) }()

	wanted := make(map[index.PackID]bool)
	// A bit for each blob, first of the index here, then of that there.
	var visited marks
	visited.grow(p.set.Rows() + p.mirror.set.Rows())
	seen := func(id index.ID) bool {
		n, ok := p.set.Ordinal(id)
		if !ok {
			n, ok = p.mirror.set.Ordinal(id)
			n += p.set.Rows()
		}
		return ok && visited.set(n)
	}
	visit := func(u Use) error {
		if u.Err == nil && !p.set.Has(u.ID) {
			p.mirror.set.Lookup(u.ID, func(at index.Location) bool {
				wanted[at.Pack] = true
				return true
			})
		}
		return nil
	}
	for _, name := range firstNames(p.snapshots) {
		id, _, _ := parseSnapshotName(name)
		d, err := p.r.Details(ctx, id)
		if err != nil && p.mirror != nil {
			d, err = p.mirror.r.Details(ctx, id)
		}
		if stop := stops(ctx, err); stop != nil {
			return nil, stop
		}
		if err != nil {
			continue // which has been told
		}
		if stop := stops(ctx, p.Walk(ctx, eitherBlobs{own, there}, d.Root, seen, visit)); stop != nil {
			return nil, stop
		}
	}
	for id := range wanted {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b index.PackID) int { return slices.Compare(a[:], b[:]) })
	return ids, nil
}

// eitherBlobs reads what the first does not have from the second.
type eitherBlobs [2]*Reader

func (e eitherBlobs) Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error) {
	data, err := e[0].Blob(ctx, kind, id)
	if err != nil && ctx.Err() == nil {
		if there, err := e[1].Blob(ctx, kind, id); err == nil {
			return there, nil
		}
	}
	return data, err
}
