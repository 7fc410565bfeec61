package store

import (
	"math/rand/v2"
	"slices"
)

// cellFault damages a stored object and its parity. It returns what is left of
// them, nil for nothing at all; ok is false if it is no fault for objects of
// that size.
type cellFault struct {
	what string
	do   func(rnd *rand.Rand, g guarded, data, par []byte) (d, p []byte, ok bool)
}

const k64 = 64 << 10

// loseCells spoils n of the k cells and the units: here and there, or in one
// piece.
func loseCells(rnd *rand.Rand, g guarded, data, par []byte, n int) {
	all := g.k + g.units()
	lost := rnd.Perm(all)[:n]
	if from := [...]int{-1, 0, all - n, rnd.IntN(all - n + 1)}[rnd.IntN(4)]; from >= 0 {
		for i := range lost {
			lost[i] = from + i
		}
	}
	units := 0
	for _, i := range lost {
		if i < g.k {
			spoil(rnd, g.inData(data, i))
		} else if units++; units <= g.fewUnits() {
			spoil(rnd, g.inParity(par, i-g.k))
		}
	}
}

// loseData spoils n of the k cells, here and there.
func loseData(rnd *rand.Rand, g guarded, data []byte, n int) {
	for _, i := range rnd.Perm(g.k)[:n] {
		spoil(rnd, g.inData(data, i))
	}
}

// cellFaults is what parity heals, at every size.
var cellFaults = []cellFault{
	{"m cells anywhere", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		loseCells(rnd, g, data, par, g.m)
		return data, par, true
	}},
	{"some cells anywhere", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		loseCells(rnd, g, data, par, 1+rnd.IntN(g.m))
		return data, par, true
	}},
	{"m data cells", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		loseData(rnd, g, data, g.m)
		return data, par, true
	}},
	{"a cell, and the rest of m in the parity", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		if g.m == 1 {
			return data, par, false
		}
		loseData(rnd, g, data, 1)
		for _, u := range rnd.Perm(g.units())[:min(g.m-1, g.fewUnits())] {
			spoil(rnd, g.inParity(par, u))
		}
		return data, par, true
	}},
	{"both ends of the parity, and the rest of m in the data", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		if g.m < 3 {
			return data, par, false
		}
		n := 1 + rnd.IntN(min(16, (g.m-1)/2)) // units at either end
		clear(par[:n*g.cell])
		clear(par[(g.units()-n)*g.cell:])
		loseData(rnd, g, data, g.m-2*n)
		return data, par, true
	}},
	{"40 bursts of 4 KiB and 1 MiB in one piece", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		if g.m < 80+257 { // each burst may touch two cells
			return data, par, false
		}
		for range 40 {
			spoil(rnd, data[rnd.IntN(g.size-4096+1):][:4096])
		}
		clear(data[rnd.IntN(g.size-1<<20+1):][:1<<20])
		return data, par, true
	}},
	{"bursts in both, and one piece", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		bursts := min(20, g.m/6) // in each; together at most 4 cells of 6
		if bursts == 0 {
			return data, par, false
		}
		for range bursts {
			at := rnd.IntN(g.size)
			spoil(rnd, data[at:min(at+4096, g.size)])
			at = rnd.IntN(g.par - 4096)
			spoil(rnd, par[at:at+4096])
		}
		at := rnd.IntN(g.size)
		clear(data[at:min(at+(g.m-4*bursts-1)*g.cell, g.size)])
		return data, par, true
	}},
	{"the first 64 KiB zeroed", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		clear(data[:min(k64, len(data))])
		return data, par, true
	}},
	{"the first 64 KiB cut off", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		return data[min(k64, len(data)):], par, true
	}},
	{"less than 64 KiB cut off at the beginning", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		return data[1+rnd.IntN(min(k64, len(data))):], par, true
	}},
	{"the last 64 KiB truncated", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		return data[:max(0, len(data)-k64)], par, true
	}},
	{"less than 64 KiB truncated", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		return data[:rnd.IntN(min(k64, len(data)))+max(0, len(data)-k64)], par, true
	}},
	{"grown", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		return append(data, garbage(rnd, k64)...), par, true
	}},
	{"grown at the beginning", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		return append(garbage(rnd, k64), data...), par, true
	}},
	{"grown in the middle, and a cell less than m lost", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		if g.m == 1 {
			return data, par, false
		}
		loseCells(rnd, g, data, par, g.m-1)
		return slices.Insert(data, rnd.IntN(len(data)), garbage(rnd, k64)...), par, true
	}},
	{"truncated, and the parity damaged within what is left", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		if g.m < 2 {
			return data, par, false
		}
		n := rnd.IntN(g.m) // cells of the object; one more may be hit
		for _, u := range rnd.Perm(g.units())[:min(g.m-n-1, g.fewUnits())] {
			spoil(rnd, g.inParity(par, u))
		}
		return data[:max(0, len(data)-n*g.cell)], par, true
	}},
	{"the parity's first 64 KiB too", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		n := min(16, g.m-1)
		loseData(rnd, g, data, g.m-n)
		if rnd.IntN(2) == 0 {
			return data, par[n*g.cell:], true
		}
		clear(par[:n*g.cell])
		return data, par, true
	}},
	{"the parity's last 64 KiB too", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		n := min(16, g.m-1)
		loseData(rnd, g, data, g.m-n)
		return data, par[:len(par)-n*g.cell], true
	}},
	{"the parity grown too", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		loseData(rnd, g, data, g.m)
		if rnd.IntN(2) == 0 {
			return data, append(par, garbage(rnd, k64)...), true
		}
		return data, append(garbage(rnd, k64), par...), true
	}},
	{"all of it deleted", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		return nil, par, g.k == g.m
	}},
	{"all of it something else", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		return [][]byte{{}, make([]byte, len(data)), garbage(rnd, 2*len(data)), data[:len(data)/3]}[rnd.IntN(4)], par, g.k == g.m
	}},
	{"the parity deleted", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		return data, nil, true
	}},
	{"the parity something else", func(rnd *rand.Rand, g guarded, data, par []byte) ([]byte, []byte, bool) {
		return data, [][]byte{{}, make([]byte, len(par)), garbage(rnd, 2*len(par)), par[:len(par)/2], par[len(par)/2:]}[rnd.IntN(5)], true
	}},
}
