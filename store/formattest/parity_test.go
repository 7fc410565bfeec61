package formattest

import (
	"bytes"
	"fmt"
)

// plate is one plate of a parity object.
type plate struct {
	of       byte
	percent  int
	id       [16]byte
	size     int
	k, m     int
	cell     int
	payloads map[int][]byte // by number; of all plates that say the same
}

// parity reads the parity of an object and checks it against the object.
func (r *reader) parity(of byte, name string, percent int) error {
	data, err := r.read(name)
	if err != nil {
		return err
	}
	id := name[len(name)-32:]
	stored, err := r.read("parity/" + id[30:] + "/" + id)
	if err != nil {
		return err
	}
	if err := object(stored, 'r'); err != nil {
		return err
	}
	p, err := plates(stored)
	if err != nil {
		return err
	}
	k, m, cell := cells(len(data), percent)
	if p.of != of || p.percent != percent || fmt.Sprintf("%x", p.id) != id || p.size != len(data) || p.k != k || p.m != m || p.cell != cell {
		return wrong("a plate %+v", p)
	}
	all := (k + m + 63) / 64
	if len(p.payloads) != 3*all {
		return wrong("%d plates for %d cells", len(p.payloads), k+m)
	}
	at := 16 + all*(56+len(p.payloads[0]))
	if k > 1 {
		at = (at + 4095) / 4096 * 4096
	}
	word := make([][]byte, 0, k+m)
	for i := range k {
		word = append(word, data[i*cell:min((i+1)*cell, len(data))])
	}
	for i := range m {
		word = append(word, stored[at+i*cell:][:cell])
	}
	var sums []byte
	for i := range all {
		sums = append(sums, p.payloads[i]...)
	}
	for i, c := range word {
		if crc(c) != le.Uint32(sums[4*i:]) {
			return wrong("the CRC32C of cell %d", i)
		}
	}
	if err := codeword(word[:k], word[k:], cell); err != nil {
		return err
	}
	var table [2][][]byte
	for i := range 3 * all {
		part := min(i/all, 1)
		table[part] = append(table[part], p.payloads[i])
	}
	return codeword(table[0], table[1], len(p.payloads[0]))
}

// cells returns how an object is divided, for sizes below 256 MB.
func cells(size, percent int) (k, m, cell int) {
	if size <= 4096 {
		return 1, 1, (size + 63) / 64 * 64
	}
	k = (size + 4095) / 4096
	return k, max((percent*k+99)/100, min(k, 18)), 4096
}

// plates finds the plates.
func plates(data []byte) (p plate, err error) {
	p.payloads = make(map[int][]byte)
	for at := 0; ; at++ {
		next := bytes.Index(data[at:], []byte("garretr1"))
		if next < 0 {
			return p, nil
		}
		at += next
		b := data[at:]
		s := int(le.Uint16(b[10:]))
		if crc(b[:52+s]) != le.Uint32(b[52+s:]) {
			return p, wrong("the CRC32C of a plate")
		}
		q := plate{
			b[8], int(b[9]), [16]byte(b[16:32]), int(le.Uint64(b[32:])),
			int(le.Uint32(b[40:])), int(le.Uint32(b[44:])), int(le.Uint32(b[48:])), p.payloads,
		}
		if len(p.payloads) > 0 && fmt.Sprint(q) != fmt.Sprint(p) {
			return p, wrong("two plates that disagree")
		}
		p = q
		p.payloads[int(le.Uint32(b[12:]))] = b[52 : 52+s]
	}
}

// cantor is the basis that the bits of a symbol stand for.
var cantor = [16]uint16{
	0x0001, 0xACCA, 0x3C0E, 0x163E, 0xC582, 0xED2E, 0x914C, 0x4012,
	0x6C98, 0x10D8, 0x6A72, 0xB900, 0xFDB8, 0xFB34, 0xFF38, 0x991E,
}

// element is the element of the field that a symbol stands for.
func element(symbol uint16) (e uint16) {
	for j, v := range cantor {
		if symbol>>j&1 != 0 {
			e ^= v
		}
	}
	return e
}

// product multiplies polynomials over GF(2) modulo x^16+x^5+x^3+x^2+1.
func product(a, b uint16) (p uint16) {
	for ; b != 0; b >>= 1 {
		if b&1 != 0 {
			p ^= a
		}
		carry := a >> 15
		a = a<<1 ^ carry*0x002D
	}
	return p
}

// symbol returns symbol n of a cell, which zeros follow.
func symbol(cell []byte, n int) uint16 {
	at := n/32*64 + n%32
	b := func(i int) uint16 {
		if i < len(cell) {
			return uint16(cell[i])
		}
		return 0
	}
	return b(at) | b(at+32)<<8
}

// codeword checks the power sums of a few symbols of each 64 bytes. Cells that
// are not stored make up for as many sums, so only a code with none of them
// can be checked like this without solving equations; the others are checked by
// the sums that are left when the unknown cells are found.
func codeword(data, parity [][]byte, cell int) error {
	m := 1
	for m < len(parity) {
		m *= 2
	}
	if m > 64 || len(data) > 256 {
		return nil // too slow like this
	}
	for n := 0; n < cell/2; n += 37 {
		sums := make([]uint16, m)
		for i, c := range parity {
			addPowers(sums, uint16(i), symbol(c, n))
		}
		for i, c := range data {
			addPowers(sums, uint16(m+i), symbol(c, n))
		}
		if hidden := m - len(parity); hidden == 0 {
			for j, s := range sums {
				if s != 0 {
					return wrong("power sum %d of symbol %d", j, n)
				}
			}
		} else if !explained(sums, len(parity), m) {
			return wrong("symbol %d is of no codeword", n)
		}
	}
	return nil
}

// addPowers adds c·i^j to the sums, for all j.
func addPowers(sums []uint16, position, c uint16) {
	power, value, at := uint16(1), element(c), element(position)
	for j := range sums {
		sums[j] ^= product(value, power)
		power = product(power, at)
	}
}

// explained reports whether cells at the positions from to below to can make
// the sums zero. Multiplying the generating function of the sums with (1-p·z)
// for each such position p leaves a polynomial of a degree below their number.
func explained(sums []uint16, from, to int) bool {
	for p := from; p < to; p++ {
		e := element(uint16(p))
		for j := len(sums) - 1; j > 0; j-- {
			sums[j] ^= product(e, sums[j-1])
		}
	}
	for _, s := range sums[to-from:] {
		if s != 0 {
			return false
		}
	}
	return true
}
