package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
	"garret/store/object"
)

// duringCheck makes a change at every step-th moment of a check in turn, and
// checks that it gives no alarm.
func duringCheck(t *testing.T, b *mem.Backend, r *Repository, readData bool, step int, change func(t *testing.T, b backend.Backend)) {
	t.Helper()
	whole := faulty.New(b.Clone())
	if c := check(t, on(r, whole), readData); len(c.problems) > 0 {
		t.Error("there are problems before anything changes:")
		c.dump(t)
	}
	for n := 0; n <= whole.Count(faulty.All); n += step {
		inner := b.Clone()
		hooked := faulty.New(inner)
		var once sync.Once
		hooked.FailIf(func(faulty.Call) bool {
			if hooked.Count(faulty.All) > n {
				once.Do(func() { change(t, inner) })
			}
			return false
		}, faulty.Fault{})
		if c := check(t, on(r, hooked), readData); len(c.problems) > 0 {
			t.Errorf("a change before operation %d is called a problem:", n)
			c.dump(t)
			if n > 3 {
				return // the others are likely to be the same
			}
		}
	}
}

// difference makes one backend of the other, in the order of writing: packs,
// index, the rest; then what goes away, in reverse.
func difference(t *testing.T, from, to backend.Backend) func(*testing.T, backend.Backend) {
	t.Helper()
	var gone []string
	after := make(map[string][]byte)
	for _, name := range objects(t, to, "") {
		after[name] = read(t, to, name)
	}
	before := make(map[string]bool)
	for _, name := range objects(t, from, "") {
		before[name] = true
		if after[name] == nil {
			gone = append(gone, name)
		}
	}
	return func(t *testing.T, b backend.Backend) {
		for _, folder := range []string{dirPacks, dirIndex, ""} {
			for name, data := range after {
				if !before[name] && strings.HasPrefix(name, folder) {
					write(t, b, name, data)
				}
			}
		}
		for _, name := range gone {
			remove(t, b, name)
		}
	}
}

// moveEverything is what is left when a collector has copied all packs into
// new ones, and the index with them, and has removed the old.
func moveEverything(t *testing.T, b *mem.Backend, r *Repository, snaps []*Snapshot, parts [][]byte) *mem.Backend {
	t.Helper()
	moved := b.Clone()
	for _, folder := range []string{dirPacks, dirIndex} {
		for _, name := range objects(t, moved, folder) {
			remove(t, moved, name)
		}
	}
	// A session that finds nothing stores all of it again.
	for i, s := range snaps {
		copied := snapshotOf(t, on(r, moved), "collector", treeOf(s.Host, parts, 14+i))
		forget(t, moved, copied.ID)
	}
	return moved
}

// A collector that moves everything into new packs and a new index, a snapshot
// that is forgotten with all that only it needed, a new snapshot: whenever that
// happens during a check, nothing is lost and nothing is said.
func TestCheckWhileItChanges(t *testing.T) {
	b, r, snaps, parts := checkRepository(t)
	forgotten := b.Clone()
	forget(t, forgotten, snaps[1].ID)
	for _, name := range objects(t, b, dirPacks) {
		if strings.HasPrefix(base(name), snaps[1].Session.String()) {
			remove(t, forgotten, name)
		}
	}
	for _, name := range objects(t, b, dirIndex) {
		id, err := parseSegmentID(base(name))
		if err != nil {
			t.Fatal(err)
		}
		seg, err := r.mapSegment(t.Context(), id, int64(len(read(t, b, name))))
		if err != nil {
			t.Fatal(err)
		}
		if seg.Pack(0).ID.Session() == snaps[1].Session {
			remove(t, forgotten, name)
		}
		seg.Close()
	}
	added := b.Clone()
	snapshotOf(t, on(r, added), "new", testDir{"new": [][]byte{noise(77, 50<<10), parts[0]}})

	for name, after := range map[string]*mem.Backend{
		"collected":    moveEverything(t, b, r, snaps, parts),
		"forgotten":    forgotten,
		"new snapshot": added,
	} {
		for readData, step := range map[bool]int{false: 4, true: 9} {
			t.Run(name, func(t *testing.T) {
				duringCheck(t, b, r, readData, step, difference(t, b, after))
			})
		}
	}
}

