package parity

import (
	"bytes"
	"encoding/binary"

	"garret/store/object"
	"garret/store/parity/leopard"
)

const (
	plateMagic = "garretr1"
	plateHead  = 44 // bytes before a plate's payload
)

// description is what every plate says of the objects.
type description struct {
	geometry
	of object.Type
	id [16]byte
}

// table lays the data cells' CRCs into the payloads of the plates: the first
// needed hold the CRCs, the others are the Reed-Solomon parity of these.
func (d description) table(crcs []uint32) []byte {
	size := d.needed * d.payload
	b := make([]byte, d.pieces()*d.payload)
	for i, c := range crcs {
		binary.LittleEndian.PutUint32(b[4*i:], c)
	}
	leopard.Encode(d.needed, d.pieces()-d.needed, d.payload, b[:size], b[size:], nil)
	return b
}

// putPlate writes the plate of unit u to b, which has its length.
func (d description) putPlate(b []byte, u int, sum uint32, table []byte) {
	copy(b, plateMagic)
	b[8], b[9] = byte(d.of), byte(d.percent)
	binary.LittleEndian.PutUint16(b[10:], uint16(d.payload))
	binary.LittleEndian.PutUint32(b[12:], uint32(u))
	copy(b[16:], d.id[:])
	binary.LittleEndian.PutUint64(b[32:], uint64(d.size))
	binary.LittleEndian.PutUint32(b[40:], sum)
	copy(b[plateHead:], table[u%d.pieces()*d.payload:][:d.payload])
	object.Finish(b[:plateHead+d.payload])
}

// plate is one that was found.
type plate struct {
	description
	unit    int
	sum     uint32 // CRC32C of the unit but for the plate
	payload []byte
	at      int64 // its place
}

// readPlate reads the plate at b's beginning; false if there is no whole one.
func readPlate(b []byte) (plate, bool) {
	if len(b) < plateHead || string(b[:8]) != plateMagic {
		return plate{}, false
	}
	percent, size := int(b[9]), binary.LittleEndian.Uint64(b[32:])
	if size < 1 || size > maxBytes || percent < 1 || percent > 100 {
		return plate{}, false
	}
	var p plate
	p.geometry, p.of, p.id = geometryOf(int64(size), percent), object.Type(b[8]), [16]byte(b[16:32])
	n, number := int(binary.LittleEndian.Uint16(b[10:])), binary.LittleEndian.Uint32(b[12:])
	if n != p.geometry.payload || int64(number) >= int64(p.units) || len(b) < p.plate() || object.VerifyCRC(b[:p.plate()]) != nil {
		return plate{}, false
	}
	p.unit, p.sum, p.payload = int(number), binary.LittleEndian.Uint32(b[40:]), b[plateHead:][:n]
	return p, true
}

// findPlates calls found for every whole plate in data, wherever it lies: what
// stands before it may be lost.
func findPlates(data []byte, found func(plate)) {
	for at := 0; ; {
		next := bytes.Index(data[at:], []byte(plateMagic))
		if next < 0 {
			return
		}
		at += next
		if p, ok := readPlate(data[at:]); ok {
			p.at = int64(at)
			found(p)
		}
		at++
	}
}

// checksumsOf returns the data cells' CRCs out of the payloads that were found,
// by their numbers, and which of them are known. Any needed payloads tell all of
// them, fewer only those that stand in them.
func (d description) checksumsOf(payloads [][]byte) (crcs []uint32, known []bool) {
	crcs, known = make([]uint32, d.k), make([]bool, d.k)
	n, size, found := d.needed, d.payload, 0
	table, lost := make([]byte, n*size), make([]bool, n)
	for i, p := range payloads {
		if p != nil {
			found++
		}
		if i < n {
			lost[i] = p == nil
			copy(table[i*size:], p)
		}
	}
	if found >= n {
		leopard.Rebuild(n, d.pieces()-n, size, table, lost, payloads[n:])
		clear(lost)
	}
	for i := range crcs {
		if known[i] = !lost[4*i/size]; known[i] {
			crcs[i] = binary.LittleEndian.Uint32(table[4*i:])
		}
	}
	return crcs, known
}
