package leopard

import "math/bits"

// Rebuild computes the lost data cells from the others and from the parity
// cells that are left. data is k cells as in Encode; those that lost names are
// overwritten, the last one only as far as data reaches. A parity cell that is
// lost is nil. It panics if more cells are lost than there are parity cells.
func Rebuild(k, m, cell int, data []byte, lost []bool, parity [][]byte) {
	fits(k, m, cell)
	if (len(data)+cell-1)/cell > k || len(lost) != k || len(parity) != m {
		panic("leopard: data or parity of another size")
	}
	span := Span(m)
	n := 1 << bits.Len(uint(span+k-1))
	erased := make([]bool, n)
	before := make([]int32, n+1) // lost data cells below each position
	count := 0
	for i := range span {
		erased[i] = i >= m || parity[i] == nil
		if erased[i] && i < m {
			count++
		}
	}
	for i, l := range lost {
		erased[span+i] = l
	}
	for i := range n {
		before[i+1] = before[i]
		if i >= span && erased[i] {
			before[i+1]++
		}
	}
	if count += int(before[n]); count > m {
		panic("leopard: more cells are lost than there are parity cells")
	}
	if before[n] == 0 {
		return
	}

	exponents, l := locate(erased), logs()
	wanted := func(base, n int) bool { return before[base+n] > before[base] }
	full := stripe(n, cell, 4<<20)
	memory, done := borrow(n * full)
	defer done()
	for off := 0; off < cell; off += full {
		width := min(full, cell-off)
		work := rows{memory[:n*width], width, tables()}
		for i := range n {
			switch {
			case erased[i] || i >= span+k:
				clear(work.row(i))
				continue
			case i < span:
				work.load(i, parity[i][off:off+width])
			default:
				work.load(i, part(data, i-span, cell, off, width))
			}
			work.scale(i, l.exp[exponents[i]])
		}
		work.inverse(span+k, 0)
		work.derive()
		work.forward(0, wanted)
		for i, missing := range lost {
			if missing {
				work.scale(span+i, l.exp[modulus-exponents[span+i]])
				copy(part(data, i, cell, off, width), work.row(span+i))
			}
		}
	}
}

// locate returns for each position the logarithm of the error locator: of the
// product of its differences to all erased positions but itself. Differences
// are exclusive-ors of positions, so the sum of the logarithms is a convolution
// that two Walsh-Hadamard transforms compute.
func locate(erased []bool) []uint16 {
	n := len(erased)
	l := logs()
	places, sums := make([]uint16, n), make([]uint16, n)
	for i, e := range erased {
		if e {
			places[i] = 1
		}
	}
	copy(sums, l.log[:n])
	walshHadamard(places)
	walshHadamard(sums)
	// The transform is its own inverse but for the factor n; 2^16 is 1 modulo
	// 2^16-1, so dividing by n is multiplying by 2^16/n.
	inverse := order / n
	for i := range sums {
		sums[i] = uint16(uint64(sums[i]) * uint64(places[i]) % modulus * uint64(inverse) % modulus)
	}
	walshHadamard(sums)
	for i := range sums {
		sums[i] %= modulus
	}
	return sums
}

// walshHadamard transforms a in place, modulo 2^16-1 (which may stand for 0).
func walshHadamard(a []uint16) {
	for h := 1; h < len(a); h *= 2 {
		for b := 0; b < len(a); b += 2 * h {
			x, y := a[b:b+h], a[b+h:b+2*h]
			for i := range x {
				u, v := uint32(x[i]), uint32(y[i])
				s, d := u+v, u+modulus-v
				x[i], y[i] = uint16(s+s>>16), uint16(d+d>>16)
			}
		}
	}
}
