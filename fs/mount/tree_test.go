package mount

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
)

func buildForHelper(root *item) (*view.Tree, error) {
	store := treetest.New()
	var failed failure
	build(&failed, store, root)
	return openStored(store, root), failed.err
}

// failure stands in for a test where there is none.
type failure struct {
	testing.TB
	err error
}

func (f *failure) Helper()           {}
func (f *failure) Fatal(args ...any) { f.err = fmt.Errorf("%v", args) }

func TestEveryAttributeAndByte(t *testing.T) {
	root := uglyTree()
	dir := mountTree(t, root, Options{})
	compare(t, dir, root)
	compare(t, dir, root) // now out of the kernel's cache
}

func TestSubdirectoryMounted(t *testing.T) {
	root := uglyTree()
	opened, _ := newTree(t, root)
	from, err := opened.Resolve(context.Background(), "links")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := MountTree(dir, opened, from, Options{})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	for _, child := range root.children {
		if child.Name == "links" {
			compare(t, dir, child)
		}
	}
	if _, err := MountTree(t.TempDir(), opened, mustResolve(t, opened, "sizes/one"), Options{}); err == nil {
		t.Error("a file was mounted")
	}
}

func mustResolve(t *testing.T, v *view.Tree, path string) view.Entry {
	t.Helper()
	e, err := v.Resolve(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A directory of many pages is listed whole, in whatever pieces the kernel
// asks for it, by several at once, and every name is found.
func TestLargeDirectory(t *testing.T) {
	const count = 50000
	large := dir("large")
	for i := range count {
		large.children = append(large.children, text(fmt.Sprintf("entry %06d with a name of some length", i), fmt.Sprint(i)))
	}
	mnt := mountTree(t, dir("", large), Options{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			entries, err := os.ReadDir(mnt + "/large")
			if err != nil || len(entries) != count {
				t.Errorf("%d entries, %v", len(entries), err)
				return
			}
			for i, e := range entries {
				if e.Name() != large.children[i].Name {
					t.Errorf("entry %d is %q", i, e.Name())
					return
				}
			}
		})
	}
	wg.Wait()
	for _, i := range []int{0, 1, 255, 256, 4096, count / 2, count - 1} {
		got, err := os.ReadFile(mnt + "/large/" + large.children[i].Name)
		if err != nil || string(got) != fmt.Sprint(i) {
			t.Errorf("entry %d: %q, %v", i, got, err)
		}
	}
	seekDirectory(t, mnt+"/large", count)
}

// seekDirectory lists a directory, goes back to where it was half-way, and
// must see the same rest: getdents offsets are for ever.
func seekDirectory(t *testing.T, path string, count int) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	buf := make([]byte, 32<<10)
	list := func() (names []string, middle int64, before int) {
		for {
			n, err := unix.Getdents(fd, buf)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				return names, middle, before
			}
			_, _, names = unix.ParseDirent(buf[:n], -1, names)
			if middle == 0 && len(names) > count/2 {
				middle, _ = unix.Seek(fd, 0, io.SeekCurrent)
				before = len(names)
			}
		}
	}
	all, middle, before := list()
	if _, err := unix.Seek(fd, middle, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	rest, _, _ := list()
	if len(all) != count || strings.Join(all[before:], "/") != strings.Join(rest, "/") {
		t.Errorf("%d entries; %d after the middle, then %d", len(all), len(all)-before, len(rest))
	}
}

// Nothing can be changed, and the mount says so.
func TestReadOnly(t *testing.T) {
	mnt := mountTree(t, uglyTree(), Options{FSName: "a,b c", StoredBytes: func() uint64 { return 10000 }})
	existing := mnt + "/sizes/one"
	for what, err := range map[string]error{
		"create":   os.WriteFile(mnt+"/new", nil, 0o600),
		"write":    os.WriteFile(existing, nil, 0o600),
		"mkdir":    os.Mkdir(mnt+"/new", 0o700),
		"remove":   os.Remove(existing),
		"rename":   os.Rename(existing, mnt+"/sizes/two"),
		"chmod":    os.Chmod(existing, 0o600),
		"link":     os.Link(existing, mnt+"/sizes/two"),
		"symlink":  os.Symlink("x", mnt+"/sizes/two"),
		"setxattr": unix.Setxattr(existing, "user.x", nil, 0),
	} {
		if pathErr := unwrapErrno(err); pathErr != unix.EROFS {
			t.Errorf("%s: %v, want EROFS", what, err)
		}
	}
	m, isRoot, err := mountAt(mnt)
	if err != nil || !isRoot || !m.ours() {
		t.Fatalf("%+v %v %v", m, isRoot, err)
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); fields[1] == mnt {
			if fields[0] != `a,b\040c` || fields[2] != "fuse.garret" || !strings.HasPrefix(fields[3], "ro,nosuid,nodev,") {
				t.Errorf("mounted as %q", line)
			}
		}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(mnt, &st); err != nil || st.Blocks != 3 || st.Bsize != 4096 || st.Bfree != 0 || st.Namelen != 255 || st.Files < 100 {
		t.Errorf("statfs: %+v, %v", st, err)
	}
}

