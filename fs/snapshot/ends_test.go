package snapshot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

// failing fails at some Put.
type failing struct {
	Store
	left int
	err  error
}

func (f *failing) Put(ctx context.Context, kind index.Kind, id index.ID, data []byte) (bool, error) {
	if f.left--; f.left < 0 {
		return false, f.err
	}
	return f.Store.Put(ctx, kind, id, data)
}

func (f *failing) PutPart(ctx context.Context, id index.ID, data []byte) (bool, error) {
	return f.Put(ctx, index.Data, id, data)
}

func (b *bench) many() {
	for i := range 300 {
		b.write("d"+nameOf(i%5)+"/"+nameOf(i), noise(uint64(i), 2000))
	}
	b.write("large", noise(1, 20_000_000))
}

// goroutines checks that none is left.
func goroutines(t *testing.T, before int) {
	t.Helper()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// An error of the store ends the run at once, and leaves nothing behind.
func TestStoreFails(t *testing.T) {
	b := newBench(t)
	b.many()
	full := errors.New("no space")
	for _, after := range []int{0, 1, 7, 150, 400} {
		before, open := runtime.NumGoroutine(), descriptors(t)
		b.o.Store = &failing{Store: b.store, left: after, err: full}
		b.store = newBench(t).store
		r, err := Run(context.Background(), b.o)
		if !errors.Is(err, full) || r != nil {
			t.Errorf("after %d blobs: %v, %v", after, r, err)
		}
		goroutines(t, before)
		if n := descriptors(t); n != open {
			t.Errorf("after %d blobs: %d descriptors, %d before", after, n, open)
		}
	}
}

func TestCancel(t *testing.T) {
	b := newBench(t)
	b.many()
	for _, at := range []string{"", nameOf(0), "large", "cut"} {
		before, open := runtime.NumGoroutine(), descriptors(t)
		ctx, cancel := context.WithCancelCause(context.Background())
		b.o.openFile = func(name string, open func() (file, error)) (file, error) {
			if name == at {
				cancel(nil)
			}
			f, err := open()
			if at == "cut" && name == "large" {
				f = &touched{file: f, at: 5, do: func() error { cancel(nil); return nil }}
			}
			return f, err
		}
		if at == "" {
			cancel(nil)
		}
		started := time.Now()
		if r, err := Run(ctx, b.o); !errors.Is(err, context.Canceled) || r != nil {
			t.Errorf("at %q: %v, %v", at, r, err)
		}
		if d := time.Since(started); d > 5*time.Second {
			t.Errorf("at %q: returns after %v", at, d)
		}
		cancel(nil)
		goroutines(t, before)
		if n := descriptors(t); n != open {
			t.Errorf("at %q: %d descriptors, %d before", at, n, open)
		}
	}
}

// Stop leaves a tree of what was reached, all of it sound.
func TestStop(t *testing.T) {
	b := newBench(t)
	b.many()
	stop := make(chan struct{})
	b.o.Stop = stop
	b.o.Item = func(i Item) {
		if i.Path == "d"+nameOf(2) {
			close(stop)
		}
	}
	before, open := runtime.NumGoroutine(), descriptors(t)
	r := b.run()
	goroutines(t, before)
	if n := descriptors(t); n != open {
		t.Errorf("%d descriptors, %d before", n, open)
	}
	if !r.Partial || r.Root == nil || r.Root.Dir.Total == 0 || r.Root.Dir.Total >= 306 {
		t.Fatalf("%+v", r)
	}
	v := b.tree(r)
	for _, path := range paths(t, v)[1:] {
		e := resolve(t, v, path)
		if e.Type == tree.Regular {
			want, err := os.ReadFile(b.path(path))
			b.must(err)
			if !bytes.Equal(content(t, v, path), want) {
				t.Errorf("%s differs", path)
			}
		}
	}
}

// slow is a store to which the readers are always ahead.
type slow struct {
	*treetest.Store
	put  func(index.Kind)
	wait time.Duration
}

func (s slow) Put(ctx context.Context, kind index.Kind, id index.ID, data []byte) (bool, error) {
	s.put(kind)
	time.Sleep(s.wait)
	return s.Store.Put(ctx, kind, id, data)
}

func (s slow) PutPart(ctx context.Context, id index.ID, data []byte) (bool, error) {
	return s.Put(ctx, index.Data, id, data)
}

// Stop ends a run in the middle of a file too, though its next chunk is always
// there: a disk image over a slow line would go on for hours.
func TestStopInFile(t *testing.T) {
	b := newBench(t)
	b.write("image", noise(1, 5_000_000))
	stop, after := make(chan struct{}), -1
	b.o.Stop = stop
	b.o.Store = slow{b.store, func(kind index.Kind) {
		switch {
		case kind != index.Data:
		case after >= 0:
			after++
		default:
			after = 0
			close(stop)
		}
	}, 20 * time.Millisecond}
	r := b.run()
	if !r.Partial || r.Stats.FilesRead != 0 || after > 0 {
		t.Errorf("partial %v, %d files; %d chunks were stored after the stop", r.Partial, r.Stats.Files, after)
	}
}
