package parity

import (
	"errors"
	"fmt"
	"slices"

	"garret/store/object"
)

// Object is a parity object that was read, as far as it is there.
type Object struct {
	description
	crcs  []uint32 // of the data cells
	known []bool   // which of crcs are known
	units [][]byte // nil if lost
	whole bool
}

// Parse reads a parity object, which may be damaged in any way: overwritten,
// cut short, without its beginning. The result refers to data. It is
// object.ErrDamaged when nothing in it says what it is the parity of, and
// object.ErrReadFeature when a newer program wrote it.
//
// Nothing in it is authenticated: callers compare Of and ID with the name that
// they read it by, and verify what they heal with the keys that they have.
func Parse(data []byte) (*Object, error) {
	intact := object.VerifyCRC(data) == nil
	if intact {
		if _, err := object.ParseHeader(data, object.Parity); errors.Is(err, object.ErrReadFeature) {
			return nil, err
		}
	}
	d, ok := describe(data)
	if !ok {
		return nil, fmt.Errorf("%w: no plate of a parity object is left in %d bytes", object.ErrDamaged, len(data))
	}
	o := &Object{description: d}
	var payloads [][]byte
	o.units, payloads = d.collect(data)
	o.crcs, o.known = d.checksumsOf(payloads)
	o.whole = intact && int64(len(data)) == d.total() && !slices.ContainsFunc(o.units, isNil)
	return o, nil
}

// describe finds out what data is the parity of. Plates where they belong are
// believed before others, which a cell may contain that copies what was
// protected.
func describe(data []byte) (description, bool) {
	var best description
	var placed bool
	votes := make(map[description]int)
	findPlates(data, func(p plate) {
		if placed {
			return
		}
		shift := p.at - p.place(p.unit)
		if shift == 0 || shift == int64(len(data))-p.total() {
			best, placed = p.description, true
			return
		}
		if len(votes) < 64 || votes[p.description] > 0 {
			votes[p.description]++
		}
		if votes[p.description] > votes[best] {
			best = p.description
		}
	})
	return best, placed || len(votes) > 0
}

// collect returns the units that are left, and the plates' payloads by their
// numbers. Each plate tells where its unit is, whatever was cut off or inserted
// before it.
func (d description) collect(data []byte) (units, payloads [][]byte) {
	units, payloads = make([][]byte, d.units), make([][]byte, d.pieces())
	tried := make([]uint8, d.units)
	findPlates(data, func(p plate) {
		if p.description != d || units[p.unit] != nil || tried[p.unit] == maxTries {
			return
		}
		tried[p.unit]++
		payloads[p.unit%d.pieces()] = p.payload
		at := p.at - int64(d.inUnit(p.unit))
		if at < 0 || at+int64(d.cell) > int64(len(data)) {
			return
		}
		if unit := data[at:][:d.cell]; d.sum(unit, p.unit) == p.sum {
			units[p.unit] = unit
		}
	})
	if d.k == 1 && units[0] == nil {
		units[0] = units[1] // they are the same cell
	}
	return units, payloads
}

// maxTries is how many plates of a unit are looked at: storage may hold copies
// of some, and one may stand before a unit that is damaged.
const maxTries = 4

func isNil(b []byte) bool { return b == nil }

// Of returns the type of the protected object.
func (o *Object) Of() object.Type { return o.of }

// ID returns the id of the protected object.
func (o *Object) ID() [16]byte { return o.id }

// Size returns the size of the protected object in bytes.
func (o *Object) Size() int64 { return o.size }

// K returns the number of the protected object's cells.
func (o *Object) K() int { return o.k }

// M returns the number of parity cells: as many cells can be lost.
func (o *Object) M() int { return o.m }

// Cell returns the bytes in a cell.
func (o *Object) Cell() int { return o.cell }

// Percent returns what was asked for when it was made.
func (o *Object) Percent() int { return o.percent }

// Damage returns how many of the parity cells are lost, so many that M less
// them can be lost of the data, and whether the parity object is byte for byte
// as it was written.
func (o *Object) Damage() (cells int, whole bool) {
	for room := range o.rooms + 1 {
		lost := 0
		for i := range o.m {
			if o.units[o.unitOf(i, room)] == nil {
				lost++
			}
		}
		cells = max(cells, lost)
	}
	return cells, o.whole
}
