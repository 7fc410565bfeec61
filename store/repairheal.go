package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"garret/store/backend"
	"garret/store/object"
	"garret/store/pack"
	"garret/store/parity"
)

// damagedObject is a pack or an index segment that is not as it was.
type damagedObject struct {
	of    object.Type
	id    [16]byte
	name  string
	data  []byte // what is left of it; nil if nothing is
	prove func(data []byte) error
}

// original returns the bytes that the object had when it was written, from its
// parity, the mirror, or both, and says from which. They have been proven. why
// tells what prevents it; err ends the repair.
func (p *repairer) original(ctx context.Context, o damagedObject) (data []byte, from string, why, err error) {
	var whys []error
	try := func(healed []byte, err error, from string) bool {
		if err == nil {
			err = o.prove(healed)
		}
		if err != nil {
			whys = append(whys, fmt.Errorf("%s: %w", from, err))
		}
		return err == nil
	}
	const byParity, byMirror, byBoth = "its parity", "the mirror", "its parity and the mirror"

	own, err := p.parityIn(ctx, p.b, o.of, o.id)
	if err != nil {
		return nil, "", nil, err
	}
	if own == nil {
		whys = append(whys, errNoParity)
	} else {
		for i, left := range o.without(own) {
			before := len(whys)
			if healed, err := own.Heal(left, trailerCRCs(own, left)); try(healed, err, byParity) {
				return healed, byParity, nil, nil
			}
			if i > 0 {
				whys = whys[:before] // the first reason is the one to tell
			}
		}
	}
	if data, from, err = p.elsewhere(ctx, o, func(data []byte, err error, from string) bool {
		before := len(whys)
		ok := try(data, err, from)
		whys = whys[:before] // it is no news that it is in quarantine
		return ok
	}); data != nil || err != nil {
		return data, from, nil, err
	}
	if p.mirror == nil {
		return nil, "", errors.Join(whys...), ctx.Err()
	}
	there, err := p.read(ctx, p.mirror.b, o.name)
	if stop := stops(ctx, err); stop != nil {
		return nil, "", nil, stop
	}
	if err != nil {
		there = nil
	}
	if try(there, err, byMirror) {
		return there, byMirror, nil, nil
	}
	if o.of == object.Pack {
		if both := mergePacks(o.data, there); both != nil && try(both, nil, "this copy and the mirror's") {
			return both, "this copy and the mirror's", nil, nil
		}
	}
	theirs, err := p.parityIn(ctx, p.mirror.b, o.of, o.id)
	if err != nil {
		return nil, "", nil, err
	}
	for _, par := range []*parity.Object{own, theirs} {
		if par == nil {
			continue
		}
		both := mergeCells(par, o.data, there)
		if healed, err := par.Heal(both, trailerCRCs(par, both)); try(healed, err, byBoth) {
			return healed, byBoth, nil, nil
		}
	}
	return nil, "", errors.Join(whys...), ctx.Err()
}

// without returns what is left of the object and, as far as its parity can
// replace them, the same without the parts whose checksums whoever forged it can
// have made right: CRC32C cannot see a change of bytes that are followed by
// their own CRC32C in one cell.
func (o damagedObject) without(par *parity.Object) [][]byte {
	all := [][]byte{o.data}
	if o.of == object.Pack {
		if layout, err := pack.ReadLayout(bytes.NewReader(o.data), int64(len(o.data))); err == nil {
			cut := bytes.Clone(o.data)
			clear(cut[layout.Body:])
			all = append(all, cut)
		}
	}
	if par.M() >= par.K() && len(o.data) > 0 {
		all = append(all, nil)
	}
	return all
}

// parityIn reads an object's parity; nil if there is none of use.
func (p *repairer) parityIn(ctx context.Context, b backend.Backend, of object.Type, id [16]byte) (*parity.Object, error) {
	par, err := readParity(ctx, b, of, id)
	if stop := stops(ctx, err); stop != nil {
		return nil, stop
	}
	if err != nil {
		return nil, nil
	}
	return par, nil
}

// trailerCRCs lets a pack's own trailer stand in for checksums that its parity
// has lost.
func trailerCRCs(par *parity.Object, data []byte) func(cell int) (uint32, bool) {
	if par.Of() != object.Pack || par.Cell() != pack.CellSize || int64(len(data)) != par.Size() {
		return nil
	}
	layout, err := pack.ReadLayout(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil
	}
	return func(cell int) (uint32, bool) {
		if int64(cell+1)*pack.CellSize > layout.Body {
			return 0, false // not a cell of the body alone
		}
		return layout.CRCs[cell], true
	}
}

// mergeCells returns a with those cells that its parity says are bad taken
// from b where they are good.
func mergeCells(par *parity.Object, a, b []byte) []byte {
	both := append(make([]byte, 0, par.Size()), a[:min(int64(len(a)), par.Size())]...)
	both = append(both, make([]byte, par.Size()-int64(len(both)))...)
	badThere := make(map[int]bool)
	for _, cell := range par.Verify(b) {
		badThere[cell] = true
	}
	for _, cell := range par.Verify(both) {
		from := int64(cell) * int64(par.Cell())
		to := min(from+int64(par.Cell()), par.Size())
		if !badThere[cell] && to <= int64(len(b)) {
			copy(both[from:to], b[from:to])
		}
	}
	return both
}

// mergePacks returns the pack of which a and b are damaged copies, as far as
// the trailer of one of them tells the good cells of both; nil if none does.
func mergePacks(a, b []byte) []byte {
	for _, copies := range [][2][]byte{{a, b}, {b, a}} {
		whole, other := copies[0], copies[1]
		layout, err := pack.ReadLayout(bytes.NewReader(whole), int64(len(whole)))
		if err != nil {
			continue
		}
		both := bytes.Clone(whole)
		layout.BadCells(whole[:layout.Body], 0, func(r pack.Range) {
			if r.Offset+r.Length <= int64(len(other)) {
				copy(both[r.Offset:][:r.Length], other[r.Offset:])
			}
		})
		return both
	}
	return nil
}

// read reads an object of any size; what the medium does not give is zeros. An
// object that this user may not read is not damaged: that ends the repair.
func (p *repairer) read(ctx context.Context, b backend.Backend, name string) ([]byte, error) {
	var probe [1]byte
	if _, err := b.ReadAt(ctx, name, probe[:], 0); errors.Is(err, backend.ErrPermission) {
		return nil, err
	}
	return readDamaged(ctx, b, name, 2*maxParity)
}

// stops returns the error that ends a repair, or nil if err, which may be nil,
// is only about an object.
func stops(ctx context.Context, err error) error {
	if errors.Is(err, backend.ErrPermission) {
		return err
	}
	return fatal(ctx, err)
}
