package main

import (
	"math/rand/v2"
	"slices"
	"testing"

	"garret/store"
	"garret/store/backend"
	"garret/store/backend/backendtest"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
)

// noCache is where no cache can be made: what is found is in the repository.
const noCache = "/dev/null"

// firstRun is an init and a snapshot, with what it was promised on its way.
type firstRun struct {
	source string
	made   bool
	snap   *store.Snapshot
	checks int
}

func (r *firstRun) crash(t *testing.T) backendtest.Crash {
	return backendtest.Crash{
		Work: func(b backend.Backend) (err error) {
			r.made, r.snap = false, nil
			if err := crashInit(t.Context(), b); err != nil {
				return err
			}
			r.made = true
			run := crashRun{source: r.source}
			r.snap, err = run.snapshot(t.Context(), b)
			return err
		},
		Check: func(t *testing.T, left backend.Backend) {
			t.Setenv("XDG_CACHE_HOME", noCache)
			if halfMade(t.Context(), left) {
				if r.made {
					t.Error("the repository is gone, though init had ended")
				}
				return
			}
			snaps := crashCheck(t, left)
			if r.snap != nil && (len(snaps) != 1 || snaps[0].ID != r.snap.ID) {
				t.Errorf("the run ended with snapshot %s; there are %v", r.snap.ID.Short(), snaps)
			}
			if r.checks++; r.checks%5 == 1 { // the rest takes the most time
				crashWhole(t, left, r.source)
			}
		},
	}
}

// secondRun is a snapshot of a source that has changed since the first one.
type secondRun struct {
	source, before string // before is a copy of the source in its first state
	first, snap    *store.Snapshot
	checks         int
}

func (r *secondRun) crash(t *testing.T) backendtest.Crash {
	return backendtest.Crash{
		Prepare: func(b backend.Backend) error {
			if err := crashInit(t.Context(), b); err != nil {
				return err
			}
			r.first = crashSnapshot(t, b, r.source)
			r.before = t.TempDir() + "/before"
			crashRestore(t, b, r.first.ID, r.before)
			crashCompare(t, b, r.first.ID, r.source)
			changeSource(t, r.source)
			return nil
		},
		Work: func(b backend.Backend) (err error) {
			run := crashRun{source: r.source}
			r.snap, err = run.snapshot(t.Context(), b)
			return err
		},
		Check: func(t *testing.T, left backend.Backend) {
			t.Setenv("XDG_CACHE_HOME", noCache)
			snaps := crashCheck(t, left)
			for _, s := range []*store.Snapshot{r.first, r.snap} {
				if s != nil && !slices.ContainsFunc(snaps, func(x *store.Snapshot) bool { return x.ID == s.ID }) {
					t.Errorf("snapshot %s is gone", s.ID.Short())
				}
			}
			if r.checks++; r.checks%5 == 1 {
				crashWhole(t, left, r.source)
				crashCompare(t, left, r.first.ID, r.before)
			}
		},
	}
}

// A run that is killed between any two changes to the storage costs nobody an
// older snapshot, and the next run is whole.
func TestStopAnywhere(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Run("first", func(t *testing.T) {
		r := &firstRun{source: crashSource(t, 256<<10)}
		r.crash(t).Stops(t)
	})
	t.Run("second", func(t *testing.T) {
		r := &secondRun{source: crashSource(t, 256<<10)}
		r.crash(t).Stops(t)
	})
}

// The same when the power goes, with which data and names that were not synced
// may be forgotten.
func TestPowerCutAnywhere(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	points, outcomes := 0, 3
	if testing.Short() {
		points = 10
	}
	t.Run("first", func(t *testing.T) {
		r := &firstRun{source: crashSource(t, 64<<10)}
		c := r.crash(t)
		c.Points, c.Outcomes = points, outcomes
		c.PowerCuts(t)
	})
	t.Run("second", func(t *testing.T) {
		r := &secondRun{source: crashSource(t, 64<<10)}
		c := r.crash(t)
		c.Points, c.Outcomes = points, outcomes
		c.PowerCuts(t)
	})
}

// A large run that is killed again and again at random, each time on top of
// what was left the time before: what its index segments name is not stored
// again.
func TestStopLargeRuns(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	size, stops := 8<<20, 5
	if testing.Short() {
		size, stops = 4<<20, 2
	}
	source := crashSource(t, size)
	start := mem.New()
	if err := crashInitEncrypted(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	undisturbed := faulty.New(start.Clone())
	whole := crashWhole(t, undisturbed, source)
	total := undisturbed.Count(faulty.Put)
	if segments := len(crashNames(t, undisturbed, "index")); segments < 8 || total < 40 {
		t.Fatalf("%d puts and %d segments are too few for this test", total, segments)
	}
	if again, pages := uint64(size/4), uint64(size/32); whole.Totals.BytesAdded > whole.Totals.BytesRead-again+pages {
		t.Errorf("of %d bytes read %d are new: a file that stands in the source twice is stored twice",
			whole.Totals.BytesRead, whole.Totals.BytesAdded)
	}

	random := rand.New(rand.NewPCG(3, 3))
	storage := start
	for range stops {
		b := faulty.New(storage)
		n := random.IntN(total / stops)
		b.StopAfter(n, faulty.Changes)
		run := crashRun{source: source}
		if _, err := run.snapshot(t.Context(), b); !backendtest.Interrupted(err) {
			t.Fatalf("stopped after %d changes: %v", n, err)
		}
		storage = storage.Clone()
		crashCheck(t, storage)
	}
	segments := len(crashNames(t, storage, "index"))
	last := crashWhole(t, storage, source)
	t.Logf("%d puts undisturbed, %d bytes; %d segments left by stopped runs, then %d bytes",
		total, whole.Totals.BytesStored, segments, last.Totals.BytesStored)
	if segments > 0 && last.Totals.BytesStored > whole.Totals.BytesStored*9/10 {
		t.Errorf("the last run stored %d bytes, one that nothing was stored before %d",
			last.Totals.BytesStored, whole.Totals.BytesStored)
	}

	// The same for a run with a parent.
	changeSource(t, source)
	before := crashCheck(t, storage)
	for range stops / 2 {
		left := storage.Clone()
		b := faulty.New(left)
		b.StopAfter(random.IntN(8), faulty.Changes)
		run := crashRun{source: source}
		if _, err := run.snapshot(t.Context(), b); err != nil && !backendtest.Interrupted(err) {
			t.Fatal(err)
		}
		left = left.Clone()
		if now := crashCheck(t, left); len(now) < len(before) {
			t.Errorf("%d snapshots became %d", len(before), len(now))
		}
	}
	crashWhole(t, storage, source)
}