func unwrapErrno(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = inner.Unwrap()
	}
}

func TestInodeFlags(t *testing.T) {
	const immutable = 0x10
	mnt := mountTree(t, dir("", file("f", piece{data: []byte("x")}).with(func(n *tree.Node) { n.Flags = immutable })), Options{})
	f, err := os.Open(mnt + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS); err != nil || flags != immutable {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

// Attributes that occur nowhere are refused in the way that makes programs stop
// asking; those that occur are there.
func TestXattrFamilies(t *testing.T) {
	get := func(path, name string) error {
		_, err := unix.Lgetxattr(path, name, make([]byte, 100))
		return err
	}
	root := func() *item {
		return dir("", text("f", "").with(func(n *tree.Node) {
			n.Xattrs = []tree.Xattr{{Name: "user.a", Value: []byte("v")}}
		}), text("plain", ""))
	}
	for _, test := range []struct {
		families                 []string
		user, plain, capa, label error
	}{
		{nil, nil, unix.ENODATA, unix.ENODATA, unix.ENODATA},
		{[]string{"user"}, nil, unix.ENODATA, unix.EOPNOTSUPP, unix.EOPNOTSUPP},
		{[]string{"user", "security.capability"}, nil, unix.ENODATA, unix.ENODATA, unix.EOPNOTSUPP},
		{[]string{"security"}, unix.EOPNOTSUPP, unix.EOPNOTSUPP, unix.ENODATA, unix.ENODATA},
		{[]string{}, unix.EOPNOTSUPP, unix.EOPNOTSUPP, unix.EOPNOTSUPP, unix.EOPNOTSUPP},
	} {
		mnt := mountTree(t, root(), Options{XattrFamilies: test.families})
		for i, got := range []error{get(mnt+"/f", "user.a"), get(mnt+"/plain", "user.a"), get(mnt+"/f", "security.capability"), get(mnt+"/f", "security.selinux")} {
			if want := []error{test.user, test.plain, test.capa, test.label}[i]; got != want {
				t.Errorf("families %q, request %d: %v, want %v", test.families, i, got, want)
			}
		}
	}
}

// A file handle stays good when the server is another one.
func TestFileHandleSurvivesRemount(t *testing.T) {
	root := uglyTree()
	opened, _ := newTree(t, root)
	mnt := t.TempDir()
	handles := map[string]unix.FileHandle{}
	paths := []string{"sizes/3 MiB", "names", "deep/deeper/deeper/leaf", "sizes"}
	for _, remount := range []bool{false, true} {
		s, err := MountTree(mnt, opened, opened.Root(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		at, err := unix.Open(mnt, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if !remount {
				h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, mnt+"/"+path, 0)
				if err != nil {
					t.Fatal(err)
				}
				handles[path] = h
				continue
			}
			fd, err := unix.OpenByHandleAt(at, handles[path], unix.O_RDONLY|unix.O_CLOEXEC)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			var byHandle, byPath unix.Stat_t
			if err := unix.Fstat(fd, &byHandle); err != nil {
				t.Error(err)
			}
			if err := unix.Stat(mnt+"/"+path, &byPath); err != nil || byHandle.Ino != byPath.Ino || byHandle.Size != byPath.Size {
				t.Errorf("%s: inode %d by handle, %d by path, %v", path, byHandle.Ino, byPath.Ino, err)
			}
			unix.Close(fd)
		}
		unix.Close(at)
		if err := s.Unmount(); err != nil {
			t.Fatal(err)
		}
	}
}

// A handle into a part of the tree that is not mounted opens nothing.
func TestFileHandleFromOutside(t *testing.T) {
	opened, _ := newTree(t, uglyTree())
	mnt := t.TempDir()
	s, err := MountTree(mnt, opened, opened.Root(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	handle := func(path string) unix.FileHandle {
		h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, mnt+"/"+path, 0)
		if err != nil {
			t.Error(err)
		}
		return h
	}
	inside, before, after := handle("modes/none"), handle("links/first"), handle("sizes/one")
	if err := s.Unmount(); err != nil {
		t.Fatal(err)
	}
	if s, err = MountTree(mnt, opened, mustResolve(t, opened, "modes"), Options{}); err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	at, err := unix.Open(mnt, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(at)
	for _, h := range []unix.FileHandle{before, after} {
		if fd, err := unix.OpenByHandleAt(at, h, unix.O_RDONLY|unix.O_CLOEXEC); err != unix.ESTALE {
			t.Errorf("opened as %d, %v", fd, err)
		}
	}
	fd, err := unix.OpenByHandleAt(at, inside, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}

// What has been read once is the kernel's to keep: opening the file again and
// reading it costs the server nothing.
func TestKernelKeepsContent(t *testing.T) {
	root := dir("", file("f", piece{data: noise(1, 300000)}, piece{data: noise(2, 300000)}))
	opened, store := newTree(t, root)
	mnt := t.TempDir()
	s, err := MountTree(mnt, opened, opened.Root(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	compare(t, mnt, root)
	before := store.Stats().Loads
	compare(t, mnt, root)
	if after := store.Stats().Loads; after != before {
		t.Errorf("%d blobs were loaded again", after-before)
	}
}
