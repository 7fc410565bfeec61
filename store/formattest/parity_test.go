package formattest

import (
	"bytes"
	"fmt"
)

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
	k, m, cell := cells(len(data), percent)
	l := layoutOf(k, m, cell)
	if len(stored) != l.length() {
		return wrong("%d bytes of parity for %d cells", len(stored), k)
	}
	plates := make([][]byte, l.n)
	for q := range plates {
		at, unit := l.unit(q, stored)
		p := unit[at:][:48+l.s]
		if l.k == 1 {
			unit = stored[64+l.s:][:cell]
		} else {
			unit = append(append([]byte(nil), unit[:at]...), unit[at+len(p):]...)
		}
		if string(p[:8]) != "garretr1" || p[8] != of || int(p[9]) != percent || int(le.Uint16(p[10:])) != l.s || int(le.Uint32(p[12:])) != q ||
			fmt.Sprintf("%x", p[16:32]) != id || int(le.Uint64(p[32:])) != len(data) {
			return wrong("plate %d: %x", q, p[:44])
		}
		if crc(p[:44+l.s]) != le.Uint32(p[44+l.s:]) || crc(unit) != le.Uint32(p[40:]) {
			return wrong("a CRC32C of plate %d", q)
		}
		plates[q] = p[44:][:l.s]
	}
	word := make([][]byte, 0, k+m)
	for i := range k {
		word = append(word, data[i*cell:min((i+1)*cell, len(data))])
	}
	sums := bytes.Join(plates[:l.f], nil)
	for i, c := range word {
		if crc(c) != le.Uint32(sums[4*i:]) {
			return wrong("the CRC32C of cell %d", i)
		}
	}
	if len(bytes.Trim(sums[4*k:], "\x00")) > 0 {
		return wrong("something after the CRCs")
	}
	parity, err := l.parity(stored)
	if err != nil {
		return err
	}
	if err := codeword(word, parity, cell); err != nil {
		return err
	}
	return codeword(plates[:l.f], plates[l.f:], l.s)
}

// layout is how a parity object is divided, for at most 32,768 units.
type layout struct {
	k, m, cell int
	n, s, f, w int
}

func layoutOf(k, m, cell int) layout {
	if k == 1 {
		return layout{k, m, cell, 2, 64, 1, 0}
	}
	var least layout
	for s := 64; s <= cell/4-64 && s <= 4032; s += 64 {
		f, w := (4*k+s-1)/s, cell/(s+64)
		n := m
		for n-(n+w-1)/w < m {
			n++
		}
		if k <= 1024 {
			n = max(n, m+f-1)
		} else {
			n = max(n, min(m+f-1, 3*f))
		}
		if least.n == 0 || n < least.n {
			least = layout{k, m, cell, n, s, f, w}
		}
	}
	return least
}

// length returns the bytes of the parity object.
func (l layout) length() int {
	if l.k == 1 {
		return 16 + 2*(48+l.s) + l.cell + 4
	}
	return l.n*l.cell + 4
}

// unit returns a part of the parity object, and where in it the plate begins.
func (l layout) unit(q int, stored []byte) (at int, unit []byte) {
	if l.k == 1 {
		return 16 + q*(48+l.s+l.cell), stored
	}
	return q%l.w*(l.s+64) + 16, stored[q*l.cell:][:l.cell]
}

// parity collects the parity cells out of the units. What belongs to none is
// zeros.
func (l layout) parity(stored []byte) (cells [][]byte, err error) {
	if l.k == 1 {
		return [][]byte{stored[64+l.s:][:l.cell]}, nil
	}
	have := make([]int, l.cell/64) // groups of 64 bytes that were found
	cells = make([][]byte, l.m)
	for i := range cells {
		cells[i] = make([]byte, l.cell)
	}
	for q := range l.n {
		at, unit := l.unit(q, stored)
		room := at/64*64 + l.s + 64
		if q > 0 && len(bytes.Trim(unit[at-16:at], "\x00")) > 0 {
			return nil, wrong("something before plate %d", q)
		}
		for h := range have {
			group := unit[64*h:][:64]
			switch {
			case at/64*64 <= 64*h && 64*h < room:
			case have[h] < l.m:
				copy(cells[have[h]][64*h:], group)
				have[h]++
			case len(bytes.Trim(group, "\x00")) > 0:
				return nil, wrong("group %d of unit %d", h, q)
			}
		}
	}
	for h, n := range have {
		if n != l.m {
			return nil, wrong("%d groups %d for %d cells", n, h, l.m)
		}
	}
	return cells, nil
}

// cells returns how an object is divided, for sizes below 256 MB.
func cells(size, percent int) (k, m, cell int) {
	if size <= 4096 {
		return 1, 1, (size + 63) / 64 * 64
	}
	k = (size + 4095) / 4096
	return k, max((percent*k+99)/100, min(k, 18)), 4096
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
