package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/keys"
	"garret/store/backend"
	"garret/store/backend/mem"
	"garret/store/codec"
	"garret/store/object"
	"garret/store/pack"
	"garret/store/parity"
)

// packSizes is a repository with a pack for each of the sizes, at the default
// parity.
func packSizes(t *testing.T, sizes ...int) (*mem.Backend, *Repository) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", "/dev/null/none")
	b := mem.New()
	if _, err := Init(t.Context(), b, InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: map[string]int{"min": 1}, Compression: codec.Method{}, Parity: DefaultParity,
		Passphrase: testPass, KDF: cheapKDF,
	}); err != nil {
		t.Fatal(err)
	}
	r := openTestRepository(t, b)
	random := rand.NewChaCha8([32]byte{9})
	for i, size := range sizes {
		file := make([]byte, size)
		random.Read(file)
		var parts [][]byte
		for part := range slices.Chunk(file, 1<<20) {
			parts = append(parts, part)
		}
		snapshotOf(t, r, fmt.Sprint("host", i), testDir{fmt.Sprint("file", i): parts})
	}
	return b, r
}

// What may happen to packs and to the rest at the default parity, at every size
// at once, and is healed to the last byte.
func TestRepairFaultTable(t *testing.T) {
	// zero clears n cells of data at random places, each once.
	zero := func(rnd *rand.Rand, data []byte, n, cell int) {
		for _, i := range rnd.Perm((len(data) + cell - 1) / cell)[:n] {
			clear(data[i*cell : min((i+1)*cell, len(data))])
		}
	}
	each := func(t *testing.T, d *mem.Backend, do func(name string, id [16]byte, data []byte, m int)) {
		for _, folder := range []string{dirPacks, dirIndex} {
			for _, name := range objects(t, d, folder) {
				var id [16]byte
				if err := parseID(id[:], base(name)); err != nil {
					t.Fatal(err)
				}
				data := bytes.Clone(read(t, d, name))
				_, m, _ := parity.Cells(int64(len(data)), DefaultParity)
				do(name, id, data, m)
			}
		}
	}
	small, r := packSizes(t, 100, 5<<10, 70<<10, 300<<10, 1<<20)
	full, rFull := small, r
	if !testing.Short() {
		full, rFull = packSizes(t, DefaultPackSize+1<<20)
	}
	cases := []struct {
		what   string
		damage func(t *testing.T, rnd *rand.Rand, d *mem.Backend)
	}{
		{"as many cells as there are of parity", func(t *testing.T, rnd *rand.Rand, d *mem.Backend) {
			each(t, d, func(name string, _ [16]byte, data []byte, m int) {
				zero(rnd, data, m, pack.CellSize)
				write(t, d, name, data)
			})
		}},
		{"40 bursts of 4 KiB and 1 MiB at once in a full pack", func(t *testing.T, rnd *rand.Rand, d *mem.Backend) {
			each(t, d, func(name string, _ [16]byte, data []byte, _ int) {
				if len(data) < DefaultPackSize {
					return
				}
				for range 40 {
					clear(data[rnd.IntN(len(data)-4096):][:4096])
				}
				clear(data[rnd.IntN(len(data)-1<<20):][:1<<20])
				write(t, d, name, data)
			})
		}},
		{"the first 64 KiB", func(t *testing.T, _ *rand.Rand, d *mem.Backend) {
			each(t, d, func(name string, _ [16]byte, data []byte, _ int) { write(t, d, name, data[min(len(data), 64<<10):]) })
		}},
		{"the last 64 KiB", func(t *testing.T, _ *rand.Rand, d *mem.Backend) {
			each(t, d, func(name string, _ [16]byte, data []byte, _ int) { write(t, d, name, data[:max(0, len(data)-64<<10)]) })
		}},
		{"half of the budget in the object, half in its parity", func(t *testing.T, rnd *rand.Rand, d *mem.Backend) {
			each(t, d, func(name string, id [16]byte, data []byte, m int) {
				if m < 4 {
					return
				}
				zero(rnd, data, m/2, pack.CellSize)
				write(t, d, name, data)
				// In one stretch, which never takes both tables of checksums.
				par := bytes.Clone(read(t, d, parityName(id)))
				n := (m/2 - 1) * pack.CellSize
				clear(par[rnd.IntN(len(par)-n+1):][:n])
				write(t, d, parityName(id), par)
			})
		}},
		{"all parity", func(t *testing.T, _ *rand.Rand, d *mem.Backend) {
			for _, name := range objects(t, d, dirParity) {
				remove(t, d, name)
			}
		}},
		{"all index segments and second copies", func(t *testing.T, _ *rand.Rand, d *mem.Backend) {
			for _, name := range objects(t, d, "") {
				if strings.HasPrefix(name, dirIndex+"/") || strings.HasSuffix(name, copySuffix) {
					remove(t, d, name)
				}
			}
		}},
		{"all first copies", func(t *testing.T, _ *rand.Rand, d *mem.Backend) {
			for _, name := range objects(t, d, "") {
				if !strings.HasSuffix(name, copySuffix) {
					switch expected(name).kind {
					case object.Config, object.KeySlot, object.Snapshot:
						remove(t, d, name)
					}
				}
			}
		}},
	}
	seeds := 3
	if testing.Short() {
		seeds = 2
	}
	for i, c := range cases {
		for seed := range seeds {
			b, r := small, r
			if seed == 0 && i == 1 {
				b, r = full, rFull
			}
			t.Run(fmt.Sprint(c.what, " ", seed), func(t *testing.T) {
				d := b.Clone()
				c.damage(t, rand.New(rand.NewPCG(uint64(seed), 3)), d)
				noKey := d.Clone()
				plan := planAndExecute(t, func() (*RepairPlan, error) { return on(r, d).PlanRepair(t.Context(), testRepair()) })
				if len(plan.Beyond) > 0 || !wantSame(t, b, d) {
					t.Errorf("with the key:\n%s", planText(plan))
				}
				plan = planAndExecute(t, func() (*RepairPlan, error) { return PlanRepairNoKey(t.Context(), noKey, RepairOptions{}) })
				if len(plan.Beyond) > 0 || !wantSame(t, b, noKey) {
					t.Errorf("without a key:\n%s", planText(plan))
				}
			})
		}
	}
}

func planAndExecute(t *testing.T, plan func() (*RepairPlan, error)) *RepairPlan {
	t.Helper()
	p, err := plan()
	if err != nil {
		t.Fatal(err)
	}
	execute(t, p)
	return p
}

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
