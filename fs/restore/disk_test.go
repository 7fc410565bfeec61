package restore

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
)

const chunk = 64 << 10 // of the files in these tests, bytes

// fixture is a tree in memory.
type fixture struct {
	store *treetest.Store
	view  *view.Tree
	spec  treetest.Spec
}

func build(t testing.TB, spec treetest.Spec) *fixture {
	t.Helper()
	store := treetest.New()
	dress(&spec)
	root, err := store.Build(spec, chunk)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{store, view.New(store, root, view.Options{}), spec}
}

func (f *fixture) find(t testing.TB, path string) view.Entry {
	t.Helper()
	e, err := f.view.Resolve(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// dress gives a time to nodes that have none, and this user to those that would
// be root's.
func dress(s *treetest.Spec) {
	if s.ModTime.IsZero() {
		s.ModTime = tree.Time{Sec: 1e9 + int64(len(s.Name)), Nsec: 123456789}
		if s.Inode != 0 {
			s.ModTime.Sec = int64(s.Inode)
		}
	}
	if s.UID == 0 {
		s.UID, s.GID = uint32(os.Geteuid()), uint32(os.Getegid())
	}
	for i := range s.Children {
		dress(&s.Children[i])
	}
}

// warning is what Options.Warn was told.
type warning struct {
	path string
	err  error
}

// options restores all into dest; warnings are collected.
func (f *fixture) options(dest string) (Options, *[]warning) {
	var mu sync.Mutex
	list := new([]warning)
	return Options{Tree: f.view, Loader: f.store, From: f.view.Root(), Dest: dest, Workers: 4,
		Warn: func(path string, err error) {
			mu.Lock()
			defer mu.Unlock()
			*list = append(*list, warning{path, err})
		}}, list
}

// restore restores all into dest and wants no warnings.
func (f *fixture) restore(t testing.TB, dest string) Stats {
	t.Helper()
	o, warnings := f.options(dest)
	stats, err := Run(context.Background(), o)
	if err != nil || len(*warnings) > 0 {
		t.Fatalf("restore: %v, warnings %v", err, *warnings)
	}
	return stats
}

// noise returns bytes that depend on the seed only.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed, 1}).Read(b)
	return b
}

func with(s treetest.Spec, change func(n *tree.Node)) treetest.Spec {
	change(&s.Node)
	return s
}

func special(name string, kind tree.Type, rdev uint64) treetest.Spec {
	return treetest.Spec{Node: tree.Node{Name: name, Type: kind, Mode: 0o640, Links: 1, Rdev: rdev}}
}

// linked makes a member of a hard-link group.
func linked(s treetest.Spec, inode, links uint64) treetest.Spec {
	return with(s, func(n *tree.Node) { n.Inode, n.Links = inode, links })
}

// checker compares what is on disk with what was to be restored, attribute by
// attribute, by calls that the package itself does not use.
type checker struct {
	t      *testing.T
	groups map[group]uint64 // inode on disk
	owner  func(n *tree.Node) (uid, gid uint32)
}

func check(t *testing.T, dir string, spec treetest.Spec) {
	t.Helper()
	c := &checker{t, map[group]uint64{}, func(n *tree.Node) (uint32, uint32) { return n.UID, n.GID }}
	c.t.Chdir(filepath.Dir(dir))
	c.entry(dir, filepath.Base(dir), spec)
}

// entry checks an entry of the current directory, as paths get too long. Path is
// for messages.
func (c *checker) entry(path, name string, s treetest.Spec) {
	c.t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		c.t.Errorf("%q: %v", path, err)
		return
	}
	kinds := map[uint32]tree.Type{unix.S_IFREG: tree.Regular, unix.S_IFDIR: tree.Directory, unix.S_IFLNK: tree.Symlink,
		unix.S_IFBLK: tree.BlockDevice, unix.S_IFCHR: tree.CharDevice, unix.S_IFIFO: tree.FIFO}
	if kind := kinds[st.Mode&unix.S_IFMT]; kind != s.Type {
		c.t.Errorf("%q is a %v, want %v", path, kind, s.Type)
		return
	}
	if s.Type != tree.Symlink && uint16(st.Mode&0o7777) != s.Mode {
		c.t.Errorf("%q: mode %04o, want %04o", path, st.Mode&0o7777, s.Mode)
	}
	if uid, gid := c.owner(&s.Node); st.Uid != uid || st.Gid != gid {
		c.t.Errorf("%q: owner %d:%d, want %d:%d", path, st.Uid, st.Gid, uid, gid)
	}
	if got := (tree.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}); got != s.ModTime {
		c.t.Errorf("%q: mtime %v, want %v", path, got, s.ModTime)
	}
	if got := (tree.Time{Sec: st.Atim.Sec, Nsec: uint32(st.Atim.Nsec)}); !s.AccessTime.IsZero() && got != s.AccessTime {
		c.t.Errorf("%q: atime %v, want %v", path, got, s.AccessTime)
	}
	if st.Rdev != s.Rdev {
		c.t.Errorf("%q: device %#x, want %#x", path, st.Rdev, s.Rdev)
	}
	if got := readXattrs(c.t, name); !slices.EqualFunc(got, s.Xattrs, func(a, b tree.Xattr) bool {
		return a.Name == b.Name && bytes.Equal(a.Value, b.Value)
	}) {
		c.t.Errorf("%q: attributes %q, want %q", path, got, s.Xattrs)
	}
	if g, ok := groupOf(&s.Node); ok {
		if first, seen := c.groups[g]; seen && first != st.Ino {
			c.t.Errorf("%q is not the same file as others of its group", path)
		}
		c.groups[g] = st.Ino
		if uint64(st.Nlink) != s.Links {
			c.t.Errorf("%q has %d links, want %d", path, st.Nlink, s.Links)
		}
	} else if s.Type != tree.Directory && st.Nlink != 1 {
		c.t.Errorf("%q has %d links", path, st.Nlink)
	}
	c.content(path, name, s)
}

