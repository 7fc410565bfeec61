package source

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

func pinned(t testing.TB, path string) int {
	t.Helper()
	d := open(t, path)
	fd, err := d.Pin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Unpin)
	return fd
}

func TestStat(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o640|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	old := time.Unix(-86400, 123456789)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	fd := pinned(t, dir)
	var s Stat
	if err := StatAt(fd, NewName("file"), &s); err != nil {
		t.Fatal(err)
	}
	var k syscall.Stat_t
	if err := syscall.Lstat(file, &k); err != nil {
		t.Fatal(err)
	}
	if s.Dev != k.Dev || s.Ino != k.Ino || s.Size != 5 || s.Links != 1 || s.UID != k.Uid || s.GID != k.Gid {
		t.Errorf("got %+v, lstat says %+v", s, k)
	}
	if want := (tree.Time{Sec: -86400, Nsec: 123456789}); s.ModTime != want {
		t.Errorf("time before 1970: %v, want %v", s.ModTime, want)
	}
	var n tree.Node
	s.Fill(&n, nil)
	if n.Type != tree.Regular || n.Mode != 0o4640 || n.Size != 5 {
		t.Errorf("node %+v", n)
	}
	for name, want := range map[string]tree.Type{"fifo": tree.FIFO, "link": tree.Symlink, ".": tree.Directory} {
		if err := StatAt(fd, NewName(name), &s); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Type(); got != want || !ok {
			t.Errorf("%s is of type %d", name, got)
		}
	}
	if err := StatThrough(fd, NewName("link"), &s); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("through a dangling link: %v", err)
	}
	if err := StatPath("/dev/null", true, &s); err != nil || s.Rdev != unix.Mkdev(1, 3) {
		t.Errorf("/dev/null: device %#x, %v", s.Rdev, err)
	}
}

func TestReadlink(t *testing.T) {
	dir := t.TempDir()
	fd := pinned(t, dir)
	for i, length := range []int{1, 511, 512, 513, 4095} {
		target := strings.Repeat("t", length)
		name := string(rune('a' + i))
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadlinkAt(fd, NewName(name)); err != nil || got != target {
			t.Errorf("length %d: got %d bytes, %v", length, len(got), err)
		}
	}
}

// Every way to reach the attributes gives the same ones, on old kernels too.
func TestXattrs(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	want := []tree.Xattr{{Name: "user.a", Value: []byte{}}, {Name: "user.big", Value: bytes.Repeat([]byte{7}, 2000)},
		{Name: "user.z", Value: []byte("\x00\xff")}}
	for _, target := range []string{file, dir} {
		for _, x := range want {
			if err := unix.Setxattr(target, x.Name, x.Value, 0); err != nil {
				t.Fatalf("the temporary directory's file system must keep attributes: %v", err)
			}
		}
	}
	check := func(how string, got []tree.Xattr, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %v", how, got, err)
		}
	}
	d := open(t, dir)
	fd, err := d.Pin()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Unpin()
	f, err := d.OpenFile(NewName("file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := f.Xattrs()
	check("open file", got, err)
	got, err = d.Xattrs()
	check("directory", got, err)
	got, err = xattrTarget{fd: fd, path: true}.read()
	check("O_PATH directory", got, err)
	defer oldKernel.Store(oldKernel.Load())
	for _, old := range []bool{oldKernel.Load(), true} {
		oldKernel.Store(old)
		got, err = XattrsAt(fd, NewName("file"))
		check("by name", got, err)
		if got, err := XattrsAt(fd, NewName("link")); err != nil || len(got) != 0 {
			t.Errorf("symbolic link: got its target's attributes %v, %v", got, err)
		}
	}
}

func TestManyXattrs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const n = 30 // more names than fit the first buffer
	for i := range n {
		if err := unix.Setxattr(file, "user.attribute-with-a-long-name-"+string(rune('A'+i)), []byte{byte(i)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	got, err := XattrsAt(unix.AT_FDCWD, NewName(file))
	if err != nil || len(got) != n {
		t.Errorf("got %d attributes, %v; want %d", len(got), err, n)
	}
}

func TestFileHoles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "sparse")
	const page = 64 << 10
	w, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("x"), page)
	for _, off := range []int64{2 * page, 5 * page} {
		if _, err := w.WriteAt(data, off); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Truncate(8 * page); err != nil {
		t.Fatal(err)
	}
	w.Close()
	f, err := open(t, dir).OpenFile(NewName("sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s Stat
	if err := f.Stat(&s); err != nil || !s.Sparse() {
		t.Fatalf("not sparse: %+v, %v", s, err)
	}
	for _, c := range []struct{ off, start, end int64 }{
		{0, 2 * page, 3 * page}, {2*page + 5, 2*page + 5, 3 * page}, {3 * page, 5 * page, 6 * page}} {
		if start, end, err := f.NextData(c.off); start != c.start || end != c.end || err != nil {
			t.Errorf("from %d: %d to %d, %v; want %d to %d", c.off, start, end, err, c.start, c.end)
		}
	}
	for _, off := range []int64{6 * page, 8 * page, 9 * page} {
		if _, _, err := f.NextData(off); err != io.EOF {
			t.Errorf("from %d: %v, want EOF", off, err)
		}
	}
	buf := make([]byte, 10)
	if n, err := f.ReadAt(buf, 8*page-3); n != 3 || err != nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, err := f.ReadAt(buf, 8*page); err != io.EOF {
		t.Errorf("behind the end: %v", err)
	}
}

// Reading must not change what is read.
func TestAccessTimeStays(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-72 * time.Hour)
	if err := os.Chtimes(name, old, time.Now()); err != nil {
		t.Fatal(err)
	}
	d := open(t, dir)
	f, err := d.OpenFile(NewName("file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(make([]byte, 1), 0); err != nil {
		t.Fatal(err)
	}
	var s Stat
	if err := f.Stat(&s); err != nil || s.AccessTime != tree.TimeOf(old) {
		t.Errorf("access time %v, want %v (%v)", s.AccessTime, tree.TimeOf(old), err)
	}
}

// A FIFO that takes a file's place must not stop the walk.
func TestOpenFileDoesNotWait(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := open(t, dir).OpenFile(NewName("fifo"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