// Two collectors end during one check: what the second takes away has been
// listed again because of the first.
func TestCheckWhileItChangesTwice(t *testing.T) {
	b, r, snaps, parts := checkRepository(t)
	once := moveEverything(t, b, r, snaps, parts)
	twice := moveEverything(t, once, r, snaps, parts)
	first, second := difference(t, b, once), difference(t, once, twice)
	rnd := rand.New(rand.NewPCG(8, 0))
	whole := faulty.New(b)
	check(t, on(r, whole), false)
	for range 24 {
		n := rnd.IntN(whole.Count(faulty.All))
		m := n + 1 + rnd.IntN(60)
		inner := b.Clone()
		hooked := faulty.New(inner)
		var mu sync.Mutex
		done := 0
		hooked.FailIf(func(faulty.Call) bool {
			mu.Lock()
			defer mu.Unlock()
			if done == 0 && hooked.Count(faulty.All) > n {
				first(t, inner)
				done++
			}
			if done == 1 && hooked.Count(faulty.All) > m {
				second(t, inner)
				done++
			}
			return false
		}, faulty.Fault{})
		if c := check(t, on(r, hooked), false); len(c.problems) > 0 {
			t.Errorf("changes before operations %d and %d:", n, m)
			c.dump(t)
		}
	}
}

// A condemned pack that is gone, while a segment still lists it, is what a
// collector leaves.
func TestCheckCondemned(t *testing.T) {
	b, r, snaps, parts := checkRepository(t)
	extra := snapshotOf(t, r, "extra", testDir{"x": [][]byte{noise(55, 50<<10)}})
	forget(t, b, extra.ID)
	for _, name := range objects(t, b, dirPacks) {
		if strings.HasPrefix(base(name), extra.Session.String()) {
			write(t, b, dirCondemned+"/"+base(name), object.Finish(object.AppendHeader(nil, 'x')))
			remove(t, b, name)
		}
	}
	for _, readData := range []bool{false, true} {
		if c := check(t, r, readData); len(c.problems) > 0 || c.Snapshots != int64(len(snaps)) {
			t.Errorf("data %v:", readData)
			c.dump(t)
		}
	}
	// A condemned pack that is there is as good as any: what is needed of it
	// is lost only when it goes.
	name := packName(where(t, r, index.Data, parts[0]).Pack)
	write(t, b, dirCondemned+"/"+base(name), object.Finish(object.AppendHeader(nil, 'x')))
	if c := check(t, r, true); len(c.problems) > 0 {
		t.Error("a condemned pack that is still there:")
		c.dump(t)
	}
	remove(t, b, name)
	if c := check(t, r, false); len(c.losses()) == 0 {
		t.Error("a condemned pack that is gone with what is needed is not reported")
	}
}

// A session that runs during the check has stored packs and no index yet; so
// has another that was there before.
func TestCheckWhileSessionsRun(t *testing.T) {
	b, r, snaps, _ := checkRepository(t)
	before := b.Clone()
	unfinished := func(host string, seed uint64) func(backend.Backend) {
		d := before.Clone()
		s := snapshotOf(t, on(r, d), host, testDir{"new": [][]byte{noise(seed, 50<<10)}})
		return func(to backend.Backend) {
			write(t, to, leaseName(s.Session, 1), []byte("unreadable"))
			for _, name := range objects(t, d, dirPacks) {
				if strings.HasPrefix(base(name), s.Session.String()) {
					write(t, to, name, read(t, d, name))
				}
			}
		}
	}
	unfinished("early", 1000)(b)
	late := unfinished("late", 1001)
	for n := 0; n < 40; n += 3 {
		inner := b.Clone()
		hooked := faulty.New(inner)
		var once sync.Once
		hooked.FailIf(func(faulty.Call) bool {
			if hooked.Count(faulty.All) > n {
				once.Do(func() { late(inner) })
			}
			return false
		}, faulty.Fault{})
		c := check(t, on(r, hooked), false)
		if len(c.about("lease")) != len(c.problems) || c.Snapshots != int64(len(snaps)) {
			t.Errorf("change before operation %d:", n)
			c.dump(t)
		}
	}
}

