package store

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
)

// stopAt lets so many changes happen; the next one is refused or, with effect,
// carried out unheard of, and nothing works after it.
func stopAt(b backend.Backend, n int, effect bool) *faulty.Backend {
	f := faulty.New(b)
	if !effect {
		f.StopAfter(n, faulty.Changes)
		return f
	}
	var mu sync.Mutex
	changes := 0
	f.Add(func(c faulty.Call) faulty.Fault {
		mu.Lock()
		defer mu.Unlock()
		if changes > n {
			return faulty.Fault{Err: faulty.ErrStopped}
		}
		if c.Op&faulty.Changes != 0 {
			if changes++; changes > n {
				return faulty.Fault{Err: faulty.ErrStopped, Effect: true}
			}
		}
		return faulty.Fault{}
	})
	return f
}

// smallRepairRepository has two snapshots of a file of eight parts.
func smallRepairRepository(t *testing.T) (*mem.Backend, *Repository, [][]byte) {
	t.Helper()
	b, r := emptyParityRepository(t)
	var parts [][]byte
	for i := range 8 {
		parts = append(parts, noise(uint64(i), 40<<10))
	}
	for _, host := range []string{"one", "two"} {
		snapshotOf(t, r, host, testDir{"file": parts})
	}
	return b, r, parts
}

// A repair that dies at any change, before or after it has taken effect, loses
// nothing, and the next one finishes what it began.
func TestRepairKilledAnywhere(t *testing.T) {
	b, r, parts := smallRepairRepository(t)
	packs := packsOf(t, b, index.Data)
	slices.SortFunc(packs, func(a, c string) int { return len(read(t, b, c)) - len(read(t, b, a)) })
	first := packs[0]
	id, _ := index.ParsePackID(base(first))
	flip := func(d *mem.Backend, name string) {
		data := bytes.Clone(read(t, d, name))
		data[len(data)/2] ^= 1
		write(t, d, name, data)
	}
	ten := 10
	for _, c := range []struct {
		what   string
		damage func(d *mem.Backend)
		same   bool // all is as before when it is done
		o      RepairOptions
	}{
		{"copies", func(d *mem.Backend) {
			remove(t, d, configName(1, true))
			flip(d, objects(t, d, dirKeys)[0])
			flip(d, objects(t, d, dirHistory)[1])
			remove(t, d, objects(t, d, dirHistory)[2])
		}, true, testRepair()},
		{"parity", func(d *mem.Backend) {
			flip(d, first)
			flip(d, parityName(id))
			remove(t, d, objects(t, d, dirIndex)[0])
		}, true, testRepair()},
		{"index", func(d *mem.Backend) {
			for _, name := range objects(t, d, dirIndex) {
				id, _ := parseSegmentID(base(name))
				remove(t, d, parityName(id))
				flip(d, name)
			}
		}, false, testRepair()},
		{"salvage", func(d *mem.Backend) {
			data := bytes.Clone(read(t, d, first))
			clear(data[len(data)/2:])
			write(t, d, first, data)
		}, false, testRepair()},
		{"change of parity", func(*mem.Backend) {}, false, RepairOptions{Walk: walkTest, gone: testRepair().gone, Parity: &ten}},
	} {
		damaged := b.Clone()
		c.damage(damaged)
		whole := damaged.Clone()
		_, want := repair(t, on(r, whole), c.o)
		wantLost := lostParts(t, on(r, whole), parts)
		// Where there is time, each change is met before and after its effect.
		shifts, step := []int{0, 1}, 1
		if testing.Short() {
			step = 3
		}
		if os.Getenv("CI") == "" {
			shifts = shifts[:1]
		}
		for _, shift := range shifts {
			n := 0
			for ; ; n += step {
				effect := (n+shift)%2 == 1
				d := damaged.Clone()
				f := stopAt(d, n, effect)
				plan, err := on(r, f).PlanRepair(t.Context(), c.o)
				if err == nil {
					_, err = plan.Execute(t.Context(), nil)
				}
				stopped := f.Count(faulty.Changes) > n || f.Stopped()
				if err == nil && !stopped {
					break
				}
				name := fmt.Sprintf("%s, killed at change %d, effect %v", c.what, n, effect)
				mine := openTestRepository(t, d)
				if lost := lostParts(t, mine, parts); len(lost) > len(wantLost) {
					t.Fatalf("%s: parts %v are lost, want %v", name, lost, wantLost)
				}
				again, res := repair(t, mine, c.o)
				if c.same && !wantSame(t, b, d) || res.Lost != want.Lost {
					t.Fatalf("%s: then %+v\n%s", name, res, planText(again))
				}
				mine = openTestRepository(t, d)
				if lost := lostParts(t, mine, parts); !slices.Equal(lost, wantLost) {
					t.Fatalf("%s: in the end parts %v are lost, want %v", name, lost, wantLost)
				}
				if c.o.Parity != nil && mine.Config().Parity != ten {
					t.Fatalf("%s: the parity is %d %%", name, mine.Config().Parity)
				}
				if left := objects(t, d, dirLeases); len(left) > 0 {
					t.Fatalf("%s: %v", name, left)
				}
			}
			if n < 5 {
				t.Errorf("%s: only %d changes", c.what, n)
			}
		}
	}
}
