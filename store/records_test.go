package store

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
)

// What was kept of the records is what is in them, and with it neither a list nor
// an open reads them again.
func TestRecords(t *testing.T) {
	inner := mem.New()
	r := newTestRepository(t, inner)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []SnapshotID
	for _, host := range []string{"a", "b", "c"} {
		ids = append(ids, commit(t, s, host).ID)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want, _, err := r.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	use := func(c *Records, want []*Snapshot) {
		t.Helper()
		got, problems, err := c.Snapshots(t.Context())
		if err != nil || len(problems) > 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, %v; want %+v", got, problems, err, want)
		}
		for _, snap := range want {
			root, err := c.Root(t.Context(), snap.ID)
			if err != nil || string(root) != "root of "+snap.Host {
				t.Errorf("root of %s: %q, %v", snap.Host, root, err)
			}
		}
	}
	c := openTestRepository(t, inner).Records()
	use(c, want)
	c.Close() // keeps the roots, too

	b := faulty.New(inner)
	again := openTestRepository(t, b)
	reads := b.Count(faulty.ReadAt)
	c = again.Records()
	use(c, want)
	if n := b.Count(faulty.ReadAt) - reads; n != 0 {
		t.Errorf("%d reads", n)
	}

	// Removed ones are forgotten, also when they come back as something else.
	if err := again.RemoveSnapshot(t.Context(), ids[1]); err != nil {
		t.Fatal(err)
	}
	want = slices.Delete(want, 1, 2)
	use(c, want)
	if bytes.Contains(again.cache.Records(), []byte(ids[1].String())) {
		t.Error("a removed snapshot is kept")
	}
}

// A cache that is damaged, or another's, costs only time.
func TestRecordsDamaged(t *testing.T) {
	b := mem.New()
	r := newTestRepository(t, b)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := commit(t, s, "a").ID
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := r.Records()
	for range 2 {
		if _, _, err := c.Snapshots(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Root(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	good := r.cache.Records()
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		if got := parseRecords(bad); got != nil {
			t.Fatalf("byte %d changed: %+v", i, got)
		}
	}
	for i := range good {
		if got := parseRecords(good[:i]); got != nil {
			t.Fatalf("cut at %d: %+v", i, got)
		}
	}
	if err := r.cache.SetRecords([]byte("something else")); err != nil {
		t.Fatal(err)
	}
	again := openTestRepository(t, b)
	if list, _, err := again.Records().Snapshots(t.Context()); err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("%v, %v", list, err)
	}
	if len(parseRecords(again.cache.Records())) != 1 {
		t.Error("the cache was not made anew")
	}
	// What is not listed is not believed.
	if err := backendClear(t, b, dirHistory); err != nil {
		t.Fatal(err)
	}
	if list, _, err := openTestRepository(t, b).Records().Snapshots(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func backendClear(t *testing.T, b backend.Backend, dir string) error {
	list, err := backend.List(t.Context(), b, dir)
	for _, e := range list {
		if err == nil {
			err = b.Delete(t.Context(), e.Name)
		}
	}
	return err
}
