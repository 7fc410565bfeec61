package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
	"garret/store/object"
	"garret/store/pack"
)

// There is nothing to be done in a sound repository, and nothing is changed.
func TestRepairHealthy(t *testing.T) {
	b, r, _ := repairRepository(t)
	before := b.Clone()
	for _, readData := range []bool{false, true} {
		o := testRepair()
		o.ReadData, o.Progress = readData, new(CheckProgress)
		plan, res := repair(t, r, o)
		if len(plan.Actions)+len(plan.Beyond)+len(plan.Left) > 0 || res.Lost > 0 || !res.Checked {
			t.Errorf("plan:\n%s%+v", planText(plan), res)
		}
		if p := o.Progress; p.Bytes.Load() < p.TotalBytes.Load() || p.Objects.Load() < p.TotalObjects.Load() || p.Packs.Load() < p.TotalPacks.Load() {
			t.Errorf("%d of %d bytes, %d of %d objects", p.Bytes.Load(), p.TotalBytes.Load(), p.Objects.Load(), p.TotalObjects.Load())
		}
	}
	if plan := repairNoKey(t, b, RepairOptions{}); len(plan.Actions)+len(plan.Beyond)+len(plan.Left) > 0 {
		t.Errorf("without a key:\n%s", planText(plan))
	}
	wantSame(t, before, b)
}

// Whatever happens to one object of each kind, and to many at once as far as
// parity and copies reach, is undone to the last byte, with the key and
// without.
func TestRepairToTheLastByte(t *testing.T) {
	b, r, _ := repairRepository(t)
	seeds := uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 11))
			d := b.Clone()
			damageEverything(t, rnd, d)
			noKey := d.Clone()

			plan, res := repair(t, on(r, d), testRepair())
			if len(plan.Beyond) > 0 || res.Lost > 0 || !plan.Needed() {
				t.Errorf("%+v\n%s", res, planText(plan))
			}
			if !wantSame(t, b, d) {
				t.Log(planText(plan))
			}

			if plan := repairNoKey(t, noKey, RepairOptions{}); len(plan.Beyond) > 0 || !wantSame(t, b, noKey) {
				t.Errorf("without a key:\n%s", planText(plan))
			}
		})
	}
}

// damageEverything damages objects of all kinds, no pack and no segment with its
// parity beyond what that heals, and one copy of each pair at most.
func damageEverything(t *testing.T, rnd *rand.Rand, d *mem.Backend) {
	t.Helper()
	for _, name := range objects(t, d, "") {
		if rnd.IntN(3) == 0 {
			continue
		}
		data := read(t, d, name)
		switch kind := expected(name).kind; kind {
		case object.Config, object.KeySlot, object.Snapshot:
			if strings.HasSuffix(name, copySuffix) == (rnd.IntN(2) == 0) || len(data) == 0 {
				continue
			}
			if twin := read(t, d, strings.TrimSuffix(name, copySuffix)); object.VerifyCRC(twin) != nil {
				continue
			}
			if twin, err := backend.ReadAll(t.Context(), d, strings.TrimSuffix(name, copySuffix)+copySuffix, 1<<20); err != nil || object.VerifyCRC(twin) != nil {
				continue
			}
			if rnd.IntN(3) == 0 && strings.HasSuffix(name, copySuffix) {
				remove(t, d, name)
			} else {
				write(t, d, name, wound(rnd, data, 1))
			}
		case object.Parity:
			var id [16]byte
			if err := parseID(id[:], base(name)); err != nil {
				t.Fatal(err)
			}
			of := packName(id)
			if _, err := d.Size(t.Context(), of); err != nil {
				of = segmentName(id)
			}
			protected := read(t, d, of)
			switch n := rnd.IntN(4); {
			case n == 0:
				remove(t, d, name)
			case n == 1 || len(protected) < 10*pack.CellSize:
				write(t, d, of, wound(rnd, protected, 16))
			default: // both, within the same budget
				write(t, d, name, wound(rnd, data, 4))
				write(t, d, of, wound(rnd, protected, 4))
			}
		}
	}
}

// Everything that is stored twice or has parity can be lost altogether, one
// thing at a time.
func TestRepairOfLostObjects(t *testing.T) {
	b, r, _ := repairRepository(t)
	for _, name := range objects(t, b, "") {
		kind := expected(name).kind
		if kind == object.Pack {
			if size, _ := b.Size(t.Context(), name); size > 18*4096 {
				continue // more than its parity can make anew
			}
		}
		d := b.Clone()
		remove(t, d, name)
		plan, res := repair(t, on(r, d), testRepair())
		if len(plan.Actions) != 1 || len(plan.Beyond) > 0 || res.Lost > 0 || !wantSame(t, b, d) {
			t.Errorf("%s deleted: %+v\n%s", name, res, planText(plan))
		}
	}
}

