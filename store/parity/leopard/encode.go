package leopard

import (
	"crypto/subtle"
	"math/bits"
	"sync"
)

// MaxCells is the most positions that a codeword has.
const MaxCells = order

// Span returns the number of positions that m parity cells take: the power of
// two that is not below m. k data cells fit if k + Span(m) ≤ MaxCells.
func Span(m int) int { return 1 << bits.Len(uint(m-1)) }

// fits panics on what no caller should ask for.
func fits(k, m, cell int) {
	if k < 1 || m < 1 || m >= MaxCells || k+Span(m) > MaxCells || cell < 64 || cell%64 != 0 {
		panic("leopard: no such code")
	}
}

// space is the working memory of transforms, kept for the next use.
var space = sync.Pool{New: func() any { return new([]byte) }}

// borrow returns n bytes of any content and what gives them back.
func borrow(n int) ([]byte, func()) {
	b := space.Get().(*[]byte)
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	return (*b)[:n], func() { space.Put(b) }
}

// stripe returns how many bytes of each cell to work on at a time, so that n
// rows take about limit bytes.
func stripe(n, cell, limit int) int {
	width := 64
	for width < cell && 2*width*n <= limit {
		width *= 2
	}
	return min(width, cell)
}

// part returns what data has of the width bytes at offset off of cell i.
func part(data []byte, i, cell, off, width int) []byte {
	from := min(i*cell+off, len(data))
	return data[from:min(from+width, len(data))]
}

// encodeLimit is how much of the data Encode works on at a time, bytes, in twice as
// much memory. So it reads cells that are a page long as a whole, if there are up to
// 512 parity cells, as by default. That takes half as long as part by part: the
// processor reads ahead to the end of a page, not beyond.
const encodeLimit = 2 << 20

// Encode computes the parity cells of data. data is not changed; it is taken as
// k cells of that many bytes, where the bytes missing at the end are zero. The
// m parity cells are written to parity, one after another. seen, if it is not nil, is
// given all of data, each cell's bytes in order, when they have just been read and so
// lie in the processor's cache.
func Encode(k, m, cell int, data, parity []byte, seen func(i int, part []byte)) {
	fits(k, m, cell)
	if (len(data)+cell-1)/cell > k || len(parity) != m*cell {
		panic("leopard: data or parity of another size")
	}
	span := Span(m)
	full := stripe(span, cell, encodeLimit)
	memory, done := borrow(2 * span * full)
	defer done()
	wanted := func(base, n int) bool { return base < m }
	for off := 0; off < cell; off += full {
		width := min(full, cell-off)
		sum := rows{memory[:span*width], width, tables()}
		group := rows{memory[span*width : 2*span*width], width, sum.t}
		for first := 0; first < k; first += span {
			to, live := group, min(span, k-first)
			if first == 0 {
				to = sum
			}
			for i := range live {
				p := part(data, first+i, cell, off, width)
				to.load(i, p)
				if seen != nil {
					seen(first+i, p)
				}
			}
			clear(to.cells[live*width:])
			to.inverse(live, span+first)
			if first > 0 {
				subtle.XORBytes(sum.cells, sum.cells, group.cells)
			}
		}
		sum.forward(0, wanted)
		for i := range m {
			copy(parity[i*cell+off:], sum.row(i))
		}
	}
}
