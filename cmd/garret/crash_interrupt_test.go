package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"garret/store"
	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
)

// interruptAt closes the run's channel, as a signal does, when it is about to
// put its n-th pack.
func (r *crashRun) interruptAt(b *faulty.Backend, n int) {
	r.interrupted = make(chan struct{})
	if n == 0 {
		close(r.interrupted)
		return
	}
	left := n
	b.Add(func(c faulty.Call) faulty.Fault {
		if c.Op == faulty.Put && strings.HasPrefix(c.Name, "packs/") {
			if left--; left == 0 {
				close(r.interrupted)
			}
		}
		return faulty.Fault{}
	})
}

// What an interrupted run has stored is a partial snapshot, from which the
// next run takes over files without reading them; interrupted runs add up, and
// the first whole one removes what they have left.
func TestInterrupted(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := crashSource(t, 3<<20)
	storage := mem.New()
	if err := crashInit(t.Context(), storage); err != nil {
		t.Fatal(err)
	}
	whole := crashSnapshot(t, storage.Clone(), source)

	var partials []*store.Snapshot
	for range 3 {
		b := faulty.New(storage)
		run := crashRun{source: source}
		run.interruptAt(b, 4)
		snap, err := run.snapshot(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if !snap.Partial {
			t.Fatal("the snapshot of an interrupted run is not partial")
		}
		partials = append(partials, snap)
		for i, s := range crashCheck(t, storage) {
			if !s.Partial || s.ID != partials[i].ID {
				t.Errorf("snapshot %d is %s", i, s.ID.Short())
			}
		}
		_, err = store.Find(crashCheck(t, storage), "latest", "host")
		if !errors.Is(err, store.ErrNoSnapshot) {
			t.Errorf("a partial snapshot is the latest: %v", err)
		}
	}
	for i := range partials[:2] {
		before, after := partials[i].Totals, partials[i+1].Totals
		if after.Files <= before.Files {
			t.Errorf("partial snapshots have %d, then %d files", before.Files, after.Files)
		}
		if after.Unmodified+1 < before.Files { // one may be young by the clock's tick
			t.Errorf("of %d files that a partial snapshot has, the next run takes over %d", before.Files, after.Unmodified)
		}
	}
	last := partials[2].Totals
	t.Logf("%d files of %d bytes; partial: %d files, %d bytes", whole.Totals.Files, whole.Totals.Bytes, last.Files, last.Bytes)
	if last.Files == 0 || last.Files >= whole.Totals.Files {
		t.Errorf("a partial snapshot has %d of %d files", last.Files, whole.Totals.Files)
	}

	// The whole run meets a fault when it removes one of them.
	b := faulty.New(storage)
	b.FailIf(func(c faulty.Call) bool {
		return c.Op == faulty.Delete && c.Name == "history/"+partials[0].ID.String()
	}, faulty.Fault{Err: errFault})
	run := crashRun{source: source}
	snap, err := run.snapshot(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if snap.Totals.Unmodified+1 < last.Files {
		t.Errorf("of %d files that a partial snapshot has, the whole run takes over %d", last.Files, snap.Totals.Unmodified)
	}
	if read := snap.Totals.BytesRead; read > whole.Totals.BytesRead-last.Bytes/2 {
		t.Errorf("it reads %d of %d bytes again, though %d stand in the partial snapshot", read, whole.Totals.BytesRead, last.Bytes)
	}
	if !strings.Contains(run.stderr.String(), "cannot be removed") {
		t.Errorf("of a partial snapshot that stays it says: %s", &run.stderr)
	}
	crashCompare(t, storage, snap.ID, source)
	if left := crashNames(t, storage, "history"); len(left) != 3 { // one with its second copy, one without
		t.Errorf("records: %v", left)
	}
	// The next run does that too, and has nothing to read.
	if next := crashWhole(t, storage, source); next.Totals.BytesRead != 0 {
		t.Errorf("a run without changes reads %d bytes", next.Totals.BytesRead)
	}
}

// An interruption may come at any moment, before the first file as well.
func TestInterruptedAnywhere(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := crashSource(t, 256<<10)
	start := mem.New()
	if err := crashInit(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		t.Run(fmt.Sprintf("before pack %d", n), func(t *testing.T) {
			storage := start.Clone()
			b := faulty.New(storage)
			run := crashRun{source: source}
			run.interruptAt(b, n)
			var snap *store.Snapshot
			var err error
			promptly(t, func() { snap, err = run.snapshot(t.Context(), b) })
			switch {
			case err == nil && snap.Partial: // it has some
			case err == nil: // it came too late
				crashCompare(t, storage, snap.ID, source)
			case !errors.Is(err, context.Canceled):
				t.Errorf("it ends with %v", err)
			}
			if left := crashNames(t, storage, "leases"); len(left) != 0 {
				t.Errorf("leases are left: %v", left)
			}
			crashCheck(t, storage)
			crashWhole(t, storage, source)
		})
	}
}

// checkpointing runs a job that makes a checkpoint as often as it can.
func (r *crashRun) checkpointing(ctx context.Context, b backend.Backend) (*store.Snapshot, error) {
	repo, err := crashOpen(ctx, b)
	if err != nil {
		return nil, err
	}
	job := &snapshotJob{
		snapshotCmd: &snapshotCmd{Paths: []string{r.source}, Root: r.source, Host: "host", Checkpoint: time.Millisecond},
		app:         &app{stdout: &r.stderr, stderr: &r.stderr, interrupted: r.interrupted},
		repo:        repo,
	}
	snap, err := job.run(ctx)
	if err != nil {
		job.tellKept()
	}
	return snap, err
}

// When the backend is lost for good, the run fails and the last checkpoint
// stays: the next run goes on from there, in the middle of a file too.
func TestBackendIsLost(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := crashSource(t, 3<<20)
	start := mem.New()
	if err := crashInit(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	whole := crashSnapshot(t, start.Clone(), source).Totals
	helped := false
	for _, puts := range []int{3, 20, 60, 100} {
		t.Run(fmt.Sprintf("after %d puts", puts), func(t *testing.T) {
			storage := start.Clone()
			b := faulty.New(storage)
			left := puts
			b.FailIf(func(c faulty.Call) bool {
				if c.Op == faulty.Put {
					left--
				}
				return left < 0
			}, faulty.Fault{Err: errFault})
			run := crashRun{source: source}
			switch _, err := run.checkpointing(t.Context(), b); {
			case err == nil && left >= 0:
				return // it had few checkpoints to store, and came to its end
			case !errors.Is(err, errFault):
				t.Fatalf("it ends with %v", err)
			}
			snaps := crashCheck(t, storage)
			kept := strings.Count(run.stderr.String(), "is kept as partial snapshot")
			if len(snaps) < kept || len(snaps) > 2 { // the one before may be there too
				t.Fatalf("%d partial snapshots are left; it says: %s", len(snaps), &run.stderr)
			}
			next := crashWhole(t, storage, source)
			if len(snaps) == 0 {
				return
			}
			had := snaps[len(snaps)-1].Totals
			if !snaps[len(snaps)-1].Partial || next.Totals.BytesRead > whole.BytesRead-had.Bytes/2 {
				t.Errorf("it reads %d of %d bytes, though %d are in a checkpoint", next.Totals.BytesRead, whole.BytesRead, had.Bytes)
			}
			helped = helped || had.Bytes > 0
		})
	}
	if !helped {
		t.Error("no run had a checkpoint")
	}
}

// A run that makes checkpoints all the time leaves the same as one that makes
// none, and no other snapshot.
func TestCheckpointsAreRemoved(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := crashSource(t, 1<<20)
	storage := mem.New()
	if err := crashInit(t.Context(), storage); err != nil {
		t.Fatal(err)
	}
	records := 0
	b := faulty.New(storage)
	b.Add(func(c faulty.Call) faulty.Fault {
		if c.Op == faulty.Put && strings.HasPrefix(c.Name, "history/") {
			records++
		}
		return faulty.Fault{}
	})
	run := crashRun{source: source}
	snap, err := run.checkpointing(t.Context(), b)
	if err != nil || snap.Partial || run.stderr.Len() != 0 {
		t.Fatalf("%v, %v, it says: %s", snap, err, &run.stderr)
	}
	if records < 4 { // two copies each
		t.Errorf("%d records were written: no checkpoint among them", records)
	}
	if snaps := crashCheck(t, storage); len(snaps) != 1 || snaps[0].ID != snap.ID {
		t.Errorf("%d snapshots", len(snaps))
	}
	crashCompare(t, storage, snap.ID, source)
}
