package leopard

import (
	"crypto/subtle"
	"math/bits"
)

// rows is a matrix of symbols: one row of width bytes for each position, one
// after another. Transforms work down its columns. As the rows are contiguous,
// a butterfly of two blocks of rows is one run over two stretches of bytes.
type rows struct {
	cells []byte
	width int // bytes, a multiple of 64
	t     *products
}

// half returns the rows of the lower and of the upper half.
func (r rows) halves() (lower, upper rows) {
	at := len(r.cells) / 2
	lower, upper = r, r
	lower.cells, upper.cells = r.cells[:at], r.cells[at:]
	return lower, upper
}

// inverse turns values at the positions from base on into coefficients of the
// novel polynomial basis. Rows from live on are zero. base is a multiple of the
// number of rows, a power of two.
//
// It goes depth first, so that all but the topmost butterflies of a large
// matrix find their rows in the cache. A block of 2h rows whose positions begin
// at b has the factor s(b), s the vanishing polynomial of the positions below
// h: in the Cantor basis just b/h.
func (r rows) inverse(live, base int) {
	h := len(r.cells) / r.width / 2
	if h == 0 || live <= 0 {
		return
	}
	lower, upper := r.halves()
	lower.inverse(live, base)
	upper.inverse(live-h, base+h)
	if c := factor(base, h); c == 0 {
		subtle.XORBytes(upper.cells, upper.cells, lower.cells)
	} else if vector {
		ifftVector(&lower.cells[0], &upper.cells[0], len(upper.cells), r.t, c)
	} else {
		ifftGeneric(lower.cells, upper.cells, r.t, c)
	}
}

// forward turns coefficients into the values at the positions from base on.
// wanted says which blocks of positions matter; the others are left undefined.
func (r rows) forward(base int, wanted func(base, n int) bool) {
	n := len(r.cells) / r.width
	if n < 2 || !wanted(base, n) {
		return
	}
	lower, upper := r.halves()
	if c := factor(base, n/2); c == 0 {
		subtle.XORBytes(upper.cells, upper.cells, lower.cells)
	} else if vector {
		fftVector(&lower.cells[0], &upper.cells[0], len(upper.cells), r.t, c)
	} else {
		fftGeneric(lower.cells, upper.cells, r.t, c)
	}
	lower.forward(base, wanted)
	upper.forward(base+n/2, wanted)
}

// derive replaces coefficients by those of the polynomial's formal derivative.
// In the Cantor basis the derivative of each basis polynomial is the sum of
// those that lack one of its factors.
func (r rows) derive() {
	for i := 1; i < len(r.cells)/r.width; i++ {
		w := i & -i
		to := r.cells[(i-w)*r.width : i*r.width]
		subtle.XORBytes(to, to, r.cells[i*r.width:(i+w)*r.width])
	}
}

// scale multiplies one row by c.
func (r rows) scale(row int, c uint16) {
	cells := r.row(row)
	if vector {
		mulVector(&cells[0], len(cells), r.t, c)
	} else {
		mulGeneric(cells, r.t, c)
	}
}

func (r rows) row(i int) []byte { return r.cells[i*r.width : (i+1)*r.width] }

// load fills a row from the bytes of one cell, and with zeros after its end.
func (r rows) load(i int, cell []byte) {
	row := r.row(i)
	clear(row[copy(row, cell):])
}

// factor is that of the butterfly of two blocks of h rows, the first of which
// begins at position base.
func factor(base, h int) uint16 { return uint16(base >> bits.TrailingZeros(uint(h))) }
