package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
)

// manyRuns makes a repository of n runs, each of which stores two blobs.
func manyRuns(t *testing.T, n int) (*mem.Backend, []blob) {
	t.Helper()
	b := mem.New()
	r := newTestRepository(t, b)
	var blobs []blob
	for i := range n {
		s, err := r.NewSession(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []index.Kind{index.Data, index.Tree} {
			data := fmt.Appendf(nil, "%v %d", kind, i)
			w := blob{kind, s.ID(kind, data), data}
			if _, err := s.Put(t.Context(), kind, w.id, data); err != nil {
				t.Fatal(err)
			}
			blobs = append(blobs, w)
		}
		commit(t, s, "host")
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return b, blobs
}

// mapped opens b in a new process's way and says how many segments it maps.
func mapped(t *testing.T, b backend.Backend, blobs []blob) (segments int, lost int) {
	t.Helper()
	r := openTestRepository(t, b)
	rd, err := r.NewReader(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	for _, w := range blobs {
		got, err := rd.Blob(t.Context(), w.kind, w.id)
		switch {
		case errors.Is(err, ErrLost):
			lost++
		case err != nil || !bytes.Equal(got, w.data):
			t.Fatalf("%q: %q, %v", w.data, got, err)
		}
	}
	return len(rd.Index().Segments()), lost
}

// After many runs a look-up asks few tables, nothing is lost by it, and the
// index is not fetched again.
func TestSegmentsAreMerged(t *testing.T) {
	const runs = 150
	storage, blobs := manyRuns(t, runs)
	reads := faulty.New(storage)
	reads.FailIf(func(c faulty.Call) bool {
		return c.Op == faulty.ReadAt && len(c.Name) > len(dirIndex) && c.Name[:len(dirIndex)] == dirIndex
	}, faulty.Fault{Err: errors.New("the index was read")})
	segments, lost := mapped(t, reads, blobs)
	if segments > looseSegments+8 || lost != 0 {
		t.Errorf("of %d runs %d tables are left, %d blobs are lost", runs, segments, lost)
	}
	// Another machine, whose cache is empty: all at once, then merged.
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if segments, lost := mapped(t, storage, blobs); segments != runs || lost != 0 {
		t.Errorf("without a cache %d tables, %d blobs are lost", segments, lost)
	}
	if segments, lost := mapped(t, reads, blobs); segments != 1 || lost != 0 {
		t.Errorf("then %d tables, %d blobs are lost", segments, lost)
	}
}

// What the repository lists counts: a merged file is forgotten when one of its
// segments is gone, and whatever happens to the file itself costs nothing.
func TestMergedIsOnlyACache(t *testing.T) {
	storage, blobs := manyRuns(t, 2*looseSegments)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	mapped(t, storage, blobs)
	merged := func() (path string) {
		t.Helper()
		all := openTestRepository(t, storage).cache.Merged()
		if len(all) != 1 || len(all[0].IDs) != 2*looseSegments {
			t.Fatalf("merged: %v", all)
		}
		return all[0].Path
	}
	for what, damage := range map[string]func(path string) error{
		"cut short":        func(path string) error { return os.Truncate(path, 1000) },
		"empty":            func(path string) error { return os.Truncate(path, 0) },
		"gone":             os.Remove,
		"its list is gone": func(path string) error { return os.Remove(path + ".of") },
		"its list is cut":  func(path string) error { return os.Truncate(path+".of", 40) },
	} {
		if err := damage(merged()); err != nil {
			t.Fatal(err)
		}
		if segments, lost := mapped(t, storage, blobs); segments != 2*looseSegments || lost != 0 {
			t.Errorf("%s: %d tables, %d blobs are lost", what, segments, lost)
		}
	}
	// A check reads the index from the repository and trusts nothing here.
	if c := check(t, openTestRepository(t, storage), false); c.Segments != 2*looseSegments {
		t.Errorf("a check has read %d segments", c.Segments)
	}
	if all := openTestRepository(t, storage).cache.Merged(); len(all) != 0 {
		t.Errorf("after a check there is %v", all)
	}
	mapped(t, storage, blobs)
	merged()

	gone := objects(t, storage, dirIndex)[0]
	remove(t, storage, gone)
	if _, lost := mapped(t, storage, blobs); lost != 2 {
		t.Errorf("%d blobs are lost with a segment that listed two", lost)
	}
}

// A segment that has suffered in the local cache is not merged, for what is merged
// gets checksums of its own: it is fetched again.
func TestMergeVerifies(t *testing.T) {
	storage, blobs := manyRuns(t, looseSegments) // not yet so many that they are merged
	if n, lost := mapped(t, storage, blobs); n != looseSegments || lost != 0 {
		t.Fatalf("%d segments, %d blobs lost", n, lost)
	}
	files, err := filepath.Glob(os.Getenv("XDG_CACHE_HOME") + "/garret/*/index/*")
	if err != nil || len(files) < looseSegments {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := openTestRepository(t, storage)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("one more")
	w := blob{index.Data, s.ID(index.Data, data), data}
	if _, err := s.Put(t.Context(), w.kind, w.id, data); err != nil {
		t.Fatal(err)
	}
	blobs = append(blobs, w)
	commit(t, s, "host")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 { // one of them merges
		if _, lost := mapped(t, storage, blobs); lost != 0 {
			t.Errorf("%d blobs are lost", lost)
		}
	}
}
