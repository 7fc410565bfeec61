package parity_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"garret/store/object"
	"garret/store/parity"
)

// enough is how many sectors of the parity object of so many data cells must be
// left where any that m losses leave are not enough.
func enough(k int) (sectors int, few bool) {
	return map[int]int{2000: 32, 8192: 128}[k], k > 1024
}

// Bad sectors of the object and of its parity come out of one budget, however
// they divide it: a disk that goes bad does not ask which file it is.
func TestAnySplit(t *testing.T) {
	for _, c := range []struct{ k, runs int }{
		{1, 200}, {2, 200}, {3, 200}, {5, 200}, {9, 200}, {17, 200}, {18, 300}, {19, 300}, {40, 200}, {64, 200},
		{200, 60}, {512, 40}, {1000, 16}, {1024, 8}, {2000, 4}, {8192, 2},
	} {
		t.Run(fmt.Sprintf("%d cells", c.k), func(t *testing.T) {
			for run := range c.runs {
				seed := rand.Uint64()
				r := source(seed)
				o := protect(t, r, c.k*parity.Sector-r.IntN(parity.Sector), 5)
				_, m, _ := parity.Cells(int64(len(o.data)), 5)
				sectors := (len(o.parity) + parity.Sector - 1) / parity.Sector
				var ofParity int
				switch run % 4 {
				case 0: // any split
					ofParity = r.IntN(m + 1)
				case 1: // nearly all of the parity object
					ofParity = m - 1 - r.IntN(min(m, 4))
				case 2: // half of it
					ofParity = m / 2
				case 3: // as many as the two have sectors
					for _, i := range r.Perm(c.k + sectors)[:m] {
						if i >= c.k {
							ofParity++
						}
					}
				}
				if least, few := enough(c.k); few && run%2 == 0 {
					ofParity = min(ofParity, sectors-1-least)
				}
				splitHeals(t, r, o, m-ofParity, ofParity, seed)
			}
		})
	}
}

// trailer is in how many cells a pack's own trailer lies.
const trailer = 9

// splitHeals loses so many cells of an object, and sectors of its parity, and
// heals both.
func splitHeals(t *testing.T, r *rand.Rand, o one, cells, sectors int, seed uint64) {
	t.Helper()
	data, par := bytes.Clone(o.data), bytes.Clone(o.parity)
	k := (len(data) + parity.Sector - 1) / parity.Sector
	n := (len(par) + parity.Sector - 1) / parity.Sector
	for _, i := range r.Perm(n)[:sectors] {
		spoil(r, par, i*parity.Sector, parity.Sector)
	}
	var extra func(int) (uint32, bool)
	from := k
	if least, few := enough(k); few && n-1-sectors < least {
		from -= trailer // which tells the others' CRCs
		whole := extraOf(o.data)
		extra = func(i int) (uint32, bool) {
			if i >= from {
				return 0, false
			}
			return whole(i)
		}
	}
	for _, i := range r.Perm(from)[:cells] {
		spoil(r, data, i*parity.Sector, parity.Sector)
	}
	t.Run(fmt.Sprintf("%d here, %d of %d there, seed %d", cells, sectors, n, seed), func(t *testing.T) {
		if _, err := parity.Parse(par); k == 1 && cells == 0 && errors.Is(err, object.ErrDamaged) {
			return // all of the parity is gone, and nothing but that
		}
		o.heals(t, data, par, extra)
	})
}

// extraOf tells the CRCs of an object as its own trailer would.
func extraOf(data []byte) func(int) (uint32, bool) {
	return func(i int) (uint32, bool) {
		cell := data[i*4096 : min((i+1)*4096, len(data))]
		return crc32.Checksum(cell, object.Castagnoli), true
	}
}

// Where one sector of the parity object is left and tells what it is of, it is
// enough to heal what it has budget for: no sector is more important than
// another.
func TestEverySectorTells(t *testing.T) {
	for _, k := range []int{2, 3, 16} {
		o := protect(t, source(uint64(k)), k*parity.Sector, 5)
		for at := 0; at+parity.Sector <= len(o.parity); at += parity.Sector {
			par := make([]byte, len(o.parity))
			copy(par[at:], o.parity[at:at+parity.Sector])
			p, err := parity.Parse(par)
			if err != nil {
				t.Fatalf("%d cells, only the sector at %d: %v", k, at, err)
			}
			data := bytes.Clone(o.data)
			data[k*parity.Sector-1] ^= 1
			if bad := p.Verify(data); len(bad) != 1 || bad[0] != k-1 {
				t.Errorf("%d cells, only the sector at %d: bad %v", k, at, bad)
			}
		}
	}
}

// When too few plates are left for the table, the protected object's own CRCs
// serve; without them, an object that is whole is still seen to be so.
func TestFewPlatesLeft(t *testing.T) {
	seed := rand.Uint64()
	r := source(seed)
	o := protect(t, r, 2000*4096, 5) // 32 plates tell the table; each of the first 32 tells 64 cells
	_, n, _, m, cell := units(o)
	par := make([]byte, len(o.parity))
	copy(par[10*cell:], o.parity[10*cell:][:20*cell])
	left := m - (n - 20)
	t.Logf("seed %d: %d cells may be lost besides", seed, left)
	o.heals(t, o.data, par, nil)
	data := bytes.Clone(o.data)
	for _, i := range r.Perm(2000)[:left] {
		spoil(r, data, i*cell, cell)
	}
	o.heals(t, data, par, extraOf(o.data))
	p, err := parity.Parse(par)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Clone(o.data)
	data[5*cell] ^= 1
	if _, err := p.Heal(data, nil); !errors.Is(err, parity.ErrTooDamaged) {
		t.Errorf("healed with unknown CRCs of damaged cells: %v", err)
	}
	// Cells that are lost for certain, and others that nobody can vouch for.
	data = bytes.Clone(o.data)
	clear(data[700*cell : (700+left)*cell])
	o.heals(t, data, par, nil)
}
