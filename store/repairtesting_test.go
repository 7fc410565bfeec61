package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/backend/mem"
	"garret/store/codec"
	"garret/store/pack"
)

// repairRepository is checkRepository with parity: 20 parts of 40 KiB, packs of
// about 64 cells, each of which 18 may be lost.
func repairRepository(t testing.TB) (*mem.Backend, *Repository, [][]byte) {
	t.Helper()
	b, r := emptyParityRepository(t)
	var parts [][]byte
	for i := range 20 {
		parts = append(parts, noise(uint64(i), 40<<10))
	}
	for i, host := range []string{"one", "two"} {
		snapshotOf(t, r, host, treeOf(host, parts, 14+i))
	}
	return b, r, parts
}

// emptyParityRepository is newTestRepository with the default parity, and
// without a local cache, whose syncs would take most of the time.
func emptyParityRepository(t testing.TB) (*mem.Backend, *Repository) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", "/dev/null/none")
	b := mem.New()
	if _, err := Init(t.Context(), b, InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: map[string]int{"min": 1}, Compression: codec.Default, Parity: DefaultParity,
		Passphrase: testPass, KDF: cheapKDF, PackSize: minPackSize * 4, FrameSize: 32 << 10,
	}); err != nil {
		t.Fatal(err)
	}
	return b, openTestRepository(t, b)
}

// testRepair is what repairs in tests have in common: the process that they run
// in counts as ended in all leases but their own.
func testRepair() RepairOptions {
	return RepairOptions{Walk: walkTest, gone: func(Lease) bool { return true }}
}

// repair plans and executes, and makes sure that nothing is left to be done
// then.
func repair(t testing.TB, r *Repository, o RepairOptions) (*RepairPlan, *RepairResult) {
	t.Helper()
	plan, err := r.PlanRepair(t.Context(), o)
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	res := execute(t, plan)
	o.Parity = nil
	for round := range 2 {
		again, err := r.PlanRepair(t.Context(), o)
		if err != nil {
			t.Fatalf("plan again: %v", err)
		}
		// Once the index is whole again, it can be told what nobody needs.
		if round == 0 && !again.Needed() && len(again.Actions) > 0 {
			execute(t, again)
			continue
		}
		if len(again.Actions) > 0 {
			t.Errorf("there is still something to be done:\n%s", planText(again))
		}
		break
	}
	return plan, res
}

func execute(t testing.TB, plan *RepairPlan) *RepairResult {
	t.Helper()
	n := 0
	res, err := plan.Execute(t.Context(), func(a RepairAction, err error) {
		if n >= len(plan.Actions) || a.Object != plan.Actions[n].Object {
			t.Errorf("action %d is %v", n, a)
		}
		n++
		if err != nil {
			t.Errorf("%v %s: %v", a.Kind, a.Object, err)
		}
	})
	if err != nil {
		t.Fatalf("execute: %v", err)
	}
	if res.Done != len(plan.Actions) || n != res.Done || res.Failed+res.Settled != 0 {
		t.Errorf("%d actions were planned and %d reported: %+v", len(plan.Actions), n, res)
	}
	return res
}

func repairNoKey(t testing.TB, b backend.Backend, o RepairOptions) *RepairPlan {
	t.Helper()
	plan, err := PlanRepairNoKey(t.Context(), b, o)
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	execute(t, plan)
	again, err := PlanRepairNoKey(t.Context(), b, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Actions) > 0 {
		t.Errorf("there is still something to be done:\n%s", planText(again))
	}
	return plan
}

func planText(p *RepairPlan) string {
	var b strings.Builder
	for _, a := range p.Actions {
		fmt.Fprintf(&b, "  %v %s: %s; %s (%d bytes)\n", a.Kind, a.Object, a.Reason, a.Remedy, a.Bytes)
	}
	for _, u := range p.Beyond {
		fmt.Fprintf(&b, "  beyond: %s: %s\n", u.Object, u.Reason)
	}
	for _, u := range p.Left {
		fmt.Fprintf(&b, "  left: %s: %s\n", u.Object, u.Reason)
	}
	return b.String()
}

// wantSame fails for each object of a that is not the same in b, and the other
// way round.
func wantSame(t testing.TB, a, b backend.Backend) bool {
	t.Helper()
	names, others := objects(t, a, ""), objects(t, b, "")
	ok := true
	for _, name := range others {
		if !slices.Contains(names, name) {
			t.Errorf("%s is new", name)
			ok = false
		}
	}
	for _, name := range names {
		switch {
		case !slices.Contains(others, name):
			t.Errorf("%s is missing", name)
			ok = false
		case !bytes.Equal(read(t, a, name), read(t, b, name)):
			t.Errorf("%s has other bytes", name)
			ok = false
		}
	}
	return ok
}

// sound fails unless a check that reads everything finds nothing but notes.
func wantSound(t testing.TB, r *Repository) {
	t.Helper()
	c := check(t, r, true)
	for _, p := range c.problems {
		if p.Severity != Note {
			t.Errorf("%v: %v", p.Severity, p)
		}
	}
}

// wound damages up to n stretches of 4 KiB of an object, or cuts it, by chance.
func wound(r *rand.Rand, data []byte, n int) []byte {
	if len(data) == 0 {
		return nil
	}
	data = bytes.Clone(data)
	cells := (len(data) + pack.CellSize - 1) / pack.CellSize
	switch r.IntN(4) {
	case 0: // one bit
		data[r.IntN(len(data))] ^= 1 << r.IntN(8)
	case 1: // the end is gone
		data = data[:max(0, len(data)-r.IntN(min(n, cells)*pack.CellSize)-1)]
	case 2: // so is the beginning, in place
		clear(data[:min(len(data), 1+r.IntN(min(n, cells)*pack.CellSize))])
	default: // here and there; each burst may touch two cells
		for range max(1, n/2) {
			at := r.IntN(len(data))
			for i := at; i < min(at+pack.CellSize, len(data)); i++ {
				data[i] = byte(r.Uint32())
			}
		}
	}
	return data
}

// lostParts returns which of the parts are in no frame that can be read.
func lostParts(t testing.TB, r *Repository, parts [][]byte) (lost []int) {
	t.Helper()
	rd, err := r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	for i, part := range parts {
		id := r.keys.Hasher(false).Sum(part)
		if !rd.set.Has(id) {
			continue // no snapshot has it
		}
		if data, err := rd.Blob(t.Context(), index.Data, id); err != nil {
			lost = append(lost, i)
		} else if !bytes.Equal(data, part) {
			t.Fatalf("part %d comes back wrong", i)
		}
	}
	return lost
}
