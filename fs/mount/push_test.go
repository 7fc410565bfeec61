package mount

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"garret/fs/tree"
	"garret/fs/view"
	"garret/index"
)

// mountCounting mounts a tree whose READs are counted.
func mountCounting(t *testing.T, root *item) (mnt string, reads *atomic.Int64) {
	t.Helper()
	mnt, c := mountConnected(t, root)
	return mnt, &c.reads
}

func mountConnected(t *testing.T, root *item) (mnt string, c *connection) {
	t.Helper()
	_, stored := newTree(t, root)
	opened := view.New(inMemory{stored}, &root.Node, view.Options{})
	mnt = t.TempDir()
	s, err := MountTree(mnt, opened, opened.Root(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	return mnt, s.connection
}

// What is pushed when a directory has been listed: after a READ in one that was
// listed before, as often as that lasts; and what is read in it once more is
// pushed once more, for the kernel has forgotten it.
func TestPushLists(t *testing.T) {
	var p pusher
	if window := p.list(1); window != 0 {
		t.Fatalf("before anybody has read anything: %d", window)
	}
	if window := p.claim(2, 50); window != pushFirst || p.credit != 0 {
		t.Fatalf("a READ elsewhere: %d, credit %d", window, p.credit)
	}
	p.release(2, 50, 55)
	if window := p.claim(1, 10); window != pushFirst {
		t.Fatalf("a READ where it was listed: %d", window)
	}
	p.release(1, 10, 20)
	for i := range uint64(pushListed) {
		dir, first := 100+i, 1000*(i+1)
		if window := p.list(dir); window != pushMost {
			t.Fatalf("list %d: %d", i, window)
		}
		if p.list(dir) != 0 || p.claim(dir, first) != 0 {
			t.Fatalf("list %d: pushed by two at once", i)
		}
		p.release(dir, first, first+10)
		if p.list(dir) != 0 || p.claim(dir, first+5) != 0 {
			t.Fatalf("list %d: pushed twice", i)
		}
		if window := p.claim(dir, first); window == 0 {
			t.Fatalf("list %d: not pushed when read once more", i)
		}
		p.release(dir, first, first+10)
	}
	if window := p.list(500); window != 0 {
		t.Errorf("when it has not been seen for long that files are read: %d", window)
	}
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
		case i%50 == 45: // what lies in it is not pushed, and what follows it is
			f = dir(f.Name, text("a", "1"), dir("b", text("c", "2")))
		}
		root.children = append(root.children, f)
	}
	mnt, c := mountConnected(t, root)
	if _, err := os.ReadDir(mnt); err != nil { // so that the kernel knows them
		t.Fatal(err)
	}
	for _, f := range root.children {
		before := c.reads.Load()
		if f.Type == tree.Directory {
			continue
		}
		if got, err := os.ReadFile(mnt + "/" + f.Name); f.Target == "" && (err != nil || !bytes.Equal(got, f.content())) {
			t.Fatalf("%s: %d bytes of %d, %v", f.Name, len(got), f.Size, err)
		}
		if c.reads.Load() > before {
			time.Sleep(time.Millisecond) // or who only compares is faster than the push
			eventually(t, "the end of a push", c.f.pusher.idle)
		}
	}
	// Without pushing it would be one for each, and two for each large one.
	if n := c.reads.Load(); n > count/4 {
		t.Errorf("%d of %d files were waited for", n, count)
	}
}

// idle reports whether nothing is being pushed.
func (p *pusher) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.ContainsFunc(p.runs[:], func(r run) bool { return r.active })
}

// Who lists directories and reads what is in them does not wait for the first
// file of each, but of one now and then; who only lists has few files pushed.
func TestListedFilesArePushed(t *testing.T) {
	root := dir("")
	const count = 2 * (2*(pushListed+1) + 5)
	for i := range count {
		root.children = append(root.children, dir(fmt.Sprintf("d%03d", i), file("f", piece{data: noise(uint64(i), 5000)})))
	}
	mnt, c := mountConnected(t, root)
	p := &c.f.pusher
	list := func(d *item) {
		t.Helper()
		var before pusher
		p.mu.Lock()
		before.listed, before.credit = p.listed, p.credit
		p.mu.Unlock()
		if found, err := os.ReadDir(mnt + "/" + d.Name); err != nil || len(found) != 1 {
			t.Fatal(found, err)
		}
		eventually(t, "the push of "+d.Name, func() bool {
			idle := p.idle()
			p.mu.Lock()
			defer p.mu.Unlock()
			return idle && (p.listed != before.listed || p.credit != before.credit)
		})
	}
	read := func(d *item) {
		t.Helper()
		name, before := d.Name+"/f", c.reads.Load()
		if got, err := os.ReadFile(mnt + "/" + name); err != nil || !bytes.Equal(got, d.children[0].content()) {
			t.Fatalf("%s: %d bytes, %v", name, len(got), err)
		}
		if c.reads.Load() > before {
			eventually(t, "what a READ leads to", func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.listed == 0
			})
		}
	}
	for _, d := range root.children[:count/2] {
		list(d)
		read(d)
	}
	if n := c.reads.Load(); n != 3 {
		t.Errorf("%d files were waited for: the first, and one after each %d directories make 3", n, pushListed)
	}
	c.reads.Store(0)
	for _, d := range root.children[count/2:] {
		list(d)
	}
	for _, d := range root.children[count/2:] {
		if got, err := os.ReadFile(mnt + "/" + d.Name + "/f"); err != nil || !bytes.Equal(got, d.children[0].content()) {
			t.Fatalf("%s: %d bytes, %v", d.Name, len(got), err)
		}
	}
	if n := c.reads.Load(); n < count/2-pushListed {
		t.Errorf("only %d of %d files were waited for by who listed them all first", n, count/2)
	}
}

