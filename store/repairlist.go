package store

import (
	"context"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
)

// list lists everything, in the order that repairer tells.
func (p *repairer) list(ctx context.Context) error {
	p.parity, p.quarantined = make(map[[16]byte]int64), make(map[string]int64)
	p.packs, p.segments = make(map[index.PackID]*repairPack), make(map[SegmentID]*repairSegment)
	p.condemned = make(map[index.PackID]bool)
	for _, step := range []func(context.Context) error{
		p.folder(dirParity, func(e backend.Entry) {
			if id, ok := parseParityName(e.Name); ok {
				p.parity[id] = e.Size
				p.count(e)
			}
		}),
		p.folder(dirPacks, func(e backend.Entry) {
			if id, ok := parsePackName(e.Name); ok {
				p.packs[id] = &repairPack{id: id, size: absent, early: true}
				p.count(e)
				p.progress.TotalPacks.Add(1)
			}
		}),
		p.folder(dirHistory, p.into(&p.snapshots, object.Snapshot)),
		p.listLeases,
		p.folder(dirKeys, p.into(&p.slots, object.KeySlot)),
		p.folder(dirConfig, p.into(&p.configs, object.Config)),
		p.folder(dirIndex, func(e backend.Entry) {
			if id, err := parseSegmentID(base(e.Name)); err == nil && segmentName(id) == e.Name {
				p.segments[id] = &repairSegment{size: e.Size}
				p.count(e)
			}
		}),
		p.folder(dirPacks, func(e backend.Entry) {
			if id, ok := parsePackName(e.Name); ok {
				if p.packs[id] == nil {
					p.packs[id] = &repairPack{id: id}
				}
				p.packs[id].size = e.Size
			}
		}),
		p.folder(dirCondemned, func(e backend.Entry) {
			if id, err := index.ParsePackID(base(e.Name)); err == nil {
				p.condemned[id] = true
			}
		}),
		p.folder(dirQuarantine, func(e backend.Entry) {
			if was := e.Name[len(dirQuarantine)+1:]; expected(was).known {
				p.quarantined[was] = e.Size
			}
		}),
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if p.progress.TotalObjects.Load() == 0 {
		return ErrNoRepository
	}
	return nil
}

// folder lists one folder.
func (p *repairer) folder(name string, visit func(backend.Entry)) func(context.Context) error {
	return func(ctx context.Context) error {
		return p.b.List(ctx, name, func(e backend.Entry) error {
			visit(e)
			return nil
		})
	}
}

// into gathers the objects of one kind by their names.
func (p *repairer) into(names *map[string]int64, kind object.Type) func(backend.Entry) {
	*names = make(map[string]int64)
	return func(e backend.Entry) {
		if want := expected(e.Name); want.known && want.kind == kind {
			(*names)[e.Name] = e.Size
			p.count(e)
		}
	}
}

// parsePackName is the inverse of packName.
func parsePackName(name string) (id index.PackID, ok bool) {
	id, err := index.ParsePackID(base(name))
	return id, err == nil && packName(id) == name
}

// count adds an object to those that are to be looked at.
func (p *repairer) count(e backend.Entry) {
	p.progress.TotalObjects.Add(1)
	p.progress.TotalBytes.Add(e.Size)
}

// done counts an object that was read.
func (p *repairer) done(size int64) {
	p.progress.Objects.Add(1)
	p.progress.Bytes.Add(size)
}