// All of the index is lost, parity and all: it is rebuilt from the packs.
func TestRepairRebuildsTheIndex(t *testing.T) {
	b, _, parts := repairRepository(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, how := range []string{"damaged", "deleted"} {
		t.Run(how, func(t *testing.T) {
			// This machine still has all of it, which is of no use to others.
			d := b.Clone()
			r := openTestRepository(t, d)
			lostParts(t, r, parts)
			segments := objects(t, d, dirIndex)
			for _, name := range segments {
				id, _ := parseSegmentID(base(name))
				remove(t, d, parityName(id))
				if how == "deleted" {
					remove(t, d, name)
				} else {
					write(t, d, name, read(t, d, name)[:100])
				}
			}
			plan, res := repair(t, r, testRepair())
			if res.Lost > 0 || len(plan.Beyond) > 0 || len(lostParts(t, r, parts)) > 0 {
				t.Errorf("%+v\n%s", res, planText(plan))
			}
			wantSound(t, r)
			if got := len(objects(t, d, dirIndex)); got != 1 {
				t.Errorf("%d segments", got)
			}
			for _, name := range segments {
				_, err := d.Size(t.Context(), quarantineName(name))
				if missing(err) != (how == "deleted") {
					t.Errorf("quarantine of %s: %v", name, err)
				}
			}
			// Nothing is stored again.
			before := stored(t, d)
			snapshotOf(t, r, "one", treeOf("one", parts, 14))
			if grown := stored(t, d) - before; grown > 16<<10 {
				t.Errorf("the next snapshot stores %d bytes", grown)
			}
		})
	}
}

// Packs that a running session has stored are left to it, and nothing of what
// it is doing is disturbed.
func TestRepairWhileASnapshotRuns(t *testing.T) {
	b, r, parts := repairRepository(t)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	// A pack is stored, and no segment yet: others see it like this.
	known := objects(t, b, dirIndex)
	for i := range 7 {
		part := noise(uint64(100+i), 40<<10)
		if _, err := s.Put(t.Context(), index.Data, s.ID(index.Data, part), part); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	later := make(map[string][]byte)
	for _, name := range objects(t, b, dirIndex) {
		if slices.Contains(known, name) {
			continue
		}
		id, err := parseSegmentID(base(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{name, parityName(id)} {
			later[name] = read(t, b, name)
			remove(t, b, name)
		}
	}
	if len(later) == 0 {
		t.Fatal("the session has stored no segment")
	}
	before := b.Clone()
	o := testRepair()
	o.gone = processGone // this process is alive
	plan, _ := repair(t, r, o)
	if len(plan.Actions) > 0 {
		t.Errorf("plan:\n%s", planText(plan))
	}
	if plan := repairNoKey(t, b, RepairOptions{}); len(plan.Actions) > 0 {
		t.Errorf("without a key:\n%s", planText(plan))
	}
	wantSame(t, before, b)
	for name, data := range later {
		write(t, b, name, data)
	}
	commitTree(t, s, "three", testDir{"new": parts[20:]})
	if lost := lostParts(t, r, parts); len(lost) > 0 {
		t.Errorf("parts %v are lost", lost)
	}
	wantSound(t, r)
}

// A mount, whose lease is a reader's, keeps nothing from being repaired.
func TestRepairWhileMounted(t *testing.T) {
	b, r, _ := repairRepository(t)
	rd, err := r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	before := b.Clone()
	remove(t, b, objects(t, b, dirIndex)[0])
	o := testRepair()
	o.gone = processGone
	repair(t, r, o)
	wantSame(t, before, b)
}

// What an interrupted run has left behind is indexed, so that the next one need
// not store it again, and its lease is removed.
func TestRepairAfterACrash(t *testing.T) {
	b, r, _ := repairRepository(t)
	f := faulty.New(b)
	s, err := on(r, f).NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	part := noise(100, 40<<10)
	id := s.ID(index.Data, part)
	if _, err := s.Put(t.Context(), index.Data, id, part); err != nil {
		t.Fatal(err)
	}
	f.FailIf(func(c faulty.Call) bool { return strings.HasPrefix(c.Name, dirIndex) || c.Op == faulty.Delete }, faulty.Fault{Err: faulty.ErrStopped})
	if err := s.Flush(t.Context()); err == nil {
		t.Fatal("the segment was stored")
	}
	_ = s.Close(t.Context())
	if n := len(objects(t, b, dirLeases)); n != 1 {
		t.Fatalf("%d leases", n)
	}

	o := testRepair()
	o.gone = processGone
	plan, _ := repair(t, r, o)
	if len(plan.Actions) > 0 || len(plan.Left) != 1 {
		t.Errorf("the session may be alive, but:\n%s", planText(plan))
	}
	plan, _ = repair(t, r, testRepair())
	if len(plan.Actions) != 2 {
		t.Errorf("plan:\n%s", planText(plan))
	}
	if n := len(objects(t, b, dirLeases)); n != 0 {
		t.Errorf("%d leases are left", n)
	}
	s, err = r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if !s.Has(index.Data, id) {
		t.Error("what was stored is not reused")
	}
}

// A repository that cannot be written can be looked at, and says why no more
// is possible.
func TestRepairReadOnly(t *testing.T) {
	b, r, _ := repairRepository(t)
	name := packsOf(t, b, index.Data)[0]
	data := read(t, b, name)
	data[5000] ^= 1
	write(t, b, name, data)
	f := faulty.New(b)
	f.FailIf(func(c faulty.Call) bool { return c.Op&faulty.Changes != 0 }, faulty.Fault{Err: backend.ErrReadOnly})
	plan, err := on(r, f).PlanRepair(t.Context(), testRepair())
	if err != nil || len(plan.Actions) != 1 {
		t.Fatalf("plan: %v", err)
	}
	if _, err := plan.Execute(t.Context(), nil); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("execute: %v", err)
	}
	plan, err = PlanRepairNoKey(t.Context(), f, RepairOptions{})
	if err != nil || len(plan.Actions) != 1 {
		t.Fatalf("plan: %v", err)
	}
	if _, err := plan.Execute(t.Context(), nil); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("execute without a key: %v", err)
	}
}
