package index

import (
	"slices"
	"sync"
	"testing"
)

func TestSet(t *testing.T) {
	rows := testRows(3000, 30)
	x := NewSet(segmentOf(t, rows[:1000]), segmentOf(t, rows[1000:1001]))
	x.Add(segmentOf(t, nil))
	x.Add(segmentOf(t, rows[1001:]))
	if x.Rows() != 3000 || len(x.Segments()) != 4 {
		t.Fatalf("%d rows in %d segments", x.Rows(), len(x.Segments()))
	}
	want := model(rows)
	checkAgainst(t, x, want)
	for id := range want {
		if !x.Has(id) {
			t.Fatalf("%s", id.Short())
		}
	}
	if x.Has(testID(-1)) {
		t.Fatal("has what it has not")
	}
	for i := range 3000 / 50 {
		p, s := testPack(i)
		if !x.Usable(p.ID) {
			t.Fatalf("pack %d", i)
		}
		if got, ok := x.Session(s.ID); !ok || compareSessions(got, s) != 0 {
			t.Fatalf("session of pack %d: %v", i, got)
		}
	}
	if _, ok := x.Session(SessionID{1}); ok || x.Usable(PackID{1}) {
		t.Fatal("finds what is not there")
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if x.Rows() != 0 || x.Has(rows[0].id) || len(x.Segments()) != 0 {
		t.Fatal("answers when closed")
	}
}

// Deduplicating against a pack that a collector is about to delete would lose
// the blob: only usable packs count, in segments added later too.
func TestRestrict(t *testing.T) {
	rows := testRows(2000, 31)
	usable := make(map[PackID]bool)
	asked := make(map[PackID]int)
	for i := range 41 {
		p, _ := testPack(i)
		usable[p.ID] = i%3 == 0
	}
	x := NewSet(segmentOf(t, rows[:900]))
	x.Restrict(func(p Pack) bool {
		asked[p.ID]++
		return usable[p.ID]
	})
	x.Add(segmentOf(t, rows[900:]))
	for id, locs := range model(rows) {
		good := slices.ContainsFunc(locs, func(l Location) bool { return usable[l.Pack] })
		if x.Has(id) != good {
			t.Fatalf("%s: Has is %v", id.Short(), !good)
		}
		var seen []Location
		x.Lookup(id, func(l Location) bool {
			if usable[l.Pack] && len(seen) > 0 && !usable[seen[len(seen)-1].Pack] {
				t.Fatalf("%s: a usable copy after one that is not", id.Short())
			}
			seen = append(seen, l)
			return true
		})
		slices.SortFunc(seen, compareLocations)
		if !slices.Equal(seen, locs) {
			t.Fatalf("%s: %v, want %v", id.Short(), seen, locs)
		}
	}
	for id, want := range usable {
		if x.Usable(id) != want {
			t.Fatalf("pack %s", id)
		}
		if asked[id] > 2 {
			t.Fatalf("asked %d times for a pack in 2 segments", asked[id])
		}
	}
	x.Restrict(nil)
	for _, r := range rows {
		if !x.Has(r.id) {
			t.Fatal("still restricted")
		}
	}
}

// A collector marks blobs by their ordinals: two blobs with one number would
// keep garbage, one blob with two would lose data.
func TestOrdinals(t *testing.T) {
	rows := testRows(1000, 32)
	x := NewSet(segmentOf(t, rows[:600]))
	before := make(map[ID]uint64)
	for _, r := range rows[:600] {
		before[r.id], _ = x.Ordinal(r.id)
	}
	x.Add(segmentOf(t, rows[300:]))
	owner := make(map[uint64]ID)
	for _, r := range rows {
		n, ok := x.Ordinal(r.id)
		if !ok || n >= x.Rows() {
			t.Fatalf("%s: %d of %d, %v", r.id.Short(), n, x.Rows(), ok)
		}
		if old, ok := before[r.id]; ok && old != n {
			t.Fatalf("%s: %d became %d", r.id.Short(), old, n)
		}
		if id, ok := owner[n]; ok && id != r.id {
			t.Fatalf("%s and %s are both %d", id.Short(), r.id.Short(), n)
		}
		owner[n] = r.id
	}
	if _, ok := x.Ordinal(testID(-1)); ok {
		t.Fatal("an ordinal for what is not there")
	}
}

// Look-ups go on while segments are added and restricted (run with -race).
func TestSetConcurrently(t *testing.T) {
	rows := testRows(800, 33)
	x := NewSet(segmentOf(t, rows[:100]))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := range 3000 {
				r := rows[i%100]
				if !x.Has(r.id) || len(lookup(x, r.id)) == 0 {
					t.Error("a row is gone for a while")
					return
				}
				x.Ordinal(rows[i%800].id)
				x.Usable(r.location().Pack)
			}
		})
	}
	for i := 100; i < 800; i += 100 {
		seg := segmentOf(t, rows[i:i+100])
		wg.Go(func() { x.Add(seg) })
		wg.Go(func() { x.Restrict(func(Pack) bool { return true }) })
	}
	wg.Wait()
	if x.Rows() != 800 {
		t.Fatalf("%d rows", x.Rows())
	}
	checkAgainst(t, x, model(rows))
}
