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

// encode appends the parity object and returns the cells' CRCs as well.
func (d description) encode(data, dst []byte) ([]byte, []uint32) {
	begin := len(dst)
	dst = slices.Grow(dst, int(d.total()))[:begin+int(d.total())]
	whole := dst[begin:]
	from, to := d.parity(), d.parity()+int64(d.m)*int64(d.cell)
	leopard.Encode(d.k, d.m, d.cell, data, whole[from:to])
	crcs := d.checksums(data, whole[from:to])

	table := d.table(crcs)
	head := object.AppendHeader(whole[:0], object.Parity)
	head = d.appendPlates(head, 0, d.plates(), table)
	clear(whole[len(head):from])
	tail := d.appendPlates(whole[:to], d.plates(), (1+tailPlates)*d.plates(), table)
	object.Finish(tail)
	return dst, crcs
}

// checksums returns the CRC32C of each data cell and each parity cell.
func (d description) checksums(data, parity []byte) []uint32 {
	crcs := make([]uint32, 0, d.cells())
	for i := range d.k {
		at, n := d.data(i)
		crcs = append(crcs, crc32.Checksum(data[at:][:n], object.Castagnoli))
	}
	for i := range d.m {
		crcs = append(crcs, crc32.Checksum(parity[i*d.cell:][:d.cell], object.Castagnoli))
	}
	return crcs
}
