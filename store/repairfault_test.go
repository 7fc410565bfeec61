package store

import (
	"math/rand/v2"
	"slices"
	"testing"

	"garret/store/backend"
)

// Whatever happens to a repository, a repair never makes anything worse: what
// could be read before can be read after it, and nothing comes back wrong.
func TestRepairNeverLosesAnything(t *testing.T) {
	b, r, parts := repairRepository(t)
	seeds := uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 13))
		d := b.Clone()
		for _, name := range objects(t, d, "") {
			switch data := read(t, d, name); rnd.IntN(6) {
			case 0:
				write(t, d, name, wound(rnd, data, 30))
			case 1:
				write(t, d, name, wound(rnd, wound(rnd, data, 30), 30))
			case 2:
				if rnd.IntN(2) == 0 {
					remove(t, d, name)
				}
			}
		}
		mine := openIfPossible(t, d)
		if mine == nil {
			continue
		}
		before := lostParts(t, mine, parts)
		indexed := indexedParts(t, mine, parts)
		noKey := d.Clone()
		o := testRepair()
		o.ReadData = seed%2 == 0
		plan, _ := repair(t, mine, o)
		after := lostParts(t, on(r, d), parts)
		for _, i := range after {
			if !slices.Contains(before, i) && slices.Contains(indexed, i) {
				t.Errorf("seed %d: part %d was lost by the repair:\n%s", seed, i, planText(plan))
			}
		}
		if n, m := len(indexedParts(t, on(r, d), parts)), len(indexed); n < m {
			t.Errorf("seed %d: %d parts are indexed, %d were:\n%s", seed, n, m, planText(plan))
		}

		repairNoKey(t, noKey, RepairOptions{})
		if mine = openIfPossible(t, noKey); mine == nil {
			t.Errorf("seed %d: a repair without a key shuts it", seed)
			continue
		}
		for _, i := range lostParts(t, mine, parts) {
			if !slices.Contains(before, i) && slices.Contains(indexed, i) {
				t.Errorf("seed %d: part %d was lost by the repair without a key", seed, i)
			}
		}
	}
}

// indexedParts returns which of the parts some index segment lists.
func indexedParts(t *testing.T, r *Repository, parts [][]byte) (found []int) {
	t.Helper()
	rd, err := r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	for i, part := range parts {
		if rd.set.Has(r.keys.Hasher(false).Sum(part)) {
			found = append(found, i)
		}
	}
	return found
}

// openIfPossible opens a damaged repository; nil if too little is left of it.
func openIfPossible(t *testing.T, b backend.Backend) *Repository {
	t.Helper()
	l, err := Open(t.Context(), b)
	if err != nil {
		return nil
	}
	r, err := l.Unlock(testPass)
	if err != nil {
		return nil
	}
	return r
}
