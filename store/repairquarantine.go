package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"garret/store/backend"
)

// quarantineName is where an object is kept that was taken out of the way.
func quarantineName(name string) string { return dirQuarantine + "/" + name }

// put stores an object. What quarantine has of it is of no use any more once it
// can be read back.
func (x *repairRun) put(ctx context.Context, name string, data []byte) error {
	if err := x.p.b.Put(ctx, name, data); err != nil {
		return err
	}
	back, err := backend.ReadAll(ctx, x.p.b, name, int64(len(data)))
	if err != nil {
		return err
	}
	if !bytes.Equal(back, data) {
		return fmt.Errorf("%s does not come back as it was written: the storage is not reliable", name)
	}
	x.p.mu.Lock()
	_, quarantined := x.p.quarantined[name]
	delete(x.p.quarantined, name)
	x.p.mu.Unlock()
	if quarantined {
		return x.delete(ctx, quarantineName(name))
	}
	return nil
}

// replace stores an object's original bytes in place of what is left of it,
// which is kept in quarantine until they can be read back.
func (x *repairRun) replace(ctx context.Context, name string, left, original []byte) error {
	if len(left) > 0 {
		if err := x.p.b.Put(ctx, quarantineName(name), left); err != nil {
			return err
		}
		x.p.mu.Lock()
		x.p.quarantined[name] = int64(len(left))
		x.p.mu.Unlock()
	}
	return x.put(ctx, name, original)
}

// mover is a backend that can rename an object without reading it.
type mover interface {
	Move(ctx context.Context, from, to string) error
}

// quarantine takes an object out of the way: nothing of it is lost, not even,
// where it can be renamed, what the medium does not give now.
func (x *repairRun) quarantine(ctx context.Context, name string, data []byte) error {
	if m, ok := x.p.b.(mover); ok {
		return m.Move(ctx, name, quarantineName(name))
	}
	if err := x.p.b.Put(ctx, quarantineName(name), data); err != nil {
		return err
	}
	return x.delete(ctx, name)
}

// delete removes an object that may be gone already.
func (x *repairRun) delete(ctx context.Context, name string) error {
	if err := x.p.b.Delete(ctx, name); err != nil && !missing(err) {
		return err
	}
	return nil
}

// quarantineParity moves the parity of an object that went to quarantine after
// it.
func (x *repairRun) quarantineParity(ctx context.Context, id [16]byte) error {
	name := parityName(id)
	data, err := x.p.read(ctx, x.p.b, name)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return x.quarantine(ctx, name, data)
}

// planMove plans to finish what an earlier repair has begun: an object is in
// quarantine, but not its parity.
func (p *repairer) planMove(name string, id [16]byte) {
	size, listed := p.parity[id]
	if !listed {
		return
	}
	p.act(RepairAction{Kind: RepairQuarantine, Object: parityName(id), Reason: name + " is in quarantine", Remedy: "goes there, too",
		Bytes: size, do: func(ctx context.Context, x *repairRun) error {
			if _, err := x.p.b.Size(ctx, name); !missing(err) {
				return cmp.Or(err, errSettled)
			}
			return x.quarantineParity(ctx, id)
		}})
}
