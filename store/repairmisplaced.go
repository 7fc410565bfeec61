package store

import (
	"context"
	"errors"
	"fmt"

	"garret/index"
	"garret/store/object"
	"garret/store/pack"
)

// A file system's own repair, or somebody by hand, may give a pack the name of
// another. Its header still says which it is, so that it can be put back.

// notePlace notes that an object's bytes, which are not the pack that its name
// says, are another one, whole.
func (p *repairer) notePlace(name string, data []byte) {
	id, ok := p.otherPack(name, data)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.misplaced == nil {
		p.misplaced = make(map[index.PackID]string)
	}
	p.misplaced[id] = name
}

// otherPack returns which pack an object's bytes are, if they are proven to be
// another than its name says.
func (p *repairer) otherPack(name string, data []byte) (id index.PackID, ok bool) {
	h, err := pack.ParseHeader(data[:min(len(data), pack.HeaderRead)])
	if err != nil || packName(h.Pack) == name {
		return id, false
	}
	_, err = p.proof.pack(h.Pack, data, true)
	return h.Pack, err == nil
}

// elsewhere tries the bytes of an object that lie under another name: in
// quarantine or, of a pack, in the place of another.
func (p *repairer) elsewhere(ctx context.Context, o damagedObject, try func(data []byte, err error, from string) bool) (data []byte, from string, stop error) {
	p.mu.Lock()
	names := []string{}
	if _, ok := p.quarantined[o.name]; ok {
		names = append(names, quarantineName(o.name))
	}
	if name, ok := p.misplaced[o.id]; ok && o.of == object.Pack {
		names = append(names, name)
	}
	p.mu.Unlock()
	for _, name := range names {
		data, err := p.read(ctx, p.b, name)
		if stop := stops(ctx, err); stop != nil {
			return nil, "", stop
		}
		if try(data, err, name) {
			return data, name, nil
		}
	}
	return nil, "", nil
}

// retryMisplaced plans once more for a pack that could not be healed when not
// all packs had been looked at.
func (p *repairer) retryMisplaced(ctx context.Context, q *repairPack, bad error) (healed bool, err error) {
	if _, ok := p.misplaced[q.id]; !ok {
		return false, nil
	}
	data, err := p.read(ctx, p.b, q.name())
	if stop := stops(ctx, err); stop != nil {
		return false, stop
	}
	healed, _, err = p.planHeal(ctx, q, data, bad)
	return healed, err
}

// saveMisplaced makes sure that a whole pack that lies under another name, and is
// about to be replaced there, is under its own, in quarantine at least. saved is
// false if data is no such pack.
func (x *repairRun) saveMisplaced(ctx context.Context, name string, data []byte) (saved bool, err error) {
	p := x.p
	id, ok := p.otherPack(name, data)
	if !ok {
		return false, nil
	}
	right := packName(id)
	if sound, err := p.soundNow(ctx, right); sound || err != nil {
		return sound, err
	}
	if err := p.b.Put(ctx, quarantineName(right), data); err != nil {
		return false, err
	}
	p.mu.Lock()
	p.quarantined[right] = int64(len(data))
	p.mu.Unlock()
	return true, nil
}

// errMisplaced means that an object is in the way under its name, but holds what
// belongs to another and has not been put there.
var errMisplaced = errors.New("it holds another pack, which has to be put in its place first")

// needsPlace returns errMisplaced unless what data holds can be done without.
func (x *repairRun) needsPlace(ctx context.Context, name string, data []byte) error {
	id, ok := x.p.otherPack(name, data)
	if !ok || x.p.packs[id] == nil || !x.p.packs[id].indexed {
		return nil
	}
	if sound, err := x.p.soundNow(ctx, packName(id)); sound || err != nil {
		return err
	}
	return fmt.Errorf("%w: %v", errMisplaced, id)
}
