package mount

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// listWith lists a directory by calls of getdents with so many bytes of room, as
// the kernel asks for as much by READDIRPLUS.
func listWith(t *testing.T, path string, room int) (names []string) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for buf := make([]byte, room); ; {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return names
		}
		for b := buf[:n]; len(b) > 0; {
			var used int
			used, _, names = unix.ParseDirent(b, -1, names)
			b = b[used:]
		}
	}
}

// encoded returns what of a directory has been encoded ahead, nil if nothing has.
func (w *walks) encoded(node uint64) *step {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.expected {
		if s.node == node && s.listing != nil {
			return &s
		}
	}
	return nil
}

func namesOf(d *item) (names []string) {
	for _, c := range d.children {
		names = append(names, c.Name)
	}
	return names
}

// directories returns a tree, and its directories and their paths in the order in
// which they stand in it.
func directories() (root *item, all []*item, paths []string) {
	root = dir("")
	for i := range 12 {
		d := dir(fmt.Sprintf("%02d", i), text("a", "x"), dir("deep", dir("deeper")), text("z", "y"))
		for j := range 5 * i {
			d.children = append(d.children, text(fmt.Sprintf("zz%03d", j), "z"))
		}
		root.children = append(root.children, d, text(fmt.Sprintf("%02d file", i), "between"))
		paths = append(paths, "/"+d.Name, "/"+d.Name+"/deep", "/"+d.Name+"/deep/deeper")
		all = append(all, d, d.children[1], d.children[1].children[0])
	}
	return root, all, paths
}

// Who lists one directory after another, in the order in which they stand in the
// tree, finds the third and all further listings ready, whatever lies between the
// directories and however deep they are; with all that is in them.
func TestListingsAreEncodedAhead(t *testing.T) {
	root, all, paths := directories()
	mnt, c := mountConnected(t, root)
	for i, path := range paths {
		if i > 1 {
			var st unix.Stat_t
			if err := unix.Stat(mnt+path, &st); err != nil {
				t.Fatal(err)
			}
			eventually(t, path+" is encoded", func() bool { return c.f.walks.encoded(st.Ino) != nil })
		}
		if got := listWith(t, mnt+path, 8<<10); !slices.Equal(got, namesOf(all[i])) {
			t.Fatalf("%s lists %q", path, got)
		}
	}
}

// In another order nothing that is encoded ahead is any use, nor any harm.
func TestListingsInAnyOrder(t *testing.T) {
	root, all, paths := directories()
	mnt, _ := mountConnected(t, root)
	for i := range paths {
		at := (len(paths) - 1 - i) * 7 % len(paths)
		if got := listWith(t, mnt+paths[at], 8<<10); !slices.Equal(got, namesOf(all[at])) {
			t.Fatalf("%s lists %q", paths[at], got)
		}
	}
}

// walked mounts three directories with a file each, lists two of them, and returns
// what has been encoded of the third.
func walked(t *testing.T) (mnt string, c *connection, third *step) {
	t.Helper()
	mnt, c = mountConnected(t, dir("", dir("1", text("name", "")), dir("2", text("name", "")), dir("3", text("name", ""))))
	for _, path := range []string{"/1", "/2"} {
		listWith(t, mnt+path, 8<<10)
	}
	var st unix.Stat_t
	if err := unix.Stat(mnt+"/3", &st); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the third is encoded", func() bool { third = c.f.walks.encoded(st.Ino); return third != nil })
	return mnt, c, third
}

// What has been encoded is what is answered.
func TestListingsAheadAreServed(t *testing.T) {
	mnt, c, third := walked(t)
	c.f.walks.mu.Lock()
	copy(third.listing.memory[bytes.Index(third.listing.memory, []byte("name")):], "else")
	c.f.walks.mu.Unlock()
	if got := listWith(t, mnt+"/3", 8<<10); !slices.Equal(got, []string{"else"}) {
		t.Errorf("%q was listed", got)
	}
}

// What has been encoded answers nothing but what was expected.
func TestListingsAheadThatDoNotFit(t *testing.T) {
	_, c, third := walked(t)
	in := fuse.ReadIn{InHeader: fuse.InHeader{NodeId: third.node}, Offset: third.offset, Size: third.size}
	if c.f.listedAhead(&in, *third) != third.listing {
		t.Error("what was expected is not answered")
	}
	other := in
	other.Size += 4096
	if c.f.listedAhead(&other, *third) != nil {
		t.Error("an answer of another size")
	}
	other = in
	other.NodeId = treeNode(77, 1)
	if c.f.listedAhead(&other, *third) != nil {
		t.Error("an answer for a snapshot that there is not")
	}
	if c.f.listedAhead(&in, step{}) != nil {
		t.Error("an answer that was not expected")
	}
}

// A directory that takes several answers is listed whole.
func TestLongListingsAreEncodedAhead(t *testing.T) {
	long := dir("long")
	for i := range 2000 {
		long.children = append(long.children, text(fmt.Sprintf("file %04d", i), "x"))
	}
	mnt, c := mountConnected(t, dir("", long, dir("next", text("f", "x"))))
	if got := listWith(t, mnt+"/long", 4<<10); !slices.Equal(got, namesOf(long)) {
		t.Fatalf("%d names", len(got))
	}
	var st unix.Stat_t
	if err := unix.Stat(mnt+"/next", &st); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what follows is encoded", func() bool { return c.f.walks.encoded(st.Ino) != nil })
}

// What is not expected any more makes room, and what was taken is gone.
func TestWalks(t *testing.T) {
	var w walks
	expected := func(node, offset uint64) bool {
		return w.take(&fuse.ReadIn{InHeader: fuse.InHeader{NodeId: node}, Offset: offset}).node != 0
	}
	if expected(0, 0) {
		t.Error("something is expected of nobody")
	}
	for node := range uint64(walkers + 1) {
		w.put(step{node: node + 1, offset: 7})
	}
	if expected(1, 7) {
		t.Error("the oldest has not made room")
	}
	for node := uint64(2); node <= walkers+1; node++ {
		if expected(node, 8) || !expected(node, 7) || expected(node, 7) {
			t.Errorf("node %d is not expected, or at another offset, or twice", node)
		}
	}
}
