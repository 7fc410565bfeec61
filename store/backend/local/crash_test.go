package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"garret/store/backend"
	"garret/store/backend/backendtest"
	"garret/store/backend/local"
	"garret/store/backend/powercut"
)

func TestConformanceOnPowerCutFS(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend {
		b, err := local.CreateFS(powercut.New(), "/srv/repo")
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

// history knows what a backend has promised.
type history struct {
	mu sync.Mutex
	// may holds what each object may be found as: the last state that was
	// promised, and the one that an operation under way leads to. nil is
	// absence.
	may map[string][][]byte
}

// change carries out an operation that leads to the state after.
func (h *history) change(name string, after []byte, do func() error) error {
	h.mu.Lock()
	if h.may[name] == nil {
		h.may[name] = [][]byte{nil}
	}
	h.may[name] = append(h.may[name], after)
	h.mu.Unlock()
	err := do()
	if err == nil {
		h.mu.Lock()
		h.may[name] = [][]byte{after}
		h.mu.Unlock()
	}
	return err
}

func (h *history) put(b backend.Backend, name string, data []byte) error {
	return h.change(name, data, func() error { return b.Put(context.Background(), name, data) })
}

func (h *history) delete(b backend.Backend, name string) error {
	return h.change(name, nil, func() error { return b.Delete(context.Background(), name) })
}

// problem says what is wrong with a repository that was found after a crash.
func (h *history) problem(left backend.Backend) error {
	ctx := context.Background()
	entries, err := backend.List(ctx, left, "")
	if err != nil {
		return err
	}
	listed := make(map[string]bool)
	for _, e := range entries {
		listed[e.Name] = true
		if h.may[e.Name] == nil {
			return fmt.Errorf("%q was never put", e.Name)
		}
	}
	for name, states := range h.may {
		data, err := backend.ReadAll(ctx, left, name, 1<<20)
		if errors.Is(err, backend.ErrNotExist) {
			data, err = nil, nil
		}
		if err != nil {
			return err
		}
		if listed[name] != (data != nil) {
			return fmt.Errorf("%q: listed is %v, there is %v", name, listed[name], data != nil)
		}
		if !isOneOf(data, states) {
			return fmt.Errorf("%q is lost, torn or back: %d bytes", name, len(data))
		}
	}
	return nil
}

func isOneOf(data []byte, states [][]byte) bool {
	for _, s := range states {
		if (s == nil) == (data == nil) && bytes.Equal(s, data) {
			return true
		}
	}
	return false
}

// work creates a repository and puts, replaces and deletes objects in new and
// old folders, until it is interrupted.
func (h *history) work(fsys local.FS) error {
	b, err := local.CreateFS(fsys, "/srv/repo")
	if err != nil {
		return err
	}
	defer b.Close()
	steps := []func() error{
		func() error { return h.put(b, "config.1", object(1)) },
		func() error { return h.put(b, "packs/00/00aa", object(2)) },
		func() error { return h.put(b, "packs/00/00ab", object(3)) },
		func() error { return h.put(b, "packs/01/01aa", object(4)) },
		func() error { return h.put(b, "packs/00/00aa", object(5)) },
		func() error { return h.put(b, "index/00", object(6)) },
		func() error { return h.delete(b, "packs/00/00ab") },
		func() error { return h.delete(b, "index/00") },
		func() error { return h.put(b, "packs/00/00ab", object(7)) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// object returns the i-th test object: some 10 KB that are unlike any other's.
func object(i int) []byte {
	data := make([]byte, 10000+i)
	rand.NewChaCha8([32]byte{byte(i)}).Read(data)
	return data
}

// firstProblem cuts the power at every point of the work, on the disk as wrap
// shows it, and returns the first thing that is wrong afterwards.
func firstProblem(t *testing.T, wrap func(*powercut.FS) local.FS) error {
	t.Helper()
	for n := 0; ; n++ {
		disk := powercut.New()
		disk.CutAfter(n)
		h := &history{may: make(map[string][][]byte)}
		err := h.work(wrap(disk))
		if err != nil && !errors.Is(err, powercut.ErrCut) {
			t.Fatalf("the work failed: %v", err)
		}
		for seed := range uint64(12) {
			if err := h.problemOn(disk.Crash(seed)); err != nil {
				return fmt.Errorf("power cut after %d changes, outcome %d: %w", n, seed, err)
			}
		}
		if err == nil {
			return nil // the whole work, and then a power cut
		}
	}
}

func (h *history) problemOn(disk *powercut.FS) error {
	left, err := local.OpenFS(disk, "/srv/repo")
	if errors.Is(err, backend.ErrNotExist) && len(h.may) == 0 {
		left, err = local.CreateFS(disk, "/srv/repo") // Create had not returned; try again
	}
	if err != nil {
		return err
	}
	defer left.Close()
	return h.problem(left)
}

func TestPowerCut(t *testing.T) {
	if err := firstProblem(t, func(disk *powercut.FS) local.FS { return disk }); err != nil {
		t.Error(err)
	}
}

// TestLyingDisk: the same test finds the loss on disks that skip one of the
// steps; without that it would prove nothing.
func TestLyingDisk(t *testing.T) {
	disks := map[string]func(*powercut.FS) local.FS{
		"without fsync of files":               func(d *powercut.FS) local.FS { return noSync{d} },
		"without fsync of folders":             func(d *powercut.FS) local.FS { return noSyncDir{d, ""} },
		"without fsync of the root":            func(d *powercut.FS) local.FS { return noSyncDir{d, "/srv/repo"} },
		"without fsync of the root's parent":   func(d *powercut.FS) local.FS { return noSyncDir{d, "/srv"} },
		"without fsync of the folders' folder": func(d *powercut.FS) local.FS { return noSyncDir{d, "/srv/repo/packs"} },
		"without fsync of the objects' folder": func(d *powercut.FS) local.FS { return noSyncDir{d, "/srv/repo/packs/00"} },
	}
	for name, wrap := range disks {
		err := firstProblem(t, wrap)
		if err == nil {
			t.Errorf("a disk %s passes", name)
		}
		t.Logf("%s: %v", name, err)
	}
}

type noSyncDir struct {
	local.FS
	only string // the folder; all if empty
}

func (n noSyncDir) SyncDir(path string) error {
	if n.only == "" || n.only == path {
		return nil
	}
	return n.FS.SyncDir(path)
}

type noSync struct{ local.FS }

func (n noSync) Create(path string) (local.File, error) {
	f, err := n.FS.Create(path)
	return noSyncFile{f}, err
}

type noSyncFile struct{ local.File }

func (noSyncFile) Sync() error { return nil }

// TestPowerCutConcurrent: many writers that share folders, and another process
// that made a folder and died before it had synced it.
func TestPowerCutConcurrent(t *testing.T) {
	for n := range 150 {
		disk := powercut.New()
		if _, err := local.CreateFS(disk, "/srv/repo"); err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{"/srv/repo/packs", "/srv/repo/packs/00"} {
			if err := disk.Mkdir(folder); err != nil {
				t.Fatal(err)
			}
		}
		disk.CutAfter(n)
		h := &history{may: make(map[string][][]byte)}
		var writers sync.WaitGroup
		for w := range 4 {
			b, err := local.OpenFS(disk, "/srv/repo") // two processes, of two writers each
			if err != nil {
				break // the power is cut
			}
			for i := range 2 {
				writers.Go(func() {
					for j := range 6 {
						k := 12*w + 6*i + j
						_ = h.put(b, fmt.Sprintf("packs/%02d/%d", j%3, k), object(k))
					}
				})
			}
		}
		writers.Wait()
		for seed := range uint64(4) {
			if err := h.problemOn(disk.Crash(seed)); err != nil {
				t.Errorf("power cut after %d changes, outcome %d: %v", n, seed, err)
			}
		}
	}
}
