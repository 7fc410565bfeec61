package store

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
)

func leaseNames(t *testing.T, b backend.Backend) (names []string) {
	t.Helper()
	list, err := backend.List(t.Context(), b, dirLeases)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name)
	}
	return names
}

func storeBlobs(t *testing.T, r *Repository, seed uint64) []blob {
	t.Helper()
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blobs := putBlobs(t, s, 20, seed)
	commit(t, s, "host")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return blobs
}

// A mount that runs for weeks must not stop collectors for weeks: the lease that
// they found goes, but not before another is there and the index has been
// listed again.
func TestRenew(t *testing.T) {
	inner := mem.New()
	b := faulty.New(inner)
	r := newTestRepository(t, b)
	before := storeBlobs(t, r, 1)
	rd, err := r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	after := storeBlobs(t, r, 2)
	old := leaseNames(t, inner)

	var steps []string
	b.Add(func(c faulty.Call) faulty.Fault {
		switch {
		case c.Op == faulty.Put && strings.HasPrefix(c.Name, dirLeases):
			steps = append(steps, "new lease")
		case c.Op == faulty.List && c.Name == dirIndex:
			steps = append(steps, "index")
		case c.Op == faulty.Delete && strings.HasPrefix(c.Name, dirLeases):
			steps = append(steps, "old lease gone")
		}
		return faulty.Fault{}
	})
	if err := rd.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"new lease", "index", "old lease gone"}; !slices.Equal(steps, want) {
		t.Errorf("in this order: %q, want %q", steps, want)
	}
	renewed := leaseNames(t, inner)
	if len(old) != 1 || len(renewed) != 1 || strings.Split(old[0], ".")[0] == strings.Split(renewed[0], ".")[0] {
		t.Errorf("leases %q, then %q", old, renewed)
	}
	for _, blob := range append(before, after...) {
		if got, err := rd.Blob(t.Context(), blob.kind, blob.id); err != nil || !bytes.Equal(got, blob.data) {
			t.Errorf("blob %s: %v", blob.id.Short(), err)
		}
	}
	if err := rd.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if left := leaseNames(t, inner); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// A renewal that fails, at whatever step, leaves the reader with one lease at
// least, and it reads on.
func TestRenewFails(t *testing.T) {
	for n := 1; ; n++ {
		inner := mem.New()
		b := faulty.New(inner)
		r := newTestRepository(t, b)
		blobs := storeBlobs(t, r, 1)
		rd, err := r.NewReader(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		const ops = faulty.Put | faulty.Delete | faulty.List | faulty.Size
		begun := b.Count(ops)
		b.FailAt(n, ops, faulty.Fault{Err: errors.New("no route to host")})
		failed := rd.Renew(t.Context())
		over := b.Count(ops)-begun < n
		if len(leaseNames(t, inner)) == 0 {
			t.Errorf("step %d: no lease is left", n)
		}
		for _, blob := range blobs {
			if got, err := rd.Blob(t.Context(), blob.kind, blob.id); err != nil || !bytes.Equal(got, blob.data) {
				t.Fatalf("step %d: blob %s: %v", n, blob.id.Short(), err)
			}
		}
		_ = rd.Close(t.Context()) // the fault may meet it
		if over {
			if n < 4 || failed != nil {
				t.Errorf("%d steps, %v", n, failed)
			}
			return
		}
	}
}

// A repository that was moved away is told from one in which something is
// missing, and does not make a reader forget what it has.
func TestPresent(t *testing.T) {
	b := mem.New()
	r := newTestRepository(t, b)
	rd, err := r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Present(t.Context()); err != nil {
		t.Errorf("present: %v", err)
	}
	for _, left := range []bool{true, false} {
		if err := b.Delete(t.Context(), configName(1, !left)); err != nil {
			t.Fatal(err)
		}
		if err := r.Present(t.Context()); left != (err == nil) || !left && !errors.Is(err, backend.ErrNotExist) {
			t.Errorf("one copy left is %v: %v", left, err)
		}
	}
	before := leaseNames(t, b)
	if err := rd.Renew(t.Context()); !errors.Is(err, backend.ErrNotExist) || !slices.Equal(before, leaseNames(t, b)) {
		t.Errorf("renewed while it was away: %v", err)
	}
	other := mem.New()
	newTestRepository(t, other)
	if err := b.Put(t.Context(), configName(1, false), read(t, other, configName(1, false))); err != nil {
		t.Fatal(err)
	}
	if err := r.Present(t.Context()); !errors.Is(err, backend.ErrNotExist) || !strings.Contains(err.Error(), "another repository") {
		t.Errorf("another repository's config: %v", err)
	}
	if err := b.Delete(t.Context(), configName(1, false)); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), configName(2, false), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := r.Present(t.Context()); err != nil {
		t.Errorf("with a newer config: %v", err)
	}
}
