package restore

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
)

// A restore that is interrupted, at whatever point, and run again ends as if it
// had not been: with all metadata, those of the destination too, which nobody
// would look at again.
func TestInterrupted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, who can look into all of it")
	}
	f := build(t, uglyTree(true))
	for how, times := range map[Overwrite][]int64{Replace: {40}, ReplaceChanged: {1, 200}} {
		for _, at := range times {
			dest := t.TempDir() + "/dest"
			ctx, cancel := context.WithCancel(context.Background())
			o, _ := f.options(dest)
			o.Loader = &hookLoader{Loader: f.store, at: at, hook: cancel}
			if _, err := Run(ctx, o); err != context.Canceled {
				t.Fatalf("interrupted at %d: %v", at, err)
			}
			// What a run that was killed leaves.
			must(t, os.MkdirAll(dest+"/sizes", 0o700))
			must(t, os.WriteFile(dest+"/sizes/one chunk", []byte("only half"), 0o600))
			o, warnings := f.options(dest)
			o.Overwrite = how
			stats, err := Run(context.Background(), o)
			if err != nil || len(*warnings) > 0 {
				t.Fatalf("again: %v, %v", err, *warnings)
			}
			check(t, dest, f.spec)
			if how != ReplaceChanged {
				continue
			}
			if at == 200 && stats.Kept == 0 {
				t.Error("nothing was kept of what the first run had done")
			}
			// Once more there is nothing to do.
			if stats, err = Run(context.Background(), o); err != nil || stats.Files+stats.Symlinks+stats.Specials+stats.HardLinks > 0 {
				t.Errorf("restored again: %+v, %v, %v", stats, err, *warnings)
			}
		}
	}
}

// What is in the way stays or goes as was asked, and nothing of it is changed
// when it stays.
func TestOverwrite(t *testing.T) {
	stored := tree.Time{Sec: 1e9, Nsec: 5}
	at := func(path string, sec int64) error {
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: sec}, {Sec: sec, Nsec: 5}}, unix.AT_SYMLINK_NOFOLLOW)
	}
	tests := []struct {
		name                            string
		change                          func(path string) error // of what was restored before
		changed, newer, always, noKeeps bool                    // is replaced
	}{
		{name: "the same", change: func(string) error { return nil }, always: true},
		{name: "another content, the same time", change: func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("other!"), 0), at(path, 1e9))
		}, always: true},
		{name: "larger", change: func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("larger than stored"), 0), at(path, 1e9))
		}, changed: true, always: true},
		{name: "changed later", change: func(path string) error { return at(path, 2e9) }, changed: true, always: true},
		{name: "older", change: func(path string) error { return at(path, 5e8) }, changed: true, newer: true, always: true},
		{name: "another mode", change: func(path string) error { return os.Chmod(path, 0o600) }, changed: true, always: true},
		{name: "an attribute more", change: func(path string) error { return unix.Setxattr(path, "user.more", nil, 0) }, changed: true, always: true},
		{name: "another attribute", change: func(path string) error { return unix.Setxattr(path, "user.x", []byte("z"), 0) }, changed: true, always: true},
		{name: "a name elsewhere", change: func(path string) error { return os.Link(path, path+" too") }, changed: true, always: true},
		{name: "a symlink, newer", change: func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("x", path), at(path, 2e9))
		}, changed: true, always: true},
	}
	for _, test := range tests {
		for how, want := range map[Overwrite]bool{ReplaceChanged: test.changed, ReplaceOlder: test.newer, Replace: test.always, Keep: false} {
			f := build(t, treetest.Dir("", with(treetest.File("file", "stored"), func(n *tree.Node) {
				n.ModTime, n.Xattrs = stored, []tree.Xattr{{Name: "user.x", Value: []byte("y")}}
			})))
			dest := t.TempDir()
			f.restore(t, dest)
			must(t, test.change(dest+"/file"))
			var before, after unix.Stat_t
			must(t, unix.Lstat(dest+"/file", &before))
			o, warnings := f.options(dest)
			o.Overwrite = how
			stats, err := Run(context.Background(), o)
			if err != nil || len(*warnings) > 0 {
				t.Fatal(err, *warnings)
			}
			must(t, unix.Lstat(dest+"/file", &after))
			if replaced := after.Ino != before.Ino || after.Mode != before.Mode; replaced != want || (stats.Kept == 0) != want {
				t.Errorf("%s, %v: replaced %v, %+v", test.name, how, replaced, stats)
			}
			if want {
				check(t, dest+"/file", f.specOf("file"))
			} else if before != after {
				t.Errorf("%s, %v: it was kept and changed:\n%+v\n%+v", test.name, how, before, after)
			}
		}
	}
}

