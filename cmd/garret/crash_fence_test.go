package main

import (
	"fmt"
	"strings"
	"testing"

	"garret/store"
	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
	"garret/store/object"
)

// A run that a collector gives up on, before any of its changes, while the
// collector removes all that the run has reused so far: it starts again and
// its snapshot is whole.
func TestFenceAnywhere(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := crashSource(t, 64<<10)
	start := mem.New()
	if err := crashInit(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	crashSnapshot(t, start, source)
	changeSource(t, source)
	undisturbed := faulty.New(start.Clone())
	crashSnapshot(t, undisturbed, source)
	total := undisturbed.Count(faulty.Put)
	// The first put is the lease, which there must be to be given up on. The last
	// is the snapshot's second copy: who gives up on the run then finds the
	// snapshot listed, and takes nothing away that it needs.
	for n := 2; n < total; n++ {
		if testing.Short() && n < total-2 {
			continue
		}
		t.Run(fmt.Sprintf("before put %d of %d", n, total), func(t *testing.T) {
			storage := start.Clone()
			b := faulty.New(storage)
			c := collector{t: t, storage: storage, at: n}
			b.Add(c.rule)
			run := crashRun{source: source}
			snap, err := run.snapshot(t.Context(), b)
			if err != nil {
				t.Fatalf("%v; it says: %s", err, &run.stderr)
			}
			if c.fenced == "" {
				t.Log("this run had fewer puts") // where packs end is not always the same
				return
			}
			if !strings.Contains(run.stderr.String(), "starting again") {
				t.Errorf("it has not started again; it says: %s", &run.stderr)
			}
			snaps := crashCheck(t, storage)
			if len(snaps) != 1 || snaps[0].ID != snap.ID || snaps[0].Unverified {
				t.Errorf("there are %v", snaps)
			}
			if left := crashNames(t, storage, "leases"); len(left) != 1 || left[0] != c.fenced {
				t.Errorf("leases that are left: %v, fence: %s", left, c.fenced)
			}
			crashCompare(t, storage, snap.ID, source)
		})
	}
}

// A run that is given up on every time ends with an error and no snapshot.
func TestFenceAlways(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := crashSource(t, 64<<10)
	storage := mem.New()
	if err := crashInit(t.Context(), storage); err != nil {
		t.Fatal(err)
	}
	b := faulty.New(storage)
	b.Add(func(c faulty.Call) faulty.Fault {
		if session, ok := sessionOf(c); ok {
			fence(t, storage, session)
		}
		return faulty.Fault{}
	})
	run := crashRun{source: source}
	_, err := run.snapshot(t.Context(), b)
	if err == nil || err.Error() != store.ErrFenced.Error() {
		t.Errorf("it ends with %v", err)
	}
	if snaps := crashCheck(t, storage); len(snaps) != 0 {
		t.Errorf("there are %v", snaps)
	}
	if fences := crashNames(t, storage, "leases"); len(fences) != maxAttempts {
		t.Errorf("after %d attempts there are %v", maxAttempts, fences)
	}
	crashWhole(t, storage, source)
}

// collector is another process that takes everything away that is old when
// the run is about to make its n-th put.
type collector struct {
	t       *testing.T
	storage *mem.Backend
	at      int

	old     []string // what may be deleted: nobody else's
	puts    int
	session string
	fenced  string // name of the fence
}

func (c *collector) rule(call faulty.Call) faulty.Fault {
	if call.Op != faulty.Put || c.fenced != "" {
		return faulty.Fault{}
	}
	c.puts++
	if session, ok := sessionOf(call); ok {
		c.session = session
		for _, folder := range []string{"history", "index", "packs"} {
			c.old = append(c.old, crashNames(c.t, c.storage, folder)...)
		}
	}
	if c.puts == c.at {
		c.fenced = fence(c.t, c.storage, c.session)
		for _, name := range c.old {
			if err := c.storage.Delete(c.t.Context(), name); err != nil {
				c.t.Error(err)
			}
		}
	}
	return faulty.Fault{}
}

// sessionOf returns the session whose first lease is being put.
func sessionOf(c faulty.Call) (id string, ok bool) {
	rest, ok := strings.CutPrefix(c.Name, "leases/")
	if c.Op != faulty.Put || !ok {
		return "", false
	}
	return strings.CutSuffix(rest, ".1")
}

func fence(t *testing.T, b backend.Backend, session string) string {
	name := "leases/" + session + ".dead"
	if err := b.Put(t.Context(), name, object.Finish(object.AppendHeader(nil, object.Fence))); err != nil {
		t.Error(err)
	}
	return name
}
