package mount

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// comparer compares a mounted tree with the items it was built of.
type comparer struct {
	t      *testing.T
	inodes map[uint64]string        // st_ino → path of the first that has it
	groups map[tree.HardLink]uint64 // hard-link group → st_ino
}

func compare(t *testing.T, path string, want *item) {
	t.Helper()
	c := &comparer{t: t, inodes: map[uint64]string{}, groups: map[tree.HardLink]uint64{}}
	c.compare(path, want)
}

func (c *comparer) compare(path string, want *item) {
	c.t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		c.t.Errorf("%q: %v", path, err)
		return
	}
	c.stat(path, &st, want)
	c.inode(path, st.Ino, want)
	c.birthTime(path, want)
	c.xattrs(path, want)
	switch want.Type {
	case tree.Directory:
		c.directory(path, want)
	case tree.Symlink:
		if got, err := os.Readlink(path); err != nil || got != want.Target {
			c.t.Errorf("%q leads to %q, %v; want %q", path, got, err, want.Target)
		}
	case tree.Regular:
		c.content(path, want)
		c.extents(path, want)
	}
}

func (c *comparer) stat(path string, st *unix.Stat_t, want *item) {
	c.t.Helper()
	check := func(what string, got, want any) {
		if got != want {
			c.t.Errorf("%q: %s is %v, want %v", path, what, got, want)
		}
	}
	check("mode", st.Mode, fileType(want.Type)|uint32(want.Mode))
	check("uid", st.Uid, want.UID)
	check("gid", st.Gid, want.GID)
	check("rdev", st.Rdev, want.Rdev)
	check("mtime", tree.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}, want.ModTime)
	if !want.ChangeTime.IsZero() {
		check("ctime", tree.Time{Sec: st.Ctim.Sec, Nsec: uint32(st.Ctim.Nsec)}, want.ChangeTime)
	}
	if !want.AccessTime.IsZero() {
		check("atime", tree.Time{Sec: st.Atim.Sec, Nsec: uint32(st.Atim.Nsec)}, want.AccessTime)
	}
	switch want.Type {
	case tree.Directory:
		subdirs := 0
		for _, child := range want.children {
			if child.Type == tree.Directory {
				subdirs++
			}
		}
		check("nlink", st.Nlink, uint64(2+subdirs))
	case tree.Regular:
		check("size", st.Size, int64(want.Size))
		check("blocks", st.Blocks, int64(want.dataBytes()+511)/512)
		check("block size", st.Blksize, want.blockSize())
	case tree.Symlink:
		check("size", st.Size, int64(len(want.Target)))
	}
	if want.Type != tree.Directory {
		check("nlink", st.Nlink, max(want.Links, 1))
	}
}

// blockSize is what st_blksize says of a file.
func (i *item) blockSize() int64 {
	switch {
	case i.Size >= 4<<20+1:
		return 1 << 20
	case i.Size >= 128<<10+1:
		return 512 << 10
	}
	return 4 << 10
}

// inode checks that members of a group share an inode number, and nobody else.
func (c *comparer) inode(path string, ino uint64, want *item) {
	c.t.Helper()
	if group, ok := want.HardLink(); ok {
		first, known := c.groups[group]
		if known && first != ino {
			c.t.Errorf("%q has inode %d, another of its group %d", path, ino, first)
		}
		c.groups[group] = ino
		if known {
			return
		}
	}
	if other, taken := c.inodes[ino]; taken {
		c.t.Errorf("%q and %q both have inode %d", path, other, ino)
	}
	c.inodes[ino] = path
}

func (c *comparer) birthTime(path string, want *item) {
	c.t.Helper()
	if want.BirthTime.IsZero() {
		return
	}
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME|unix.STATX_BASIC_STATS, &st); err != nil {
		c.t.Errorf("statx %q: %v", path, err)
	}
	if got := (tree.Time{Sec: st.Btime.Sec, Nsec: st.Btime.Nsec}); st.Mask&unix.STATX_BTIME == 0 || got != want.BirthTime {
		c.t.Errorf("%q: birth time is %v, want %v", path, got, want.BirthTime)
	}
	if int64(st.Size) < 0 || uint32(st.Mode) != fileType(want.Type)|uint32(want.Mode) {
		c.t.Errorf("%q: statx says mode %o, size %d", path, st.Mode, st.Size)
	}
	if want.Type == tree.Regular && int64(st.Blksize) != want.blockSize() {
		c.t.Errorf("%q: statx says block size %d", path, st.Blksize)
	}
}

