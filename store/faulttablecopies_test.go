package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"garret/store/backend/mem"
)

// spoilCopy damages or loses one of two copies.
func spoilCopy(t *testing.T, rnd *rand.Rand, d *mem.Backend, name string) {
	t.Helper()
	data := read(t, d, name)
	switch rnd.IntN(6) {
	case 0:
		remove(t, d, name)
		return
	case 1:
		data = data[:rnd.IntN(len(data))]
	case 2:
		data = append(data, garbage(rnd, 100)...)
	case 3:
		data = garbage(rnd, 2*len(data))
	case 4:
		data[rnd.IntN(len(data))] ^= 1 << rnd.IntN(8)
	default:
		clear(data)
	}
	write(t, d, name, data)
}

// spoilCopies spoils one copy of each object whose name begins with prefix: the
// second ones if second is 1, the first ones if it is 0, else whichever.
func spoilCopies(t *testing.T, rnd *rand.Rand, d *mem.Backend, prefix string, second int) {
	t.Helper()
	for _, folder := range []string{dirConfig, dirKeys, dirHistory} {
		for _, name := range objects(t, d, folder) {
			if !strings.HasPrefix(name, prefix) || strings.HasSuffix(name, copySuffix) {
				continue
			}
			if second == 1 || second < 0 && rnd.IntN(2) == 0 {
				name = secondCopy(name)
			}
			spoilCopy(t, rnd, d, name)
		}
	}
}

// dropSegments loses index segments: all, or one, with their parity or without.
func dropSegments(t *testing.T, rnd *rand.Rand, d *mem.Backend, all, withParity bool) {
	t.Helper()
	segments := objects(t, d, dirIndex)
	rnd.Shuffle(len(segments), func(i, j int) { segments[i], segments[j] = segments[j], segments[i] })
	if !all {
		segments = segments[:1]
	}
	for _, name := range segments {
		id, _ := parseSegmentID(base(name))
		if withParity {
			remove(t, d, parityName(id))
		}
		if rnd.IntN(2) == 0 {
			remove(t, d, name)
		} else {
			write(t, d, name, garbage(rnd, 5000))
		}
	}
}

// Whatever may happen to what is stored twice, and to index segments that have
// their parity, and all of this together with packs that are damaged, is undone
// to the last byte, with a key and without.
func TestFaultTableCopies(t *testing.T) {
	collectLess(t, 400)
	f := newFaultRepository(t, 70<<10)
	all := guardedObjects(t, f.b)
	cases := map[string]func(t *testing.T, rnd *rand.Rand, d *mem.Backend){
		"an index segment":   func(t *testing.T, rnd *rand.Rand, d *mem.Backend) { dropSegments(t, rnd, d, false, false) },
		"all index segments": func(t *testing.T, rnd *rand.Rand, d *mem.Backend) { dropSegments(t, rnd, d, true, false) },
		"all parity": func(t *testing.T, rnd *rand.Rand, d *mem.Backend) {
			for _, name := range objects(t, d, dirParity) {
				remove(t, d, name)
			}
		},
		"everything at once": func(t *testing.T, rnd *rand.Rand, d *mem.Backend) {
			spoilCopies(t, rnd, d, "", -1)
			for _, g := range all {
				fault := cellFaults[rnd.IntN(len(cellFaults))]
				damageCells(t, rnd, d, []guarded{g}, fault)
			}
		},
	}
	for what, prefix := range map[string]string{"of all": "", "of the config": dirConfig, "of the key slot": dirKeys, "of the snapshots": dirHistory,
		"of one snapshot": objects(t, f.b, dirHistory)[0]} {
		for which, second := range map[string]int{"the first copy": 0, "the second copy": 1, "a copy": -1} {
			cases[which+" "+what] = func(t *testing.T, rnd *rand.Rand, d *mem.Backend) { spoilCopies(t, rnd, d, prefix, second) }
		}
	}
	for what, damage := range cases {
		for range faultRuns(6) {
			seed := faultSeed(t)
			t.Run(fmt.Sprintf("%s/seed %d", what, seed), func(t *testing.T) {
				t.Parallel()
				d := f.b.Clone()
				damage(t, rand.New(rand.NewPCG(seed, 2)), d)
				f.heals(t, d, true, true)
			})
		}
	}
}

// The index is gone, and its parity with it, or nothing of both is readable,
// while packs are damaged too: packs and all the rest have their bytes back, and
// the index is made anew of them. Without a key that is left to whoever has it.
func TestFaultTableIndex(t *testing.T) {
	collectLess(t, 400)
	f := newFaultRepository(t, 70<<10)
	var packs []guarded
	for _, g := range guardedObjects(t, f.b) {
		if strings.HasPrefix(g.name, dirPacks+"/") {
			packs = append(packs, g)
		}
	}
	for range faultRuns(24) {
		seed := faultSeed(t)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			rnd, d := rand.New(rand.NewPCG(seed, 4)), f.b.Clone()
			dropSegments(t, rnd, d, rnd.IntN(4) > 0, true)
			if rnd.IntN(2) == 0 {
				damageCells(t, rnd, d, packs, cellFaults[rnd.IntN(len(cellFaults))])
				spoilCopies(t, rnd, d, "", -1)
			}
			if rnd.IntN(2) == 0 { // the storage host's cron job comes first
				plan, err := PlanRepairNoKey(t.Context(), d, RepairOptions{})
				if err != nil {
					t.Fatal(err)
				}
				execute(t, plan)
				f.wantRest(t, d)
			}
			r := openTestRepository(t, d)
			plan, res := repair(t, r, testRepair())
			if len(plan.Beyond) > 0 || res.Lost > 0 {
				t.Errorf("%+v\n%s", res, planText(plan))
			}
			f.wantRest(t, d)
			rd := openTestReader(t, d, 0)
			wantRight(t, rd, f.blobs, true)
			wantSound(t, r)
		})
	}
}

// wantRest compares everything but the index and what is in quarantine.
func (f *faultRepository) wantRest(t *testing.T, d *mem.Backend) {
	t.Helper()
	index := make(map[string]bool)
	for _, b := range []*mem.Backend{f.b, d} {
		for _, name := range objects(t, b, dirIndex) {
			id, _ := parseSegmentID(base(name))
			index[name], index[parityName(id)] = true, true
		}
	}
	for _, name := range objects(t, f.b, "") {
		if index[name] {
			continue
		}
		if _, err := d.Size(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(read(t, d, name), read(t, f.b, name)) {
			t.Errorf("%s has other bytes", name)
		}
	}
}
