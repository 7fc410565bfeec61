package store

import (
	"slices"
	"testing"

	"garret/index"
	"garret/store/backend/faulty"
)

// Packs that have changed names are whole: each goes back to its own, and a
// repair that is killed meanwhile loses none of them.
func TestRepairPutsMisplacedPacksBack(t *testing.T) {
	b, r, parts := repairRepository(t)
	names := packsOf(t, b, index.Data)
	var large []string
	for _, name := range names {
		if size, _ := b.Size(t.Context(), name); size > 100<<10 {
			large = append(large, name)
		}
	}
	if len(large) < 2 {
		t.Fatal("too few packs")
	}
	other := index.PackID{9, 9, 9}
	for _, c := range []struct {
		what string
		to   []string // the names of large[0] and large[1] and what else
		left int      // objects too many when it is done
	}{
		{"swapped", []string{large[1], large[0]}, 0},
		{"renamed", []string{packName(other), large[1]}, 1},
	} {
		damaged := b.Clone()
		for _, name := range large[:2] {
			remove(t, damaged, name)
		}
		for i, name := range c.to {
			write(t, damaged, name, read(t, b, large[i]))
		}
		for _, key := range []bool{true, false} {
			for n := 0; ; n++ {
				d := damaged.Clone()
				f := stopAt(d, n, n%2 == 1)
				var plan *RepairPlan
				var err error
				if key {
					plan, err = on(r, f).PlanRepair(t.Context(), testRepair())
				} else {
					plan, err = PlanRepairNoKey(t.Context(), f, RepairOptions{})
				}
				if err == nil {
					_, err = plan.Execute(t.Context(), nil)
				}
				stopped := f.Count(faulty.Changes) > n || f.Stopped()
				if key {
					repair(t, on(r, d), testRepair())
				} else {
					repairNoKey(t, d, RepairOptions{})
				}
				mine := openTestRepository(t, d)
				if lost := lostParts(t, mine, parts); len(lost) > 0 {
					t.Fatalf("%s, with a key %v, killed at change %d: parts %v are lost", c.what, key, n, lost)
				}
				for _, name := range large[:2] {
					if !slices.Equal(read(t, d, name), read(t, b, name)) {
						t.Fatalf("%s, with a key %v, killed at change %d: %s is not back", c.what, key, n, name)
					}
				}
				if got, want := len(objects(t, d, "")), len(objects(t, b, "")); got > want+c.left {
					t.Fatalf("%s, with a key %v, killed at change %d: %d objects, want %d: %v", c.what, key, n, got, want, objects(t, d, dirQuarantine))
				}
				if err == nil && !stopped {
					break
				}
			}
		}
	}
}
