package source

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A tree deeper than the limit of descriptors, and longer than PATH_MAX, is
// read to its end and back.
func TestDeepTree(t *testing.T) {
	const depth, limit = 60, 4
	element := strings.Repeat("d", 200)
	top := t.TempDir()
	fd, err := unix.Open(top, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range depth {
		if err := unix.Mkdirat(fd, element, 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, element, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)

	h := NewHandles(limit)
	d, err := h.OpenRoot(top)
	if err != nil {
		t.Fatal(err)
	}
	chain := []*Dir{d}
	for range depth {
		if d, err = d.Open(NewName(element)); err != nil {
			t.Fatal(err)
		}
		chain = append(chain, d)
	}
	if h.Open() > limit {
		t.Errorf("%d directories are open, limit %d", h.Open(), limit)
	}
	for i := len(chain) - 1; i >= 0; i-- {
		names, err := chain[i].ReadNames()
		if err != nil {
			t.Fatalf("depth %d: %v", i, err)
		}
		if want := min(1, depth-i); names.Len() != want {
			t.Errorf("depth %d: %d names, want %d", i, names.Len(), want)
		}
		if h.Open() > limit+2 {
			t.Errorf("%d directories are open, limit %d", h.Open(), limit)
		}
	}
	for _, d := range chain {
		d.Close()
	}
	if h.Open() != 0 {
		t.Errorf("%d directories left open", h.Open())
	}
}

// A directory swapped for another while its descriptor was closed must not be
// taken for it.
func TestReplacedDirectory(t *testing.T) {
	top := t.TempDir()
	for _, sub := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(top, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h := NewHandles(1)
	root, err := h.OpenRoot(top)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	a, err := root.Open(NewName("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := root.Open(NewName("b")) // closes a's descriptor
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := os.Rename(filepath.Join(top, "a"), filepath.Join(top, "c")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("c", filepath.Join(top, "a")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Pin(); !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
		t.Errorf("symbolic link in its place: %v", err)
	}
	if err := os.Remove(filepath.Join(top, "a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(top, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Pin(); !errors.Is(err, ErrReplaced) {
		t.Errorf("another directory in its place: %v, want ErrReplaced", err)
	}
}

func TestOpenFollowsOnlyWhenAsked(t *testing.T) {
	top := t.TempDir()
	if err := os.Symlink("/", filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	d := open(t, top)
	if _, err := d.Open(NewName("link")); err == nil {
		t.Error("Open followed a symbolic link")
	}
	through, err := d.OpenThrough(NewName("link"))
	if err != nil {
		t.Fatal(err)
	}
	defer through.Close()
	var s Stat
	if err := StatPath("/", false, &s); err != nil {
		t.Fatal(err)
	}
	if !s.SameInode(&through.Stat) {
		t.Error("OpenThrough led elsewhere")
	}
	if _, err := d.OpenFile(NewName("link")); !errors.Is(err, unix.ELOOP) {
		t.Errorf("OpenFile of a symbolic link: %v, want ELOOP", err)
	}
	if _, err := NewHandles(1).OpenRoot(filepath.Join(top, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing root: %v", err)
	}
}
