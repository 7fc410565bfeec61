package store

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"garret/store/backend/mem"
	"garret/store/parity"
)

// damageCells lets a fault happen to one pack or segment, or to all at once.
func damageCells(t *testing.T, rnd *rand.Rand, d *mem.Backend, all []guarded, fault cellFault) (ok bool) {
	t.Helper()
	one := rnd.IntN(2 * len(all)) // half of the time: everything at once
	if largest := slices.MaxFunc(all, func(a, b guarded) int { return a.size - b.size }); one < len(all) && rnd.IntN(2) == 0 {
		one = slices.Index(all, largest)
	}
	for i, g := range all {
		if one < len(all) && i != one {
			continue
		}
		data, par, fits := fault.do(rnd, g, read(t, d, g.name), read(t, d, parityName(g.id)))
		if !fits {
			continue
		}
		ok = true
		for name, left := range map[string][]byte{g.name: data, parityName(g.id): par} {
			if left == nil {
				remove(t, d, name)
			} else if !bytes.Equal(left, read(t, d, name)) {
				write(t, d, name, left)
			}
		}
	}
	return ok
}

// Whatever may happen to packs, index segments and their parity within the
// default 5 % is healed to the last byte, with a key and without, at all sizes
// of packs.
func TestFaultTableCells(t *testing.T) {
	collectLess(t, 200)
	const cell = parity.Sector
	// Around one cell, as many as there are of parity at least, where 5 % become
	// more, where tables take more than a few sectors, and full.
	sizes := []int{0, cell - 1, cell, cell + 1, 2*cell + 1, 18 * cell, 18*cell + 7, 360 * cell, 361*cell - 1, 1000 * cell, DefaultPackSize}
	for _, size := range sizes {
		if size == DefaultPackSize && testing.Short() {
			continue
		}
		f := newFaultRepository(t, size)
		t.Run(f.what, func(t *testing.T) {
			t.Parallel()
			all := guardedObjects(t, f.b)
			runs, full := faultRuns(min(4, 1+700*cell/(size+1))), size == DefaultPackSize
			for n, fault := range cellFaults {
				if full && os.Getenv("GARRET_BIG") == "" && fault.what != "40 bursts of 4 KiB and 1 MiB in one piece" && (faultShare > 1 || rand.IntN(6) > 0) {
					continue // each takes a second
				}
				for range runs {
					seed := faultSeed(t)
					rnd := rand.New(rand.NewPCG(seed, uint64(n)))
					d := f.b.Clone()
					if !damageCells(t, rnd, d, all, fault) {
						continue
					}
					t.Run(fmt.Sprintf("%s/seed %d", fault.what, seed), func(t *testing.T) {
						either := rnd.IntN(2)
						f.heals(t, d, size < 100*cell || either == 0, size < 100*cell || either == 1)
					})
				}
			}
		})
	}
}

// heals repairs a damaged repository with the key, or a copy of it without, or
// both: it must have its original bytes back.
func (f *faultRepository) heals(t *testing.T, d *mem.Backend, withKey, without bool) {
	t.Helper()
	noKey := d.Clone()
	if withKey {
		plan, err := openTestRepository(t, d).PlanRepair(t.Context(), testRepair())
		if err != nil {
			t.Fatal(err)
		}
		res := execute(t, plan)
		if len(plan.Beyond) > 0 || res.Lost > 0 || !res.Checked || !wantSame(t, f.b, d) {
			t.Errorf("with the key: %+v\n%s", res, planText(plan))
		}
	}
	if without {
		plan, err := PlanRepairNoKey(t.Context(), noKey, RepairOptions{})
		if err != nil {
			t.Fatal(err)
		}
		execute(t, plan)
		if len(plan.Beyond) > 0 || !wantSame(t, f.b, noKey) {
			t.Errorf("without a key:\n%s", planText(plan))
		}
	}
}

// One cell more than there is parity for is beyond help without a key: it is
// said, with the very bytes that are damaged, and nothing is changed.
func TestFaultTableOneTooMany(t *testing.T) {
	for _, size := range []int{18*parity.Sector + 7, 361*parity.Sector - 1} {
		f := newFaultRepository(t, size)
		for _, g := range guardedObjects(t, f.b) {
			if g.k == g.m {
				continue // all of it may be lost
			}
			seed := faultSeed(t)
			rnd, d, data := rand.New(rand.NewPCG(seed, 7)), f.b.Clone(), bytes.Clone(read(t, f.b, g.name))
			damaged := make(map[int]bool)
			for _, i := range rnd.Perm(g.k)[:g.m+1] {
				g.inData(data, i)[0] ^= 1 << rnd.IntN(8)
				damaged[i] = true
			}
			write(t, d, g.name, data)
			before := d.Clone()
			plan := repairNoKey(t, d, RepairOptions{})
			if len(plan.Actions) > 0 || len(plan.Beyond) != 1 || plan.Beyond[0].Object != g.name {
				t.Errorf("seed %d: %d cells of %s are lost:\n%s", seed, g.m+1, g.name, planText(plan))
			}
			wantSame(t, before, d)
			c := checkNoKey(t, d)
			told := make(map[int]bool)
			for _, p := range c.problems {
				for at := p.Offset; at < p.Offset+p.Length && p.Object == g.name && p.Severity == Lost; at += parity.Sector {
					told[int(at/parity.Sector)] = true
				}
			}
			last := g.k - 1 // may begin in the trailer, whose damage hides that of the rest
			if !maps.Equal(told, damaged) && !damaged[last] {
				t.Errorf("seed %d: check tells of cells %v, and %v are damaged", seed, told, damaged)
				c.dump(t)
			}
		}
	}
}
