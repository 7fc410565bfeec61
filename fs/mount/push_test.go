package mount

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/view"
	"garret/index"
)

// counting counts the pieces of files that are asked for though they may not be
// in memory.
type counting struct {
	inMemory
	loads atomic.Int64
}

func (c *counting) Borrow(ctx context.Context, kind index.Kind, id index.ID) ([]byte, func(), error) {
	if kind == index.Data {
		c.loads.Add(1)
	}
	return c.inMemory.Borrow(ctx, kind, id)
}

// mountCounting mounts a tree whose loads and READs are counted.
func mountCounting(t *testing.T, root *item) (mnt string, store *counting, reads *atomic.Int64) {
	t.Helper()
	_, stored := newTree(t, root)
	store = &counting{inMemory: inMemory{stored}}
	opened := view.New(store, &root.Node, view.Options{})
	mnt = t.TempDir()
	s, err := MountTree(mnt, opened, opened.Root(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	return mnt, store, &s.connection.reads
}

// Who reads the files of a directory one after another waits for few of them:
// the others are in the kernel's cache when they are asked for. And they hold
// what was stored, to the last byte of the last page.
func TestSiblingsArePushed(t *testing.T) {
	root := dir("")
	const count = 300
	for i := range count {
		f := file(fmt.Sprintf("f%03d", i), piece{data: noise(uint64(i), 200+i*61)})
		switch {
		case i%50 == 20:
			f = symlink(f.Name, "f000")
		case i%50 == 30:
			f = file(f.Name, piece{data: noise(uint64(i), pushLargest)}, piece{data: noise(uint64(i), 777)})
		case i%50 == 40:
			f = text(f.Name, "")
		}
		root.children = append(root.children, f)
	}
	mnt, _, reads := mountCounting(t, root)
	if _, err := os.ReadDir(mnt); err != nil { // so that the kernel knows them
		t.Fatal(err)
	}
	for _, f := range root.children {
		if got, err := os.ReadFile(mnt + "/" + f.Name); f.Target == "" && (err != nil || !bytes.Equal(got, f.content())) {
			t.Fatalf("%s: %d bytes of %d, %v", f.Name, len(got), f.Size, err)
		}
	}
	// Without pushing it would be one for each, and two for each large one.
	if n := reads.Load(); n > count/2 {
		t.Errorf("%d of %d files were waited for", n, count)
	}
}

// What the kernel has not looked up is not pushed, and nothing breaks.
func TestUnknownSiblings(t *testing.T) {
	root := dir("", file("a", piece{data: noise(1, 5000)}), file("b", piece{data: noise(2, 5000)}), file("c", piece{data: noise(3, 5000)}))
	mnt, _, reads := mountCounting(t, root)
	for _, f := range root.children {
		if got, err := os.ReadFile(mnt + "/" + f.Name); err != nil || !bytes.Equal(got, f.content()) {
			t.Errorf("%s: %d bytes, %v", f.Name, len(got), err)
		}
	}
	if n := reads.Load(); n != 3 {
		t.Errorf("%d READs of 3 files", n)
	}
}

// A stretch grows while a reader goes on where it ended, is pushed once, and
// begins anew with a reader who starts over.
func TestPushClaims(t *testing.T) {
	var p pusher
	steps := []struct {
		position   uint64
		window     int
		sequential bool
		next       uint64 // what is released
	}{
		{10, pushFirst, false, 19},
		{11, 0, false, 0}, // on its way
		{18, 0, false, 0},
		{19, pushMost, true, 134},
		{134, pushMost, true, 199},
		{300, pushFirst, false, 365}, // left some out
		{10, pushFirst, false, 19},   // from the start
		{10, pushFirst, false, 11},
		{11, pushMost, true, 80},
	}
	for i, s := range steps {
		window, sequential := p.claim(7, s.position)
		if window != s.window || sequential != s.sequential {
			t.Fatalf("step %d: %d, %v", i, window, sequential)
		}
		if window == 0 {
			continue
		}
		if again, _ := p.claim(7, s.position+1); again != 0 {
			t.Fatalf("step %d: pushed by two at once", i)
		}
		p.release(7, s.next)
	}
	if window, _ := p.claim(8, 5); window != pushFirst {
		t.Errorf("another directory: %d", window)
	}
	if window, sequential := p.claim(9, 82); window != pushMost || !sequential {
		t.Errorf("the directory that follows one that was gone through: %d, %v", window, sequential)
	}
}

// A sequential reader finds the next pieces loaded, even if the kernel does not
// read ahead.
func TestReadAhead(t *testing.T) {
	const size, pieces = 256 << 10, 12
	large := file("large")
	for i := range pieces {
		large.pieces = append(large.pieces, piece{data: noise(uint64(i), size)})
	}
	mnt, store, _ := mountCounting(t, dir("", large))
	f, err := os.Open(mnt + "/large")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM); err != nil {
		t.Fatal(err)
	}
	buf, want := make([]byte, 4096), large.content()
	for i := range 3 {
		if _, err := io.ReadFull(f, buf); err != nil || !bytes.Equal(buf, want[i*4096:][:4096]) {
			t.Fatal(i, err)
		}
	}
	eventually(t, "two pieces are loaded ahead", func() bool { return store.loads.Load() == aheadParts })
	// Elsewhere and back: nothing is loaded ahead.
	before := store.loads.Load()
	for i := range 6 {
		at := (pieces - 1 - i*7%pieces) * size
		if _, err := f.ReadAt(buf, int64(at)); err != nil || !bytes.Equal(buf, want[at:][:4096]) {
			t.Fatal(at, err)
		}
	}
	if n := store.loads.Load() - before; n > 2*aheadParts {
		t.Errorf("%d loads ahead of 6 reads at random", n)
	}
}

// What is being loaded for a reader ends when he goes elsewhere, and no more is
// loaded at once than is allowed.
func TestReadAheadIsCancelled(t *testing.T) {
	a := newReadahead(t.Context())
	var stream context.Context
	for i := range uint64(4) {
		ctx, from, ok := a.follow(9, i<<17, 1<<17)
		if ok != (i >= aheadReads) || ok && from != (i+1)<<17 {
			t.Fatalf("read %d: %v, from %d", i, ok, from)
		}
		stream = ctx
	}
	for i := range aheadLoads + 1 {
		begun := a.load(stream, func(ctx context.Context) { <-ctx.Done() })
		if begun != (i < aheadLoads) {
			t.Fatalf("load %d: %v", i, begun)
		}
	}
	a.reached(9, 5<<20)
	if _, from, ok := a.follow(9, 4<<17, 1<<17); !ok || from != 5<<20 {
		t.Errorf("what has been loaded is loaded again, from %d", from)
	}
	if _, _, ok := a.follow(9, 1<<30, 1<<17); ok {
		t.Error("after a seek it is read ahead at once")
	}
	a.wait() // would hang if they were not cancelled
}