func (c *comparer) xattrs(path string, want *item) {
	c.t.Helper()
	buf := make([]byte, 1<<16)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		c.t.Errorf("xattrs of %q: %v", path, err)
		return
	}
	names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	var wantNames []string
	for _, x := range want.Xattrs {
		wantNames = append(wantNames, x.Name)
		n, err := unix.Lgetxattr(path, x.Name, buf)
		if err != nil || !bytes.Equal(buf[:n], x.Value) {
			c.t.Errorf("xattr %q of %q: %d bytes, %v; want %d", x.Name, path, n, err, len(x.Value))
		}
	}
	if len(wantNames) == 0 {
		wantNames = []string{""}
	}
	if !slices.Equal(names, wantNames) {
		c.t.Errorf("xattrs of %q: %q, want %q", path, names, wantNames)
	}
	if _, err := unix.Lgetxattr(path, "user.none", buf); err != unix.ENODATA {
		c.t.Errorf("an absent xattr of %q: %v", path, err)
	}
}

func (c *comparer) directory(path string, want *item) {
	c.t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		c.t.Errorf("listing %q: %v", path, err)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	var got, names []string
	for _, e := range entries {
		got = append(got, e.Name()+" "+e.Type().String())
	}
	for _, child := range want.children {
		mode := map[tree.Type]os.FileMode{tree.Directory: os.ModeDir, tree.Symlink: os.ModeSymlink,
			tree.BlockDevice: os.ModeDevice, tree.CharDevice: os.ModeDevice | os.ModeCharDevice, tree.FIFO: os.ModeNamedPipe}[child.Type]
		names = append(names, child.Name+" "+mode.String())
	}
	if !slices.Equal(got, names) {
		c.t.Errorf("%q holds\n%q, want\n%q", path, got, names)
	}
	for _, child := range want.children {
		c.compare(path+"/"+child.Name, child)
	}
	if _, err := os.Lstat(path + "/no such name"); !errors.Is(err, os.ErrNotExist) {
		c.t.Errorf("an absent name in %q: %v", path, err)
	}
}

func (c *comparer) content(path string, want *item) {
	c.t.Helper()
	if want.Size > 1<<30 {
		return
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want.content()) {
		c.t.Errorf("%q: content differs, or cannot be read: %v", path, err)
	}
}

// extents checks what SEEK_DATA and SEEK_HOLE say.
func (c *comparer) extents(path string, want *item) {
	c.t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		c.t.Errorf("%q: %v", path, err)
		return
	}
	defer unix.Close(fd)
	check := func(whence int, at, want int64) {
		c.t.Helper()
		got, err := unix.Seek(fd, at, whence)
		if want < 0 && err == unix.ENXIO {
			return
		}
		if err != nil || got != want {
			c.t.Errorf("%q: seek %d from %d leads to %d, %v; want %d", path, whence, at, got, err, want)
		}
	}
	size := int64(want.Size)
	check(unix.SEEK_DATA, size, -1)
	check(unix.SEEK_HOLE, size, -1)
	if len(want.pieces) == 0 || len(want.pieces) > 10 {
		return
	}
	nextData, nextHole := int64(-1), size
	at := size
	for i := len(want.pieces) - 1; i >= 0; i-- {
		p := want.pieces[i]
		at -= int64(p.length())
		inside := at + int64(p.length())/2
		if p.data != nil {
			nextData = at
			check(unix.SEEK_DATA, inside, inside)
			check(unix.SEEK_HOLE, inside, nextHole)
		} else {
			nextHole = at
			check(unix.SEEK_HOLE, inside, inside)
			check(unix.SEEK_DATA, inside, nextData)
		}
	}
}

// mountTree mounts a tree for a test and unmounts it after.
func mountTree(t testing.TB, root *item, o Options) (dir string) {
	t.Helper()
	opened, _ := newTree(t, root)
	dir = t.TempDir()
	s, err := MountTree(dir, opened, opened.Root(), o)
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	return dir
}

func unmountAfter(t testing.TB, s *Server) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Unmount(); err != nil {
			t.Errorf("unmounting: %v", err)
			if err := Unmount(s.Dir(), true); err != nil {
				t.Error(err)
			}
		}
	})
}

// firstName returns the only entry of a directory.
func firstName(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%s: %v, %v", dir, entries, err)
	}
	return filepath.Join(dir, entries[0].Name())
}