// Something that is listed and then, once, not found is looked for again.
func TestCheckNotFoundOnce(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	for n := range 6 {
		for _, folder := range []string{dirIndex, dirPacks} {
			flaky := faulty.New(b)
			reads := 0
			var mu sync.Mutex
			flaky.FailIf(func(c faulty.Call) bool {
				mu.Lock()
				defer mu.Unlock()
				if c.Op == faulty.ReadAt && strings.HasPrefix(c.Name, folder) {
					reads++
				}
				return c.Op == faulty.ReadAt && strings.HasPrefix(c.Name, folder) && reads == n+1
			}, faulty.Fault{Err: backend.ErrNotExist})
			if c := check(t, on(r, flaky), n%2 == 0); len(c.problems) > 0 {
				t.Errorf("read %d of %s:", n, folder)
				c.dump(t)
			}
		}
	}
}

// What an interrupted run has left behind costs nothing; what a running session
// has stored is not even that. What a lost segment lists is neither.
func TestCheckUnindexed(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	before := objects(t, b, "")
	snap := snapshotOf(t, r, "cut off", testDir{"new": [][]byte{noise(99, 50<<10)}})
	whole := b.Clone()
	for _, folder := range []string{dirIndex, dirHistory} {
		for _, name := range objects(t, b, folder) {
			if !strings.Contains(strings.Join(before, " "), name) {
				remove(t, b, name)
			}
		}
	}
	c := check(t, r, true)
	if c.Problems() > 0 || c.Notes != 2 || len(c.about("left it behind")) != 2 {
		t.Error("two packs are left over:")
		c.dump(t)
	}

	l, err := newLease(t.Context(), r, snap.Session, LeaseWriter)
	if err != nil {
		t.Fatal(err)
	}
	c = check(t, r, true)
	if len(c.problems) > 0 || !strings.Contains(strings.Join(c.NotVerified, " "), "2 packs of sessions that are still running") {
		t.Errorf("the session is alive: %q", c.NotVerified)
		c.dump(t)
	}
	// Once it is fenced it is not.
	write(t, b, fenceName(snap.Session), object.Finish(object.AppendHeader(nil, object.Fence)))
	if c = check(t, r, false); c.Notes != 2 {
		t.Error("the session is fenced, and its packs are left over:")
		c.dump(t)
	}
	if err := l.release(t.Context()); err != nil {
		t.Fatal(err)
	}

	for _, name := range objects(t, whole, dirIndex) {
		if !strings.Contains(strings.Join(before, " "), name) {
			remove(t, whole, name)
		}
	}
	for _, readData := range []bool{false, true} {
		c = check(t, on(r, whole), readData)
		c.wantLosses(t)
		if p := c.about("which has blobs that are needed"); len(p) != 2 || c.Repairable != 2 || c.Notes+c.Lost > 0 {
			t.Errorf("data %v: two packs that repair can index again are not reported as such", readData)
			c.dump(t)
		}
	}
	// Their frames are read like all others.
	for _, name := range packsOf(t, whole, index.Data) {
		if strings.HasPrefix(base(name), snap.Session.String()) {
			data := read(t, whole, name)
			data[2000] ^= 1
			write(t, whole, name, data)
		}
	}
	c = check(t, on(r, whole), true)
	c.wantLosses(t, fmt.Sprintf("%s new 0+%d", snap.ID.Short(), 50<<10))
}

// A bad sector hides nothing but itself.
func TestCheckBadSector(t *testing.T) {
	b, r, snaps, parts := checkRepository(t)
	at := where(t, r, index.Data, parts[5])
	sector := int64(at.Offset+at.Length/2) / 4096 * 4096
	bad := faulty.New(b)
	broken := errors.New("input/output error")
	bad.FailIf(func(c faulty.Call) bool {
		return c.Op == faulty.ReadAt && c.Name == packName(at.Pack) && c.Off <= sector && sector < c.Off+int64(c.Bytes)
	}, faulty.Fault{Err: broken})
	c := checkNoKey(t, bad)
	if len(c.problems) != 1 || c.problems[0].Offset != uint64(sector) || c.problems[0].Length != 4096 {
		t.Errorf("one sector at %d cannot be read:", sector)
		c.dump(t)
	}
	c = check(t, on(r, bad), true)
	if p := c.about("input/output error"); len(p) != 1 || p[0].Offset != uint64(at.Offset) || p[0].Length != uint64(at.Length) {
		t.Errorf("the frame at %d cannot be read:", at.Offset)
		c.dump(t)
	}
	if got := len(c.losses()); got != 2*len(snaps) {
		t.Errorf("%d losses, want one in each of two places in %d snapshots", got, len(snaps))
		c.dump(t)
	}
}
