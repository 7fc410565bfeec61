package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"garret/store"
	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
)

var errFault = errors.New("the storage had a bad moment")

// A single failed operation ends a run soon and cleanly, or it is survived
// with a whole snapshot; it never leaves damage, a goroutine, or a lease.
func TestFaultAnywhere(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := crashSource(t, 64<<10)
	start := mem.New()
	if err := crashInit(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	crashSnapshot(t, start, source)
	changeSource(t, source)
	b := faulty.New(start.Clone())
	crashSnapshot(t, b, source)
	for _, c := range []struct {
		name   string
		ops    faulty.Op
		effect bool
	}{
		{"change fails", faulty.Changes, false},
		{"answer is lost", faulty.Changes, true},
		{"look fails", faulty.All &^ faulty.Changes, false},
	} {
		total := b.Count(c.ops)
		for n := 1; n <= total; n++ {
			if testing.Short() && n%4 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d of %d", c.name, n, total), func(t *testing.T) {
				storage := start.Clone()
				b := faulty.New(storage)
				met := failAt(b, n, c.ops, c.effect)
				run := crashRun{source: source}
				var snap *store.Snapshot
				var err error
				promptly(t, func() { snap, err = run.snapshot(t.Context(), b) })
				switch {
				case met.Name == "":
					t.Log("this run had fewer operations") // where packs end is not always the same
				case err != nil && !errors.Is(err, errFault):
					t.Errorf("%v fails, and the run says: %v", met, err)
				case err == nil && met.Op == faulty.Put:
					t.Errorf("%v fails, and the run says nothing", met)
				case strings.HasPrefix(met.Name, "history/"): // its second copy serves
				case err == nil && run.stderr.Len() == 0 && met.Op != faulty.Size:
					t.Errorf("%v fails, and nobody is told", met)
				}
				if left := crashNames(t, storage, "leases"); len(left) != 0 && !strings.HasPrefix(met.Name, "leases/") {
					t.Errorf("leases are left: %v", left)
				}
				crashCheck(t, storage)
				if err == nil {
					crashCompare(t, storage, snap.ID, source)
				} else {
					crashWhole(t, storage, source)
				}
			})
		}
	}
}

// failAt gives the n-th operation a fault, and tells which one that was.
func failAt(b *faulty.Backend, n int, ops faulty.Op, effect bool) *faulty.Call {
	met := &faulty.Call{}
	seen := make(chan int, 1)
	seen <- 0
	b.Add(func(c faulty.Call) faulty.Fault {
		if c.Op&ops == 0 {
			return faulty.Fault{}
		}
		k := <-seen + 1
		defer func() { seen <- k }()
		if k != n {
			return faulty.Fault{}
		}
		*met = c
		return faulty.Fault{Err: errFault, Effect: effect}
	})
	return met
}

// A storage that is full ends the run with a reason, at whatever byte; with
// room again the next one is whole.
func TestFullStorage(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := crashSource(t, 512<<10)
	start := mem.New()
	if err := crashInit(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	whole := crashSnapshot(t, start.Clone(), source)
	random := rand.New(rand.NewPCG(5, 5))
	rounds := 8
	if testing.Short() {
		rounds = 4
	}
	for i := range rounds {
		storage := start.Clone()
		b := faulty.New(storage)
		capacity := random.Int64N(int64(whole.Totals.BytesStored) * 9 / 10)
		if i == 0 {
			capacity = 0
		}
		b.SetCapacity(capacity)
		run := crashRun{source: source}
		var err error
		promptly(t, func() { _, err = run.snapshot(t.Context(), b) })
		if !errors.Is(err, backend.ErrFull) {
			t.Errorf("with room for %d bytes: %v", capacity, err)
		}
		if left := crashNames(t, storage, "leases"); len(left) != 0 {
			t.Errorf("leases are left: %v", left)
		}
		crashCheck(t, storage)
		crashWhole(t, storage, source)
	}
}

// A reader that cannot begin leaves nothing behind either.
func TestFaultAtReader(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	start := mem.New()
	if err := crashInit(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	crashSnapshot(t, start, crashSource(t, 64<<10))
	for n, failed := 1, true; failed; n++ {
		storage := start.Clone()
		b := faulty.New(storage)
		repo, err := crashOpen(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		met := failAt(b, n, faulty.All, false)
		promptly(t, func() {
			reader, err := repo.NewReader(t.Context(), 1<<20)
			if err == nil {
				err = reader.Close(t.Context())
			}
			if err != nil && !errors.Is(err, errFault) {
				t.Errorf("%v fails, and the reader says: %v", *met, err)
			}
		})
		if left := crashNames(t, storage, "leases"); len(left) != 0 && met.Op != faulty.Delete {
			t.Errorf("%v fails; leases are left: %v", *met, left)
		}
		failed = met.Op != 0
	}
}
