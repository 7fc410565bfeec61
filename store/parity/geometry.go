package parity

import (
	"garret/store/object"
	"garret/store/parity/leopard"
)

// Sizes in bytes, and what is refused.
const (
	Sector  = 4096 // what a disk loses at once; cells are multiples of it
	symbols = 64   // bytes in which the code lays 32 symbols
	// Fewest is the number of parity cells that an object of at least as many
	// cells has, however low the percentage.
	Fewest   = 18
	maxCell  = 1 << 20
	maxBytes = 1 << 32 // of a protected object
)

// geometry is how an object and its parity are divided into cells.
type geometry struct {
	size    int64 // bytes of the protected object
	k, m    int   // data cells, parity cells
	cell    int   // bytes of a cell
	percent int
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
	return geometry{size: size, k: k, m: m, cell: cell, percent: percent}
}

// valid reports whether a parity object of that geometry could be. There is
// never more parity than there is data, which bounds the memory that it takes.
func (g geometry) valid() bool {
	return g.size >= 1 && g.size <= maxBytes && g.percent >= 1 && g.percent <= 100 &&
		g.cell >= symbols && g.cell <= maxCell && g.cell%symbols == 0 &&
		(g.k > 1 && g.cell%Sector == 0 || g.k == 1 && int64(g.cell) < g.size+symbols) &&
		g.m >= 1 && g.m <= g.k && g.k+leopard.Span(g.m) <= leopard.MaxCells &&
		(g.size+int64(g.cell)-1)/int64(g.cell) == int64(g.k)
}

// cells returns the number of data and parity cells.
func (g geometry) cells() int { return g.k + g.m }

// data returns where a data cell lies in the protected object.
func (g geometry) data(i int) (offset int64, length int) {
	offset = int64(i) * int64(g.cell)
	return offset, int(min(int64(g.cell), g.size-offset))
}

// plates returns the number of plates in the head.
func (g geometry) plates() int { return (g.cells() + plateCells - 1) / plateCells }

// payload returns the bytes of a plate between its head and its CRC.
func (g geometry) payload() int {
	return (4*min(plateCells, g.cells()) + symbols - 1) / symbols * symbols
}

// plate returns the bytes of a plate.
func (g geometry) plate() int { return plateHead + g.payload() + object.CRCSize }

// place returns where in the parity object plate i begins.
func (g geometry) place(i int) int64 {
	if i < g.plates() {
		return object.HeaderSize + int64(i)*int64(g.plate())
	}
	return g.parity() + int64(g.m)*int64(g.cell) + int64(i-g.plates())*int64(g.plate())
}

// parity returns where in the parity object the parity cells begin.
func (g geometry) parity() int64 {
	end := object.HeaderSize + int64(g.plates())*int64(g.plate())
	if g.k == 1 {
		return end
	}
	return (end + Sector - 1) / Sector * Sector
}

// total returns the length of the parity object.
func (g geometry) total() int64 { return g.place((1+tailPlates)*g.plates()) + object.CRCSize }