// While a file is replaced, the old one is there or the new one, at each moment:
// whoever pulls the plug then has one of them.
func TestReplacedAtOnce(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.File("file", strings.Repeat("stored", 100))))
	dest := t.TempDir()
	fd, err := unix.Open(dest, unix.O_TMPFILE|unix.O_WRONLY, 0o600)
	if err != nil {
		t.Skip("the file system has no files without names")
	}
	unix.Close(fd)
	f.restore(t, dest)
	done, missing := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-done:
				missing <- n
				return
			default:
			}
			if _, err := os.Lstat(dest + "/file"); err != nil {
				n++
			}
		}
	}()
	for range 500 {
		o, _ := f.options(dest)
		o.Overwrite = Replace
		if _, err := Run(context.Background(), o); err != nil {
			t.Error(err)
		}
	}
	close(done)
	if n := <-missing; n > 0 {
		t.Errorf("there was no file %d times", n)
	}
	if entries, err := os.ReadDir(dest); err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// Keep leaves directories that are there as they are, and fills them: also one
// that is closed, which is opened for as long as that takes.
func TestKeepDirectories(t *testing.T) {
	for _, mode := range []os.FileMode{0o711, 0o511, 0o077} {
		f := build(t, treetest.Dir("", treetest.Dir("dir", treetest.File("file", "stored"))))
		dest := t.TempDir()
		must(t, os.Mkdir(dest+"/dir", 0o700))
		must(t, os.Chmod(dest+"/dir", mode))
		o, _ := f.options(dest)
		o.Overwrite = Keep
		if _, err := Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(dest + "/dir"); err != nil || info.Mode().Perm() != mode {
			t.Errorf("directory: %v, %v, want %v", info.Mode(), err, mode)
		}
		must(t, os.Chmod(dest+"/dir", 0o700))
		check(t, dest+"/dir/file", f.spec.Children[0].Children[0])
	}
}

// A directory that was there ends with the attributes that were stored, not
// with a mixture.
func TestMergedDirectory(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.Dir("dir", treetest.File("file", "x"))))
	dest := t.TempDir()
	must(t, os.Mkdir(dest+"/dir", 0o711))
	for _, name := range []string{"user.old", aclDefault} {
		value := []byte("x")
		if name == aclDefault {
			value = acl(7, 4)
		}
		must(t, unix.Setxattr(dest+"/dir", name, value, 0))
	}
	f.restore(t, dest)
	check(t, dest+"/dir", f.specOf("dir"))
}

// The old file is there until the new one is whole: whoever is interrupted has
// one of them.
func TestReplacedAtTheEnd(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.File("file", string(noise(1, 3*chunk)))))
	dest := t.TempDir()
	must(t, os.WriteFile(dest+"/file", []byte("old"), 0o600))
	probe, err := unix.Open(dest, unix.O_TMPFILE|unix.O_WRONLY, 0o600)
	if err != nil {
		t.Skipf("no unnamed files here: %v", err)
	}
	unix.Close(probe)
	ctx, cancel := context.WithCancel(context.Background())
	o, _ := f.options(dest)
	o.Overwrite = Replace
	o.Loader = &hookLoader{Loader: f.store, at: 2, hook: func() {
		if old, err := os.ReadFile(dest + "/file"); string(old) != "old" {
			t.Errorf("while it is replaced: %q, %v", old, err)
		}
		cancel()
	}}
	if _, err := Run(ctx, o); err != context.Canceled {
		t.Fatal(err)
	}
	if old, err := os.ReadFile(dest + "/file"); string(old) != "old" {
		t.Errorf("interrupted: %q, %v", old, err)
	}
	if entries, err := os.ReadDir(dest); len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// Files and directories that may not be changed are replaced by who may allow