func (c *checker) content(path, name string, s treetest.Spec) {
	c.t.Helper()
	switch s.Type {
	case tree.Regular:
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, s.Data) {
			c.t.Errorf("%q: content differs (%d bytes, want %d), %v", path, len(got), len(s.Data), err)
		}
		if got, want := holesOf(c.t, name), holesIn(s.Data); !slices.Equal(got, want) {
			c.t.Errorf("%q: holes %v, want %v", path, got, want)
		}
	case tree.Symlink:
		if got, err := os.Readlink(name); err != nil || got != s.Target {
			c.t.Errorf("%q: target %q, want %q, %v", path, got, s.Target, err)
		}
	case tree.Directory:
		entries, err := os.ReadDir(name)
		if err != nil || len(entries) != len(s.Children) {
			c.t.Errorf("%q: %d entries, want %d, %v", path, len(entries), len(s.Children), err)
		}
		if err := os.Chdir(name); err != nil {
			c.t.Fatal(err)
		}
		for _, child := range s.Children {
			c.entry(path+"/"+child.Name, child.Name, child)
		}
		if err := os.Chdir(".."); err != nil {
			c.t.Fatal(err)
		}
	}
}

// holesIn returns where treetest.Build makes holes of zeros.
func holesIn(data []byte) (holes []Range) {
	if len(data) <= tree.MaxInline {
		return nil
	}
	for off := 0; off < len(data); off += chunk {
		piece := data[off:min(off+chunk, len(data))]
		if len(bytes.Trim(piece, "\x00")) > 0 {
			continue
		}
		if n := len(holes); n > 0 && holes[n-1].Offset+holes[n-1].Length == uint64(off) {
			holes[n-1].Length += uint64(len(piece))
		} else {
			holes = append(holes, Range{uint64(off), uint64(len(piece))})
		}
	}
	return holes
}

func holesOf(t *testing.T, path string) (holes []Range) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Stat()
	for off := int64(0); off < info.Size(); {
		hole, err := f.Seek(off, unix.SEEK_HOLE)
		if err != nil || hole == info.Size() {
			return holes
		}
		data, err := f.Seek(hole, unix.SEEK_DATA)
		if err != nil {
			data = info.Size()
		}
		holes = append(holes, Range{uint64(hole), uint64(data - hole)})
		off = data
	}
	return holes
}

func readXattrs(t *testing.T, path string) (list []tree.Xattr) {
	t.Helper()
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(string(buf[:n]), "\x00") {
		if name == "" {
			continue
		}
		n, err := unix.Lgetxattr(path, name, buf)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, tree.Xattr{Name: name, Value: bytes.Clone(buf[:n])})
	}
	slices.SortFunc(list, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// becomeNobody has the test go on as an ordinary user, in a directory of its
// own.
func becomeNobody(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if os.Geteuid() != 0 {
		return dir
	}
	const nobody = 65534
	// All users must get to it.
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	// The saved user stays root, so that there is a way back.
	for _, err := range []error{syscall.Setgroups(nil), syscall.Setresgid(-1, nobody, -1), syscall.Setresuid(-1, nobody, -1),
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)} { // else /proc/self is closed to it
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, err := range []error{syscall.Setresuid(-1, 0, -1), syscall.Setresgid(-1, 0, -1), syscall.Setgroups(groups)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	return dir
}
