package parity

import (
	"fmt"
	"hash/crc32"
	"slices"

	"garret/store/object"
	"garret/store/parity/leopard"
)

// Params says what a parity object is made of.
type Params struct {
	Of      object.Type // of the protected object
	ID      [16]byte    // its id
	Percent int         // parity cells for a hundred data cells, 1 to 100
}

// Encode appends the parity object of data, the protected object's bytes, to
// dst. data is only read. Several calls may run at the same time.
func Encode(p Params, data []byte, dst []byte) ([]byte, error) {
	if p.Percent < 1 || p.Percent > 100 {
		return nil, fmt.Errorf("parity of %d %% cannot be: 1 to 100 can", p.Percent)
	}
	if len(data) == 0 || int64(len(data)) > maxBytes {
		return nil, fmt.Errorf("parity of a %v of %d bytes cannot be", p.Of, len(data))
	}
	d := description{geometry: geometryOf(int64(len(data)), p.Percent), of: p.Of, id: p.ID}
	dst, _ = d.encode(data, dst)
	return dst, nil
}

// encode appends the parity object and returns the data cells' CRCs as well.
func (d description) encode(data, dst []byte) ([]byte, []uint32) {
	begin := len(dst)
	dst = slices.Grow(dst, int(d.total()))[:begin+int(d.total())]
	whole := dst[begin:]
	crcs := make([]uint32, d.k)
	sum := func(i int, part []byte) { crcs[i] = crc32.Update(crcs[i], object.Castagnoli, part) }
	if d.k == 1 {
		cell := whole[object.HeaderSize+d.plate():][:d.cell]
		leopard.Encode(d.k, d.m, d.cell, data, cell, sum)
		table := d.table(crcs)
		object.AppendHeader(whole[:0], object.Parity)
		for u := range d.units {
			d.putPlate(whole[d.place(u):][:d.plate()], u, d.sum(cell, u), table)
		}
	} else {
		units := whole[:d.units*d.cell]
		leopard.Encode(d.k, d.m, d.cell, data, units[(d.units-d.m)*d.cell:], sum)
		table := d.table(crcs)
		d.spread(units)
		object.AppendHeader(whole[:0], object.Parity)
		for u := range d.units {
			unit := units[u*d.cell:][:d.cell]
			d.putPlate(unit[d.inUnit(u):][:d.plate()], u, d.sum(unit, u), table)
		}
	}
	object.Finish(whole[:len(whole)-object.CRCSize])
	return dst, crcs
}