// it; those that were made in a directory with flags do not keep them.
func TestOverwriteLocked(t *testing.T) {
	flags := func(s treetest.Spec, f uint32) treetest.Spec { return with(s, func(n *tree.Node) { n.Flags = f }) }
	f := build(t, treetest.Dir("",
		flags(linked(treetest.File("a name", "x"), 5, 2), flagImmutable),
		flags(treetest.Dir("append", flags(treetest.File("file", "x"), flagAppend), treetest.File("plain", "y")), flagAppend|flagNoDump),
		flags(treetest.Dir("immutable", flags(linked(treetest.File("another", "x"), 5, 2), flagImmutable), treetest.Dir("dir")), flagImmutable),
		flags(treetest.File("append file", "z"), flagAppend|flagImmutable)))
	dest := t.TempDir()
	t.Cleanup(func() {
		for _, p := range []string{"a name", "append", "append/file", "append/plain", "immutable", "append file"} {
			if fd, err := unix.Open(dest+"/"+p, unix.O_RDONLY, 0); err == nil {
				unlockFD(fd)
				unix.Close(fd)
			}
		}
	})
	o, warnings := f.options(dest)
	if _, err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if len(*warnings) > 0 {
		t.Skipf("no such flags here, or for this user: %v", *warnings)
	}
	for _, how := range []Overwrite{Replace, ReplaceChanged} {
		o.Overwrite = how
		if _, err := Run(context.Background(), o); err != nil || len(*warnings) > 0 {
			t.Fatalf("%v: %v, %v", how, err, *warnings)
		}
		for p, want := range map[string]uint32{"a name": flagImmutable, "immutable/another": flagImmutable, "append/file": flagAppend,
			"append/plain": 0, "append": flagAppend | flagNoDump, "immutable": flagImmutable, "immutable/dir": 0} {
			fd, err := unix.Open(dest+"/"+p, unix.O_RDONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := flagsOf(fd); got != want {
				t.Errorf("%v: %s: flags %#x, want %#x", how, p, got, want)
			}
			unix.Close(fd)
		}
	}
	// Without being asked to, nobody's locks are opened.
	o.Overwrite = Refuse
	if _, err := Run(context.Background(), o); !errors.Is(err, ErrExists) {
		t.Errorf("restored without Overwrite: %v", err)
	}
	fd, err := unix.Open(dest+"/immutable", unix.O_RDONLY, 0)
	must(t, err)
	defer unix.Close(fd)
	if flagsOf(fd) != flagImmutable {
		t.Error("the directory is not immutable any more")
	}
}

// What a user does not want is not set.
func TestLeaveOutMetadata(t *testing.T) {
	f := build(t, treetest.Dir("", with(treetest.File("file", "x"), func(n *tree.Node) {
		n.Mode, n.Flags = 0o770, flagNoDump
		n.Xattrs = []tree.Xattr{{Name: aclAccess, Value: acl(1000, 5)}, {Name: "user.x", Value: []byte("y")}}
	})))
	for _, c := range []struct {
		set   func(o *Options)
		names string
		flags uint32
	}{
		{func(o *Options) {}, aclAccess + " user.x", flagNoDump},
		{func(o *Options) { o.NoXattrs = true }, aclAccess, flagNoDump},
		{func(o *Options) { o.NoACLs = true }, "user.x", flagNoDump},
		{func(o *Options) { o.NoFlags, o.NoACLs, o.NoXattrs = true, true, true }, "", 0},
	} {
		o, warnings := f.options(t.TempDir())
		c.set(&o)
		if _, err := Run(context.Background(), o); err != nil || len(*warnings) > 0 {
			t.Fatal(err, *warnings)
		}
		var names []string
		for _, x := range readXattrs(t, o.Dest+"/file") {
			names = append(names, x.Name)
		}
		if got := strings.Join(names, " "); got != c.names {
			t.Errorf("attributes %q, want %q", got, c.names)
		}
		if flags, err := flagsAt(unix.AT_FDCWD, o.Dest+"/file"); err == nil && flags&allFlags != c.flags {
			t.Errorf("flags %#x, want %#x", flags, c.flags)
		}
	}
}

// A time that the file system moves to its own bounds is not restored, and that
// is said.
func TestTimesOutOfBounds(t *testing.T) {
	f := build(t, treetest.Dir("",
		with(treetest.File("file", ""), func(n *tree.Node) { n.ModTime = tree.Time{Sec: 253402300799} }),
		with(treetest.Symlink("link", "x"), func(n *tree.Node) { n.ModTime = tree.Time{Sec: -253402300799} })))
	o, warnings := f.options(t.TempDir())
	stats, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	wrong := uint64(0)
	for _, s := range f.spec.Children {
		var st unix.Stat_t
		must(t, unix.Lstat(o.Dest+"/"+s.Name, &st))
		if st.Mtim.Sec != s.ModTime.Sec {
			wrong++
		}
	}
	told := uint64(0)
	for _, d := range stats.Denied {
		told += d.Entries
	}
	if wrong != told || wrong > 0 && (len(*warnings) != 1 || !errors.Is((*warnings)[0].err, errTime)) {
		t.Errorf("%d times are wrong: %+v, %v", wrong, stats.Denied, *warnings)
	}
}

// Holes get blocks where they are wanted.
func TestAllocate(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.File("file", string(make([]byte, 40*chunk)))))
	for _, allocate := range []bool{false, true} {
		o, warnings := f.options(t.TempDir())
		o.Allocate = allocate
		if _, err := Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		if len(*warnings) > 0 {
			t.Skipf("cannot be done here: %v", *warnings)
		}
		var st unix.Stat_t
		must(t, unix.Stat(o.Dest+"/file", &st))
		if got := st.Blocks*512 >= st.Size; got != allocate || st.Size != 40*chunk {
			t.Errorf("allocate %v: %d blocks for %d bytes", allocate, st.Blocks, st.Size)
		}
	}
}
