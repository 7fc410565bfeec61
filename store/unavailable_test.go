package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/faulty"
)

// What storage refuses is not lost, and who wants to know is told before it is
// said; what a disk has lost is.
func TestUnavailable(t *testing.T) {
	stored, blobs := withParity(t)
	fail := func(ops faulty.Op, err error) func(faulty.Call) faulty.Fault {
		return func(c faulty.Call) faulty.Fault {
			if c.Op&ops != 0 {
				return faulty.Fault{Err: err}
			}
			return faulty.Fault{}
		}
	}
	tests := []struct {
		what string
		ops  faulty.Op
		err  error
		lost bool
		is   error
	}{
		{"forbidden", faulty.ReadAt, backend.ErrPermission, false, backend.ErrPermission},
		{"no descriptors", faulty.ReadAt, syscall.EMFILE, false, syscall.EMFILE},
		{"away", faulty.All, backend.ErrNotExist, false, ErrNoRepository},
		{"packs are gone", faulty.ReadAt, backend.ErrNotExist, true, ErrLost},
		{"bad sectors", faulty.ReadAt, syscall.EIO, true, ErrLost},
	}
	for _, test := range tests {
		b := faulty.New(stored)
		rd := openTestReader(t, b, 1<<20)
		var told error
		rd.OnUnavailable(func(err error) { told = err })
		b.Add(fail(test.ops, test.err))
		w := blobs[0]
		_, err := rd.Blob(t.Context(), w.kind, w.id)
		var refusal *UnavailableError
		if errors.Is(err, ErrLost) != test.lost || errors.As(err, &refusal) == test.lost || !errors.Is(err, test.is) {
			t.Errorf("%s: %v", test.what, err)
		}
		if (told != nil) == test.lost || !test.lost && !errors.Is(err, told) {
			t.Errorf("%s: told %v", test.what, told)
		}
	}
}

// A bit that flips in the local cache costs nothing: all can be read, nothing is
// called damaged, and the cache is sound afterwards.
func TestCachedIndexFlips(t *testing.T) {
	b, blobs := withParity(t)
	cached := func() []string {
		files, err := filepath.Glob(os.Getenv("XDG_CACHE_HOME") + "/garret/*/index/*")
		if err != nil || len(files) == 0 {
			t.Fatalf("%v, %v", files, err)
		}
		return files
	}
	openTestReader(t, b, 1<<20)
	file := cached()[0]
	sound, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		data := bytes.Clone(sound)
		for range 20 {
			data[random.IntN(len(data))] ^= 1 << random.IntN(8)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		rd := openTestReader(t, b, 1<<20)
		rd.OnHeal(func(pack index.PackID, damage error) { t.Errorf("pack %v was healed of %v", pack, damage) })
		for i, w := range blobs {
			if got, err := rd.Blob(t.Context(), w.kind, w.id); err != nil || !bytes.Equal(got, w.data) {
				t.Fatalf("blob %d: %v", i, err)
			}
		}
		if now, err := os.ReadFile(cached()[0]); err != nil || !bytes.Equal(now, sound) {
			t.Errorf("the cache is not sound afterwards: %v", err)
		}
	}
}
