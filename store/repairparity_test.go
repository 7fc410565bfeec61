package store

import (
	"strings"
	"testing"

	"garret/index"
	"garret/store/backend/mem"
	"garret/store/object"
)

// Parity can be added, changed and removed for all that is there, and what is
// stored later gets as much.
func TestRepairChangesParity(t *testing.T) {
	b, r, parts := repairRepository(t)
	before := b.Clone()
	for i, percent := range []int{20, 0, 0, 5} {
		o := testRepair()
		o.Parity = &percent
		plan, _ := repair(t, r, o)
		if i == 2 && len(plan.Actions) > 0 {
			t.Errorf("nothing changes, but:\n%s", planText(plan))
		}
		mine := openTestRepository(t, b) // as the next process finds it
		if got := mine.Config().Parity; got != percent || r.Config().Parity != percent {
			t.Fatalf("the parity is %d %%, not %d %%", got, percent)
		}
		if got := objects(t, b, dirConfig); len(got) != 2 {
			t.Errorf("configs: %v", got)
		}
		snapshotOf(t, mine, "three", testDir{"new": [][]byte{noise(uint64(200+i), 50<<10)}})
		wantParity(t, r, percent)
		if plan, _ := repair(t, mine, testRepair()); len(plan.Actions) > 0 {
			t.Errorf("at %d %% there is something to do:\n%s", percent, planText(plan))
		}
	}
	// It is the same as it was at first.
	for _, name := range objects(t, before, dirParity) {
		if string(read(t, b, name)) != string(read(t, before, name)) {
			t.Errorf("%s differs", name)
		}
	}
	if lost := lostParts(t, r, parts); len(lost) > 0 {
		t.Errorf("parts %v are lost", lost)
	}
	for _, percent := range []int{-1, MaxParity + 1} {
		if _, err := r.PlanRepair(t.Context(), RepairOptions{Parity: &percent}); err == nil {
			t.Errorf("%d %% was accepted", percent)
		}
	}
	if _, err := PlanRepairNoKey(t.Context(), b, RepairOptions{Parity: new(int)}); err == nil {
		t.Error("the parity can be changed without a key")
	}
}

func wantParity(t *testing.T, r *Repository, percent int) {
	t.Helper()
	n := 0
	for _, folder := range []string{dirPacks, dirIndex} {
		for _, name := range objects(t, r.backend, folder) {
			var id [16]byte
			if err := parseID(id[:], base(name)); err != nil {
				t.Fatal(err)
			}
			of := object.Pack
			if folder == dirIndex {
				of = object.Segment
			}
			p, err := readParity(t.Context(), r.backend, of, id)
			switch {
			case percent == 0 && !missing(err):
				t.Errorf("%s has parity: %v", name, err)
			case percent > 0 && (err != nil || p.Percent() != percent):
				t.Errorf("%s: parity %v, %v", name, p, err)
			case percent > 0:
				n++
			}
		}
	}
	if got := len(objects(t, r.backend, dirParity)); got != n {
		t.Errorf("%d parity objects for %d others", got, n)
	}
}

// What nobody needs is removed, what may still be needed is not.
func TestRepairCleansUp(t *testing.T) {
	b, r, _ := repairRepository(t)
	sound := b.Clone()
	session := index.SessionID{7}
	mine := newPackID(session)
	l, err := newLease(t.Context(), r, session, LeaseWriter)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release(t.Context())
	orphan := index.PackID{1, 2, 3}
	pack := packsOf(t, b, index.Data)[0]
	write(t, b, parityName(orphan), []byte("rubbish"))
	write(t, b, parityName(mine), []byte("being written"))
	write(t, b, quarantineName(pack), []byte("of a repair that was killed"))
	write(t, b, quarantineName(packName(orphan)), []byte("the only copy"))
	write(t, b, fenceName(index.SessionID{9}), object.Finish(object.AppendHeader(nil, object.Fence)))
	write(t, b, "packs/readme", []byte("a stranger's"))
	kept := []string{parityName(mine), quarantineName(packName(orphan)), fenceName(index.SessionID{9}), "packs/readme", leaseName(session, 1)}

	o := testRepair()
	o.gone = processGone
	repair(t, r, o)
	repairNoKey(t, b, RepairOptions{})
	for _, name := range append(kept, parityName(orphan)) { // the session that is alive may be putting a segment
		if _, err := b.Size(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Size(t.Context(), quarantineName(pack)); !missing(err) {
		t.Error("quarantine still has what is sound again")
	}
	if err := l.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	repair(t, r, o)
	for _, name := range objects(t, b, "") {
		if _, err := sound.Size(t.Context(), name); err == nil {
			continue
		}
		switch {
		case name == quarantineName(packName(orphan)), name == quarantineName(parityName(orphan)),
			name == fenceName(index.SessionID{9}), name == "packs/readme":
		default:
			t.Errorf("%s is left", name)
		}
	}
}

// A process of another machine, or of another boot, or one that runs, is not
// known to have ended.
func TestProcessGone(t *testing.T) {
	r := newTestRepository(t, mem.New())
	l, err := newLease(t.Context(), r, index.SessionID{1}, LeaseWriter)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release(t.Context())
	own, err := r.readLease(t.Context(), leaseName(index.SessionID{1}, 1))
	if err != nil {
		t.Fatal(err)
	}
	const none = 1<<22 + 1 // above the largest process number of Linux
	for _, c := range []struct {
		change func(*Lease)
		gone   bool
	}{
		{func(*Lease) {}, false},
		{func(l *Lease) { l.PID = none }, true},
		{func(l *Lease) { l.PID, l.Host = none, l.Host+"x" }, false},
		{func(l *Lease) { l.PID, l.Boot = none, strings.Repeat("0", 36) }, false},
		{func(l *Lease) { l.PID, l.Boot = none, "" }, false},
		{func(l *Lease) { l.PID = 0 }, false},
		{func(l *Lease) { l.PID = -1 }, false},
	} {
		lease := own
		c.change(&lease)
		if got := processGone(lease); got != c.gone {
			t.Errorf("%+v: gone is %v", lease, got)
		}
	}
}
