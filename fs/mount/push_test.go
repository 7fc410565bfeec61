package mount

import (
	"bytes"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"garret/fs/view"
)

// mountCounting mounts a tree whose READs are counted.
func mountCounting(t *testing.T, root *item) (mnt string, reads *atomic.Int64) {
	t.Helper()
	_, stored := newTree(t, root)
	opened := view.New(inMemory{stored}, &root.Node, view.Options{})
	mnt = t.TempDir()
	s, err := MountTree(mnt, opened, opened.Root(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	return mnt, &s.connection.reads
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
	mnt, reads := mountCounting(t, root)
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
	mnt, reads := mountCounting(t, root)
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
		position uint64
		window   int
		next     uint64 // what is released
	}{
		{10, pushFirst, 19},
		{11, 0, 0}, // on its way
		{18, 0, 0},
		{19, pushMost, 134},
		{134, pushMost, 199},
		{300, pushFirst, 365}, // left some out
		{10, pushFirst, 19},   // from the start
		{10, pushFirst, 11},
		{11, pushMost, 80},
	}
	for i, s := range steps {
		window := p.claim(7, s.position)
		if window != s.window {
			t.Fatalf("step %d: %d", i, window)
		}
		if window == 0 {
			continue
		}
		if again := p.claim(7, s.position+1); again != 0 {
			t.Fatalf("step %d: pushed by two at once", i)
		}
		p.release(7, s.next)
	}
	if window := p.claim(8, 5); window != pushFirst {
		t.Errorf("another directory: %d", window)
	}
	if window := p.claim(9, 82); window != pushMost {
		t.Errorf("the directory that follows one that was gone through: %d", window)
	}
}
