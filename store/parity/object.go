package parity

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"garret/store/object"
)

// Object is a parity object that was read, as far as it is there.
type Object struct {
	description
	crcs   []uint32 // of data cells, then parity cells
	known  []bool   // which of crcs are known
	parity [][]byte // parity cells; nil if lost
	whole  bool
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
	o := &Object{description: d, parity: make([][]byte, d.m)}
	payloads, shifts := d.collect(data)
	o.crcs, o.known = d.checksumsOf(payloads)
	lost := 0
	for i := range o.parity {
		if o.parity[i] = o.find(data, i, shifts); o.parity[i] == nil {
			lost++
		}
	}
	o.whole = intact && int64(len(data)) == d.total() && lost == 0 && !slices.ContainsFunc(payloads, isNil)
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
		shift := p.at - p.place(p.number)
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

// collect returns the payloads of the plates that are left, by their numbers,
// and by how much the parity object's parts are shifted from their places: not
// at all, as its length says if its beginning is lost, or as the plates' places
// say.
func (d description) collect(data []byte) (payloads [][]byte, shifts []int64) {
	payloads = make([][]byte, (1+tailPlates)*d.plates())
	shifts = []int64{0}
	if end := int64(len(data)) - d.total(); end != 0 {
		shifts = append(shifts, end)
	}
	findPlates(data, func(p plate) {
		if p.description != d || payloads[p.number] != nil {
			return
		}
		payloads[p.number] = p.payload
		if shift := p.at - d.place(p.number); len(shifts) < maxShifts && !slices.Contains(shifts, shift) {
			shifts = append(shifts, shift)
		}
	})
	return payloads, shifts
}

// maxShifts is how many shifts cells are looked for at.
const maxShifts = 8

func isNil(b []byte) bool { return b == nil }

// find returns parity cell i, or nil if it is nowhere in data or not known by
// its CRC.
func (o *Object) find(data []byte, i int, shifts []int64) []byte {
	if !o.known[o.k+i] {
		return nil
	}
	for _, shift := range shifts {
		at := o.geometry.parity() + int64(i)*int64(o.cell) + shift
		if at < 0 || at+int64(o.cell) > int64(len(data)) {
			continue
		}
		if cell := data[at:][:o.cell]; crc32.Checksum(cell, object.Castagnoli) == o.crcs[o.k+i] {
			return cell
		}
	}
	return nil
}

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

// Damage returns how many of the parity cells are lost, and whether the parity
// object is byte for byte as it was written.
func (o *Object) Damage() (cells int, whole bool) {
	for _, c := range o.parity {
		if c == nil {
			cells++
		}
	}
	return cells, o.whole
}
