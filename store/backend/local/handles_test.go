package local_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"garret/store/backend"
	"garret/store/backend/local"
	"garret/store/backend/powercut"
)

// counting counts the files that are open and were opened.
type counting struct {
	local.FS
	open, opened *atomic.Int64
}

func newCounting(disk *powercut.FS) counting {
	return counting{disk, new(atomic.Int64), new(atomic.Int64)}
}

func (c counting) Open(path string) (local.File, error) {
	f, err := c.FS.Open(path)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	c.opened.Add(1)
	return countedFile{f, c.open}, nil
}

type countedFile struct {
	local.File
	open *atomic.Int64
}

func (f countedFile) Close() error {
	err := f.File.Close()
	if err == nil {
		f.open.Add(-1) // closing twice would be an error
	}
	return err
}

// otherProcess opens what countingBackend made, for a process of its own.
func otherProcess(t *testing.T, disk *powercut.FS) *local.Backend {
	t.Helper()
	b, err := local.OpenFS(disk, "/repo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// countingBackend returns a backend with objects packs/0 … packs/n-1, each of
// which is its own number in bytes.
func countingBackend(t *testing.T, disk *powercut.FS, n int) (*local.Backend, counting) {
	t.Helper()
	c := newCounting(disk)
	b, err := local.CreateFS(c, "/repo")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := b.Put(t.Context(), fmt.Sprintf("packs/%d", i), []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	return b, c
}

func wantRead(t *testing.T, b backend.Backend, name, want string) {
	t.Helper()
	p := make([]byte, len(want))
	if n, err := b.ReadAt(t.Context(), name, p, 0); err != nil || string(p[:n]) != want {
		t.Errorf("ReadAt(%q) = %q, %v; want %q", name, p[:n], err, want)
	}
}

// TestOnePread: reading a pack's frames opens it once.
func TestOnePread(t *testing.T) {
	b, c := countingBackend(t, powercut.New(), 3)
	defer b.Close()
	for range 100 {
		for i := range 3 {
			wantRead(t, b, fmt.Sprintf("packs/%d", i), fmt.Sprint(i))
		}
	}
	if n := c.opened.Load(); n != 3 {
		t.Errorf("3 files were opened %d times", n)
	}
	if err := b.Close(); err != nil || c.open.Load() != 0 {
		t.Errorf("Close: %v, %d files are open", err, c.open.Load())
	}
}

// TestManyFiles: the cache is bounded, whatever is read and by how many.
func TestManyFiles(t *testing.T) {
	const files, readers = 200, 4
	b, c := countingBackend(t, powercut.New(), files)
	var group sync.WaitGroup
	for r := range readers {
		group.Go(func() {
			for i := range 3 * files {
				k := (i*(2*r+1) + r) % files
				wantRead(t, b, fmt.Sprintf("packs/%d", k), fmt.Sprint(k))
				if n := c.open.Load(); n > 64+2*readers {
					t.Errorf("%d files are open", n)
				}
			}
		})
	}
	group.Wait()
	if n := c.open.Load(); n != 64 {
		t.Errorf("%d files are open afterwards, want 64", n)
	}
	if err := b.Close(); err != nil || c.open.Load() != 0 {
		t.Errorf("Close: %v, %d files are open", err, c.open.Load())
	}
}

// TestOtherProcess: what another process heals or deletes is noticed, also by
// a mount that reads without a pause; and a mount that does not read holds
// nothing open.
func TestOtherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := powercut.New()
		b, c := countingBackend(t, disk, 2)
		defer b.Close()
		other := otherProcess(t, disk)
		wantRead(t, b, "packs/0", "0")
		wantRead(t, b, "packs/1", "1")
		if err := other.Put(t.Context(), "packs/0", []byte("healed")); err != nil {
			t.Fatal(err)
		}
		if err := other.Delete(t.Context(), "packs/1"); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 1)
		for range 100 {
			time.Sleep(time.Second)
			_, _ = b.ReadAt(t.Context(), "packs/0", p, 0)
			_, _ = b.ReadAt(t.Context(), "packs/1", p, 0)
		}
		wantRead(t, b, "packs/0", "healed")
		if _, err := b.ReadAt(t.Context(), "packs/1", p, 0); !errors.Is(err, backend.ErrNotExist) {
			t.Errorf("a deleted object is read: %v", err)
		}
		time.Sleep(time.Minute)
		if n := c.open.Load(); n != 0 {
			t.Errorf("%d files are open after a minute without reads", n)
		}
		wantRead(t, b, "packs/0", "healed")
		time.Sleep(time.Minute)
		if n := c.open.Load(); n != 0 {
			t.Errorf("%d files are open after another minute", n)
		}
	})
}

// TestRefresh: after Refresh a name means what is there now, at once.
func TestRefresh(t *testing.T) {
	disk := powercut.New()
	b, _ := countingBackend(t, disk, 2)
	defer b.Close()
	other := otherProcess(t, disk)
	wantRead(t, b, "packs/0", "0")
	if err := other.Put(t.Context(), "packs/0", []byte("other")); err != nil {
		t.Fatal(err)
	}
	wantRead(t, b, "packs/0", "0")
	b.Refresh()
	wantRead(t, b, "packs/0", "other")
}

// TestReplacedWhileOpening: a read that opened the old file, and was overtaken
// by a Put, does not leave it in the cache for later reads.
func TestReplacedWhileOpening(t *testing.T) {
	disk := powercut.New()
	b, c := countingBackend(t, disk, 1)
	slow := &slowOpen{FS: c}
	r, err := local.OpenFS(slow, "/repo")
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	slow.during = func() {
		if err := r.Put(t.Context(), "packs/0", []byte("new")); err != nil {
			t.Error(err)
		}
	}
	wantRead(t, r, "packs/0", "0")
	wantRead(t, r, "packs/0", "new")
	if err := r.Close(); err != nil || c.open.Load() != 0 {
		t.Errorf("Close: %v, %d files are open", err, c.open.Load())
	}
}

// slowOpen lets something happen, once, after a file was opened and before
// its opener goes on.
type slowOpen struct {
	local.FS
	during func()
}

func (s *slowOpen) Open(path string) (local.File, error) {
	f, err := s.FS.Open(path)
	if during := s.during; during != nil {
		s.during = nil
		during()
	}
	return f, err
}
