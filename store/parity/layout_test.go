package parity

import "testing"

// Every part of every parity cell has one place, no two have the same, and none
// lies in a plate's room; what is moved within memory is not overwritten before.
func TestPlaces(t *testing.T) {
	for _, k := range []int{2, 3, 18, 40, 200, 360, 700, 1024, 1025, 8192} {
		for _, percent := range []int{1, 5, 50} {
			g := geometryOf(int64(k)*Sector, percent)
			for room := range g.rooms + 1 {
				for cell := range g.m {
					u := g.unitOf(cell, room)
					if back, ok := g.cellOf(u, room); !ok || back != cell || u >= g.units || u < cell || u > cell+g.units-g.m {
						t.Fatalf("%d cells, %d %%: cell %d at room %d lies in unit %d of %d, which holds %d, %v", k, percent, cell, room, u, g.units, back, ok)
					}
				}
			}
			held := 0
			for u := range g.units {
				for room := range g.rooms + 1 {
					if _, ok := g.cellOf(u, room); ok {
						held++
					}
				}
			}
			if held != g.m*(g.rooms+1) {
				t.Errorf("%d cells, %d %%: units hold %d parts of %d", k, percent, held, g.m*(g.rooms+1))
			}
		}
	}
}

// The layout is part of the format: what it costs, and how many units tell all.
func TestLayout(t *testing.T) {
	for _, c := range []struct {
		k, percent                     int
		m, units, payload, needed, any int
	}{
		{1, 5, 1, 2, 64, 1, 1},
		{2, 5, 2, 3, 64, 1, 1},
		{18, 5, 18, 19, 64, 2, 1},
		{64, 5, 18, 19, 128, 2, 1},
		{200, 5, 18, 20, 320, 3, 1},
		{360, 5, 18, 21, 384, 4, 1},
		{1000, 5, 50, 58, 448, 9, 1},
		{1024, 100, 1024, 1076, 128, 32, 1},
		{1025, 5, 52, 57, 256, 17, 0},
		{8192, 1, 82, 110, 960, 35, 0},
		{8192, 5, 410, 448, 256, 128, 0},
		{8192, 100, 8192, 8457, 64, 512, 0},
		{32768, 100, 32768, 33826, 64, 2048, 0},
	} {
		g := geometryOf(int64(c.k)*Sector, c.percent)
		if g.k != c.k || g.m != c.m || g.units != c.units || g.payload != c.payload || g.needed != c.needed {
			t.Errorf("%d cells, %d %%: %+v", c.k, c.percent, g)
		}
		if c.any == 1 && g.units-g.m+1 < g.needed {
			t.Errorf("%d cells, %d %%: %d units are left by losses, and %d needed", c.k, c.percent, g.units-g.m+1, g.needed)
		}
	}
	for k := 2; k <= 20000; k += 1 + k/50 {
		for _, percent := range []int{1, 2, 5, 10, 33, 100} {
			g := geometryOf(int64(k)*Sector, percent)
			if g.units-(g.units+g.rooms-1)/g.rooms < g.m || g.rooms < 2 || g.inUnit(0)+g.plate() > g.room ||
				g.units-g.m+1 < g.needed && (k <= anyUnits || g.units < 3*g.needed) {
				t.Fatalf("%d cells, %d %%: %+v", k, percent, g)
			}
		}
	}
}
