package store

import (
	"context"
	"errors"
	"fmt"

	"garret/index"
	"garret/store/object"
	"garret/store/parity"
)

// planParity plans for the parity of a pack or segment that is sound, or will
// be: data are its original bytes.
func (p *repairer) planParity(ctx context.Context, of object.Type, id [16]byte, name string, data []byte) error {
	_, listed := p.parity[id]
	percent, known := p.percent()
	if !known || percent == 0 && p.r == nil {
		return nil // without a key nothing is removed, and nobody says what to make
	}
	why, disagrees, remedy := "", false, "is made anew"
	if !listed && percent > 0 {
		// It may have come since it was listed.
		_, err := p.b.Size(ctx, parityName(id))
		if stop := stops(ctx, err); stop != nil {
			return stop
		}
		listed = err == nil
	}
	switch {
	case percent == 0 && !listed:
		return nil
	case percent == 0:
		why, remedy = "the repository is to have no parity", "is removed"
	case !listed:
		why, remedy = "the parity of "+name+" is missing", "is made"
	default:
		var err error
		if why, disagrees, err = p.parityProblem(ctx, of, id, data, percent); err != nil {
			return err
		}
		p.done(p.parity[id])
	}
	switch {
	case why == "":
		return nil
	case disagrees && p.r == nil:
		p.left(name, "it and its parity disagree, and each matches its own checksums: only the key can tell which is right")
		return nil
	}
	a := RepairAction{Kind: RepairParity, Object: parityName(id), Reason: why, Remedy: remedy,
		do: func(ctx context.Context, x *repairRun) error { return x.makeParity(ctx, of, id, name, percent) }}
	if percent > 0 {
		a.Bytes = parity.Size(int64(len(data)), percent)
	}
	p.act(a)
	return nil
}

// parityProblem tells what is wrong with the parity of an object with these
// bytes; "" is nothing. disagrees says that it is whole where it says that the
// object was other bytes.
func (p *repairer) parityProblem(ctx context.Context, of object.Type, id [16]byte, data []byte, percent int) (why string, disagrees bool, err error) {
	par, err := readParity(ctx, p.b, of, id)
	if stop := stops(ctx, err); stop != nil {
		return "", false, stop
	}
	switch {
	case missing(err):
		return "it is missing", false, nil
	case errors.Is(err, object.ErrReadFeature):
		return "", false, nil // a newer program's
	case err != nil:
		return oneLine(err), false, nil
	}
	if par.Size() != int64(len(data)) || len(par.Verify(data)) > 0 {
		return "it is the parity of other bytes", true, nil
	}
	if lost, whole := par.Damage(); !whole {
		return fmt.Sprintf("it is damaged: %d of its %d cells are lost", lost, par.M()), false, nil
	}
	if par.Percent() != percent && p.r != nil {
		return fmt.Sprintf("it is of %d %%, not %d %%", par.Percent(), percent), false, nil
	}
	return "", false, nil
}

// doubted proves all of a pack, with its frames, if its parity says that it had
// other bytes: who replaced it may have made its checksums right. Without a key
// nothing can be proven.
func (p *repairer) doubted(ctx context.Context, id index.PackID, data []byte) error {
	if _, listed := p.parity[id]; !listed || p.r == nil || p.ReadData {
		return nil
	}
	_, disagrees, err := p.parityProblem(ctx, object.Pack, id, data, 0)
	if err != nil || !disagrees {
		return err
	}
	_, err = p.proof.pack(id, data, true)
	return err
}

// makeParity makes or removes the parity of an object, after the object itself
// has been looked at again.
func (x *repairRun) makeParity(ctx context.Context, of object.Type, id [16]byte, name string, percent int) error {
	p := x.p
	data, err := p.read(ctx, p.b, name)
	if missing(err) {
		return errSettled
	}
	if err != nil {
		return err
	}
	why, disagrees, err := p.parityProblem(ctx, of, id, data, percent)
	if err != nil {
		return err
	}
	if of == object.Pack {
		_, err = p.proof.pack(id, data, disagrees)
	} else {
		err = p.proof.segment(id, data)
	}
	switch {
	case err != nil:
		return fmt.Errorf("no parity is made of %s, or taken from it: %w", name, err)
	case disagrees && p.r == nil:
		return fmt.Errorf("no parity is made of %s: %s", name, why)
	case percent == 0:
		return x.delete(ctx, parityName(id))
	case why == "":
		return errSettled
	}
	if par, err := readParity(ctx, p.b, of, id); err == nil && p.r == nil {
		percent = par.Percent() // how much is for those with the key to say
	}
	made, err := parity.Encode(parity.Params{Of: of, ID: id, Percent: percent}, data, nil)
	if err != nil {
		return err
	}
	return x.put(ctx, parityName(id), made)
}
