package parity

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"

	"garret/store/object"
	"garret/store/parity/leopard"
)

const (
	plateMagic = "garretr1"
	plateHead  = 52 // bytes before a plate's payload
	plateCells = 64 // CRCs in a plate
	tailPlates = 2  // plates in the tail for one in the head
)

// description is what every plate says of the objects.
type description struct {
	geometry
	of object.Type
	id [16]byte
}

// table lays the cells' CRCs into the payloads of all plates: those of the head
// hold the CRCs, those of the tail are the Reed-Solomon parity of these.
func (d description) table(crcs []uint32) []byte {
	size := d.plates() * d.payload()
	b := make([]byte, (1+tailPlates)*size)
	for i, c := range crcs {
		binary.LittleEndian.PutUint32(b[4*i:], c)
	}
	leopard.Encode(d.plates(), tailPlates*d.plates(), d.payload(), b[:size], b[size:])
	return b
}

// appendPlates appends the plates from number from to below number to.
func (d description) appendPlates(b []byte, from, to int, table []byte) []byte {
	for i := from; i < to; i++ {
		begin := len(b)
		b = append(b, plateMagic...)
		b = append(b, byte(d.of), byte(d.percent))
		b = binary.LittleEndian.AppendUint16(b, uint16(d.payload()))
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
		b = append(b, d.id[:]...)
		b = binary.LittleEndian.AppendUint64(b, uint64(d.size))
		b = binary.LittleEndian.AppendUint32(b, uint32(d.k))
		b = binary.LittleEndian.AppendUint32(b, uint32(d.m))
		b = binary.LittleEndian.AppendUint32(b, uint32(d.cell))
		b = append(b, table[i*d.payload():(i+1)*d.payload()]...)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[begin:], object.Castagnoli))
	}
	return b
}

// plate is one that was found.
type plate struct {
	description
	number  int
	payload []byte
	at      int64 // its place
}

// readPlate reads the plate at b's beginning; false if there is no whole one.
func readPlate(b []byte) (plate, bool) {
	if len(b) < plateHead || string(b[:8]) != plateMagic {
		return plate{}, false
	}
	n := int(binary.LittleEndian.Uint16(b[10:]))
	end := plateHead + n
	if n > 4*plateCells || len(b) < end+object.CRCSize ||
		crc32.Checksum(b[:end], object.Castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return plate{}, false
	}
	number, size := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint64(b[32:])
	k, m, cell := binary.LittleEndian.Uint32(b[40:]), binary.LittleEndian.Uint32(b[44:]), binary.LittleEndian.Uint32(b[48:])
	if size > maxBytes || max(k, m, number) > leopard.MaxCells || cell > maxCell {
		return plate{}, false
	}
	p := plate{number: int(number), payload: b[plateHead:end]}
	p.of, p.percent, p.id = object.Type(b[8]), int(b[9]), [16]byte(b[16:32])
	p.size, p.k, p.m, p.cell = int64(size), int(k), int(m), int(cell)
	if !p.valid() || n != p.geometry.payload() || p.number >= (1+tailPlates)*p.plates() {
		return plate{}, false
	}
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

// checksumsOf returns the cells' CRCs out of the payloads of the plates that
// were found, by their numbers, and which of them are known. Any third of the
// plates tells all of them, fewer only those that stand in the head's.
func (d description) checksumsOf(payloads [][]byte) (crcs []uint32, known []bool) {
	crcs, known = make([]uint32, d.cells()), make([]bool, d.cells())
	n, size, found := d.plates(), d.payload(), 0
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
		leopard.Rebuild(n, tailPlates*n, size, table, lost, payloads[n:])
		clear(lost)
	}
	for i := range crcs {
		if known[i] = !lost[i/plateCells]; known[i] {
			crcs[i] = binary.LittleEndian.Uint32(table[4*i:])
		}
	}
	return crcs, known
}
