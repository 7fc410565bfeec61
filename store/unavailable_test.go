package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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
	tests := []struct {
		what   string
		prefix string // of the objects' names
		ops    faulty.Op
		err    error
		lost   bool
		is     error
	}{
		{"forbidden", dirPacks, faulty.ReadAt, backend.ErrPermission, false, backend.ErrPermission},
		{"no descriptors", "", faulty.ReadAt, syscall.EMFILE, false, syscall.EMFILE},
		{"away", "", faulty.All, backend.ErrNotExist, false, ErrNoRepository},
		{"unplugged", "", faulty.All &^ faulty.Changes, syscall.EIO, false, syscall.EIO},
		{"packs are gone", dirPacks, faulty.ReadAt, backend.ErrNotExist, true, ErrLost},
		{"bad sectors", dirPacks, faulty.ReadAt, syscall.EIO, true, ErrLost},
	}
	for _, test := range tests {
		b := faulty.New(stored)
		rd := openTestReader(t, b, 1<<20)
		var told error
		rd.OnUnavailable(func(err error) { told = err })
		b.Add(func(c faulty.Call) faulty.Fault {
			packs := strings.HasPrefix(c.Name, dirPacks) || strings.HasPrefix(c.Name, dirParity) // what could heal them, too
			if c.Op&test.ops != 0 && (test.prefix == "" || packs) {
				return faulty.Fault{Err: test.err}
			}
			return faulty.Fault{}
		})
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

// What is damaged, and whose parity is refused, is not lost; when the parity can be
// read again, it is healed.
func TestParityRefused(t *testing.T) {
	stored, blobs := withParity(t)
	for _, name := range objects(t, stored, dirPacks) {
		data := bytes.Clone(read(t, stored, name))
		clear(data[:8<<10])
		write(t, stored, name, data)
	}
	b := faulty.New(stored)
	rd := openTestReader(t, b, 1<<20)
	var refusing atomic.Bool
	refusing.Store(true)
	b.FailIf(func(c faulty.Call) bool {
		return refusing.Load() && c.Op == faulty.ReadAt && strings.HasPrefix(c.Name, dirParity)
	}, faulty.Fault{Err: backend.ErrPermission})
	refused := 0
	for _, w := range blobs {
		_, err := rd.Blob(t.Context(), w.kind, w.id)
		var refusal *UnavailableError
		if errors.Is(err, ErrLost) || err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		if err != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("nothing needed its parity")
	}
	refusing.Store(false)
	for i, w := range blobs {
		if got, err := rd.Blob(t.Context(), w.kind, w.id); err != nil || !bytes.Equal(got, w.data) {
			t.Fatalf("blob %d: %v", i, err)
		}
	}
}

// What is in an index segment that storage refuses is not lost.
func TestSegmentRefused(t *testing.T) {
	stored, blobs := withParity(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // another machine
	b := faulty.New(stored)
	var refusing atomic.Bool
	refusing.Store(true)
	b.FailIf(func(c faulty.Call) bool {
		return refusing.Load() && c.Op == faulty.ReadAt && (strings.HasPrefix(c.Name, dirIndex) || strings.HasPrefix(c.Name, dirParity))
	}, faulty.Fault{Err: backend.ErrPermission})
	rd := openTestReader(t, b, 1<<20)
	w := blobs[0]
	if _, err := rd.Blob(t.Context(), w.kind, w.id); errors.Is(err, ErrLost) || !errors.Is(err, backend.ErrPermission) {
		t.Error(err)
	}
	refusing.Store(false)
	if got, err := rd.Blob(t.Context(), w.kind, w.id); err != nil || !bytes.Equal(got, w.data) {
		t.Errorf("when it is not refused any more: %v", err)
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
		other := openTestReader(t, b, 1<<20)
		rd := openTestReader(t, b, 1<<20)
		rd.OnHeal(func(pack index.PackID, damage error) { t.Errorf("pack %v was healed of %v", pack, damage) })
		for i, w := range blobs {
			if got, err := rd.Blob(t.Context(), w.kind, w.id); err != nil || !bytes.Equal(got, w.data) {
				t.Fatalf("blob %d: %v", i, err)
			}
		}
		// Another reader, who has mapped what was not sound, is not helped by that the
		// file is sound again.
		for i, w := range blobs {
			if got, err := other.Blob(t.Context(), w.kind, w.id); err != nil || !bytes.Equal(got, w.data) {
				t.Fatalf("the other reader: blob %d: %v", i, err)
			}
		}
		if now, err := os.ReadFile(cached()[0]); err != nil || !bytes.Equal(now, sound) {
			t.Errorf("the cache is not sound afterwards: %v", err)
		}
	}
}