// impossible is a store in which a file that had mode 1357 has one that no file
// can have.
type impossible struct{ inMemory }

func (m impossible) Borrow(ctx context.Context, kind index.Kind, id index.ID) ([]byte, func(), error) {
	data, giveBack, err := m.inMemory.Borrow(ctx, kind, id)
	if i := bytes.Index(data, binary.AppendUvarint(nil, 0o1357)); i >= 0 {
		copy(data[i:], binary.AppendUvarint(nil, 0o37644))
	}
	return data, giveBack, err
}

func (m impossible) BorrowCached(kind index.Kind, id index.ID) ([]byte, func(), bool) {
	data, giveBack, err := m.Borrow(context.Background(), kind, id)
	return data, giveBack, err == nil
}

// What is wrong with a file that nobody has asked for is not logged when it is not
// pushed for that; when somebody asks for it, it is.
func TestPushLogsNothing(t *testing.T) {
	root := dir("")
	for i := range 64 { // so many that looking one up does not meet all others
		root.children = append(root.children, text(fmt.Sprintf("f%02d", i), "x"))
	}
	root.children[3].Mode = 0o1357
	_, stored := newTree(t, root)
	opened := view.New(impossible{inMemory{stored}}, &root.Node, view.Options{})
	mnt, s, log := mountLogged(t, opened)
	p := &s.connection.f.pusher
	for _, known := range []string{"/f01", "/f02"} { // or the push would end there
		if _, err := os.Lstat(mnt + known); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(mnt + "/f00"); err != nil || string(got) != "x" {
		t.Fatalf("%q, %v", got, err)
	}
	eventually(t, "the end of a push", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.ContainsFunc(p.runs[:], func(r run) bool { return r.dir != 0 && !r.active })
	})
	if lines := log.take(); len(lines) != 0 {
		t.Errorf("nobody has asked for it: %q", lines)
	}
	if _, err := os.ReadDir(mnt); err == nil {
		t.Error("a file whose mode is wrong is listed")
	}
	if lines := log.take(); len(lines) == 0 {
		t.Error("nothing is logged when somebody asks for it")
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
		p.release(7, s.position, s.next)
	}
	if window := p.claim(8, 5); window != pushFirst {
		t.Errorf("another directory: %d", window)
	}
	if window := p.claim(9, 82); window != pushMost {
		t.Errorf("the directory that follows one that was gone through: %d", window)
	}
}

// The root of a mounted tree, which has a node ID of its own, is no exception: its
// files are pushed when it has been listed by who reads what he lists.
func TestListedRootIsPushed(t *testing.T) {
	root := dir("")
	for i := range 4 {
		root.children = append(root.children, file(fmt.Sprintf("a%d", i), piece{data: noise(uint64(i), 5000)}))
	}
	root.children = append(root.children, dir("d", file("f", piece{data: noise(9, 5000)})))
	mnt, c := mountConnected(t, root)
	p := &c.f.pusher
	if _, err := os.ReadDir(mnt + "/d"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of a list", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.listed != 0
	})
	if _, err := os.ReadFile(mnt + "/d/f"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what a READ leads to", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.credit == pushListed
	})
	if _, err := os.ReadDir(mnt); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a push", func() bool {
		p.mu.Lock()
		began := p.credit < pushListed
		p.mu.Unlock()
		return began && p.idle()
	})
	before := c.reads.Load()
	for _, f := range root.children[:4] {
		if got, err := os.ReadFile(mnt + "/" + f.Name); err != nil || !bytes.Equal(got, f.content()) {
			t.Fatalf("%s: %d bytes, %v", f.Name, len(got), err)
		}
	}
	if n := c.reads.Load() - before; n != 0 {
		t.Errorf("%d of 4 files were waited for", n)
	}
}
