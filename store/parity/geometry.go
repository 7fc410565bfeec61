package parity

import "garret/store/parity/leopard"

// Sizes in bytes, and what is refused.
const (
	Sector  = 4096 // what a disk loses at once; cells are multiples of it
	symbols = 64   // bytes in which the code lays 32 symbols
	// Fewest is the number of parity cells that an object of at least as many
	// cells has, however low the percentage.
	Fewest   = 18
	maxBytes = 1 << 32 // of a protected object
)

// geometry is how an object and its parity are divided. The size of the object
// and the percentage tell all of it.
type geometry struct {
	size    int64 // bytes of the protected object
	percent int
	k, m    int // data cells, parity cells
	cell    int // bytes of a cell
	layout
}

// Cells returns how an object of that many bytes is divided, and into how many
// parity cells percent makes: k data cells and m parity cells of cell bytes. It
// panics if size is not positive or percent not in 1 to 100.
func Cells(size int64, percent int) (k, m, cell int) {
	if size < 1 || size > maxBytes || percent < 1 || percent > 100 {
		panic("parity: size or percentage out of range")
	}
	if size <= Sector {
		return 1, 1, int((size + symbols - 1) / symbols * symbols)
	}
	for cell = Sector; ; cell += Sector {
		if n := (size + int64(cell) - 1) / int64(cell); n < leopard.MaxCells {
			k = int(n)
			m = max((k*percent+99)/100, min(k, Fewest))
			if k+leopard.Span(m) <= leopard.MaxCells {
				return k, m, cell
			}
		}
	}
}

// Size returns the size in bytes of the parity object of an object of that many
// bytes.
func Size(size int64, percent int) int64 {
	return geometryOf(size, percent).total()
}

func geometryOf(size int64, percent int) geometry {
	k, m, cell := Cells(size, percent)
	return geometry{size: size, percent: percent, k: k, m: m, cell: cell, layout: layoutOf(k, m, cell)}
}

// data returns where a data cell lies in the protected object.
func (g geometry) data(i int) (offset int64, length int) {
	offset = int64(i) * int64(g.cell)
	return offset, int(min(int64(g.cell), g.size-offset))
}
