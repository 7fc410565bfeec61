package mount

import (
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

// Who lists one directory after another, in the order in which they stand in the
// tree, finds the third and all further listings ready, whatever lies between the
// directories and however deep they are; with all that is in them.
func TestListingsAreEncodedAhead(t *testing.T) {
	root := dir("")
	var order []string // paths of directories
	var all []*item
	for i := range 12 {
		d := dir(fmt.Sprintf("%02d", i), text("a", "x"), dir("deep", dir("deeper")), text("z", "y"))
		for j := range 5 * i {
			d.children = append(d.children, text(fmt.Sprintf("zz%03d", j), "z"))
		}
		root.children = append(root.children, d, text(fmt.Sprintf("%02d file", i), "between"))
		order = append(order, "/"+d.Name, "/"+d.Name+"/deep", "/"+d.Name+"/deep/deeper")
		all = append(all, d, d.children[1], d.children[1].children[0])
	}
	mnt, c := mountConnected(t, root)
	inode := func(path string) uint64 {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino // which is the node ID
	}
	for i, path := range order {
		if i > 1 {
			eventually(t, path+" is encoded", func() bool { return c.f.walks.encoded(inode(mnt+path)) != nil })
		}
		if got := listWith(t, mnt+path, 8<<10); !slices.Equal(got, namesOf(all[i])) {
			t.Fatalf("%s lists %q", path, got)
		}
	}
	// Somewhere else, and with another size than was expected.
	for _, room := range []int{4 << 10, 32 << 10, 4 << 10} {
		for i := len(order) - 1; i >= 0; i-- {
			if got := listWith(t, mnt+order[(i*7)%len(order)], room); !slices.Equal(got, namesOf(all[(i*7)%len(order)])) {
				t.Fatalf("%s lists %q", order[(i*7)%len(order)], got)
			}
		}
	}
}

// A directory that takes several answers is listed whole.
func TestLongListingsAreEncodedAhead(t *testing.T) {
	long := dir("long")
	for i := range 2000 {
		long.children = append(long.children, text(fmt.Sprintf("file %04d", i), "x"))
	}
	mnt, c := mountConnected(t, dir("", long, dir("next", text("f", "x"))))
	for range 3 {
		if got := listWith(t, mnt+"/long", 4<<10); !slices.Equal(got, namesOf(long)) {
			t.Fatalf("%d names", len(got))
		}
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
	ask := func(node, offset uint64) bool {
		_, expected := w.take(&fuse.ReadIn{InHeader: fuse.InHeader{NodeId: node}, Offset: offset})
		return expected
	}
	if ask(0, 0) {
		t.Error("something is expected of nobody")
	}
	for node := range uint64(walkers + 1) {
		w.put(step{node: node + 1, offset: 7})
	}
	for node, want := range []bool{false, true, true, true, true} {
		if ask(uint64(node+1), 8) || ask(uint64(node+1), 7) != want || ask(uint64(node+1), 7) {
			t.Errorf("node %d: expected %v", node+1, !want)
		}
	}
}
