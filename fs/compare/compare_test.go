package compare

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// makeTree makes a small tree with an example of what is compared.
func makeTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := func(name string) string { return filepath.Join(root, name) }
	check(os.Mkdir(path("dir"), 0o755))
	check(os.WriteFile(path("dir/text"), []byte("some text"), 0o644))
	check(os.WriteFile(path("big"), bytes.Repeat([]byte("0123456789abcdef"), 3*bufferBytes/16), 0o644))
	check(os.WriteFile(path("empty"), nil, 0o600))
	check(os.WriteFile(path("name\xff\n"), []byte("x"), 0o600))
	check(os.Symlink("dir/text", path("symlink")))
	check(unix.Mkfifo(path("fifo"), 0o600))
	check(unix.Mknod(path("socket"), unix.S_IFSOCK|0o600, 0))
	check(os.Link(path("dir/text"), path("link")))
	check(os.WriteFile(path("single"), []byte("some text"), 0o644))
	sparse, err := os.Create(path("sparse"))
	check(err)
	check(sparse.Truncate(1 << 40))
	_, err = sparse.WriteAt([]byte("middle"), 1<<39)
	check(err)
	check(sparse.Close())
	check(unix.Lsetxattr(path("dir"), "user.one", []byte("1"), 0))
	for _, name := range []string{"dir/text", "big", "empty", "name\xff\n", "symlink", "fifo", "socket", "single", "sparse", "dir", "."} {
		ts := []unix.Timespec{{Sec: 1e9, Nsec: 1}, {Sec: 1e9, Nsec: 2}}
		check(unix.UtimesNanoAt(unix.AT_FDCWD, path(name), ts, unix.AT_SYMLINK_NOFOLLOW))
	}
	return root
}

func differences(t *testing.T, a, b string, o Options) ([]Difference, Stats) {
	t.Helper()
	var found []Difference
	stats, err := Run(context.Background(), a, b, o, func(d Difference) { found = append(found, d) })
	if err != nil {
		t.Fatal(err)
	}
	if stats.Differences != uint64(len(found)) {
		t.Errorf("%d differences counted, %d reported", stats.Differences, len(found))
	}
	slices.SortFunc(found, func(a, b Difference) int {
		return strings.Compare(a.Path+string(a.Kind), b.Path+string(b.Kind))
	})
	return found, stats
}

func TestEqualTrees(t *testing.T) {
	a, b := makeTree(t), makeTree(t)
	found, stats := differences(t, a, b, Options{Holes: true})
	if len(found) > 0 {
		t.Errorf("equal trees differ: %v", found)
	}
	// The hard link's content is read once, and the hole of 1 TiB never.
	if stats.Entries != 12 || stats.Files != 6 || stats.Bytes < 3*bufferBytes || stats.Bytes > 5*bufferBytes {
		t.Errorf("stats %+v", stats)
	}
}

// TestEachDifference changes one thing at a time: each must be found, and
// nothing else. A comparison that overlooks one would let a backup lose it.
func TestEachDifference(t *testing.T) {
	keepTime := func(path string, change func() error) error {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		if err := change(); err != nil {
			return err
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
	}
	writeAt := func(path, data string, off int64) error {
		return keepTime(path, func() error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte(data), off)
			return err
		})
	}
	replace := func(path string, make func() error) error {
		return keepTime(filepath.Dir(path), func() error {
			return keepTime(path, func() error {
				if err := os.Remove(path); err != nil {
					return err
				}
				return make()
			})
		})
	}
	tests := []struct {
		name   string
		change func(root string) error
		want   []Difference
		root   bool    // only root can
		o      Options // with which there is no difference; Holes: with which there is one
	}{
		{name: "last byte", change: func(root string) error { return writeAt(root+"/big", "X", 3*bufferBytes-1) },
			want: []Difference{{"big", Content, "byte 786431 is 0x66", "byte 786431 is 0x58"}}},
		{name: "first byte of a buffer", change: func(root string) error { return writeAt(root+"/big", "X", bufferBytes) },
			want: []Difference{{"big", Content, "byte 262144 is 0x30", "byte 262144 is 0x58"}}},
		{name: "data in a hole", change: func(root string) error { return writeAt(root+"/sparse", "X", 1<<20) },
			want: []Difference{{"sparse", Content, "byte 1048576 is 0x00", "byte 1048576 is 0x58"}}},
		{name: "zeros in a hole", change: func(root string) error { return writeAt(root+"/sparse", "\x00", 1<<20) },
			want: []Difference{{"sparse", Holes, "data at 549755813888", "data at 1048576"}}, o: Options{Holes: true}},
		{name: "size", change: func(root string) error { return writeAt(root+"/single", "!", 9) },
			want: []Difference{{"single", Size, "9", "10"}}},
		{name: "mode", change: func(root string) error { return os.Chmod(root+"/single", 0o644|os.ModeSetuid) },
			want: []Difference{{"single", Mode, "0644", "4644"}}},
		{name: "owner", root: true, change: func(root string) error { return os.Lchown(root+"/symlink", 1234, 5678) },
			want: []Difference{{"symlink", Owner, "0:0", "1234:5678"}}, o: Options{IgnoreOwner: true}},
		{name: "nanosecond", change: func(root string) error {
			return unix.UtimesNanoAt(unix.AT_FDCWD, root+"/symlink", []unix.Timespec{{Sec: 1e9}, {Sec: 1e9, Nsec: 3}}, unix.AT_SYMLINK_NOFOLLOW)
		}, want: []Difference{{"symlink", ModTime, "2001-09-09T01:46:40.000000002Z", "2001-09-09T01:46:40.000000003Z"}},
			o: Options{IgnoreTimes: true}},
		{name: "directory time", change: func(root string) error { return os.Chtimes(root+"/dir", time.Time{}, time.Unix(5, 6)) },
			want: []Difference{{"dir", ModTime, "2001-09-09T01:46:40.000000002Z", "1970-01-01T00:00:05.000000006Z"}},
			o:    Options{IgnoreDirTimes: true}},
		{name: "target", change: func(root string) error {
			return replace(root+"/symlink", func() error { return os.Symlink("dir/tex\xff", root+"/symlink") })
		}, want: []Difference{{"symlink", Target, `"dir/text"`, `"dir/tex\xff"`}}},
		{name: "type", change: func(root string) error {
			return replace(root+"/fifo", func() error { return os.WriteFile(root+"/fifo", nil, 0o600) })
		}, want: []Difference{{"fifo", Type, "fifo", "file"}}},
		{name: "missing", change: func(root string) error {
			return keepTime(root, func() error { return os.Remove(root + "/name\xff\n") })
		}, want: []Difference{{"name\xff\n", Missing, "file", "nothing"}}},
		{name: "missing socket", change: func(root string) error {
			return keepTime(root, func() error { return os.Remove(root + "/socket") })
		}, want: []Difference{{"socket", Missing, "socket", "nothing"}}, o: Options{IgnoreSockets: true}},
		{name: "extra", change: func(root string) error {
			return keepTime(root+"/dir", func() error { return os.Mkdir(root+"/dir/zzz", 0o700) })
		}, want: []Difference{{"dir/zzz", Extra, "nothing", "directory"}},
			o: Options{Skip: func(path string) bool { return path == "dir/zzz" }}},
		{name: "nodump", change: func(root string) error { return setFlags(root+"/dir", 0x40) },
			want: []Difference{{"dir", Flags, "none", "nodump"}}, o: Options{IgnoreFlags: true}},
		{name: "nodump of a file", change: func(root string) error { return setFlags(root+"/empty", 0x40) },
			want: []Difference{{"empty", Flags, "none", "nodump"}}, o: Options{IgnoreFlags: true}},
		{name: "xattr value", change: func(root string) error { return unix.Setxattr(root+"/dir", "user.one", []byte("2"), 0) },
			want: []Difference{{"dir", Xattrs, `user.one="1"`, `user.one="2"`}},
			o:    Options{IgnoreXattr: func(name string) bool { return name == "user.one" }}},
		{name: "xattr lost", change: func(root string) error { return unix.Removexattr(root+"/dir", "user.one") },
			want: []Difference{{"dir", Xattrs, `user.one="1"`, "no user.one"}}},
		{name: "xattr of a link", root: true, change: func(root string) error {
			return unix.Lsetxattr(root+"/symlink", "trusted.x", make([]byte, 1000), 0)
		}, want: []Difference{{"symlink", Xattrs, "no trusted.x", "trusted.x=" + quote(string(make([]byte, 1000)))}}},
		{name: "link broken", change: func(root string) error {
			return replace(root+"/link", func() error { return os.WriteFile(root+"/link", []byte("some text"), 0o644) })
		}, want: []Difference{{"link", HardLinks, `the same file as "dir/text"`, "another one"}}},
		{name: "link made", change: func(root string) error {
			return replace(root+"/single", func() error { return os.Link(root+"/dir/text", root+"/single") })
		}, want: []Difference{{"single", HardLinks, "another file", `the same as "dir/text"`}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.root && os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			a, b := makeTree(t), makeTree(t)
			err := test.change(b)
			if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) {
				t.Skipf("this file system has no such thing: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if found, _ := differences(t, a, b, Options{Holes: test.o.Holes}); !reflect.DeepEqual(found, test.want) {
				t.Errorf("found %v\nwant  %v", found, test.want)
			}
			if reflect.DeepEqual(test.o, Options{}) {
				return // cannot be left out of the comparison
			}
			test.o.Holes = false
			if found, _ := differences(t, a, b, test.o); len(found) > 0 {
				t.Errorf("ignored, but found %v", found)
			}
		})
	}
}

func TestDevices(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for root, minor := range map[string]uint32{a: 3, b: 5} {
		if err := unix.Mknod(root+"/dev", unix.S_IFCHR|0o600, int(unix.Mkdev(1, minor))); err != nil {
			t.Skipf("needs the right to make devices: %v", err)
		}
	}
	found, _ := differences(t, a, b, Options{IgnoreTimes: true})
	if want := []Difference{{"dev", Device, "1:3", "1:5"}}; !reflect.DeepEqual(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
}

func setFlags(path string, flags int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
}

// Link counts and blocks differ where all else is equal: a name outside the
// tree, blocks that were allocated and never written.
func TestCountsAndBlocks(t *testing.T) {
	a, b := makeTree(t), makeTree(t)
	if err := os.Link(b+"/single", t.TempDir()+"/outside"); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(b+"/empty", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const keepSize = 1
	if err := unix.Fallocate(int(f.Fd()), keepSize, 0, 10*blockSlack); err != nil {
		t.Skipf("no blocks can be allocated here: %v", err)
	}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, b+"/empty", []unix.Timespec{{Sec: 1e9, Nsec: 1}, {Sec: 1e9, Nsec: 2}}, 0); err != nil {
		t.Fatal(err)
	}
	found, _ := differences(t, a, b, Options{LinkCounts: true, Blocks: true})
	want := []Difference{{"empty", Blocks, "0 bytes allocated", "327680 bytes"}, {"single", LinkCount, "1", "2"}}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("found %v\nwant  %v", found, want)
	}
	if found, _ := differences(t, a, b, Options{Holes: true}); len(found) > 0 {
		t.Errorf("found %v without being asked to", found)
	}
	if found, _ := differences(t, b, a, Options{Blocks: true}); len(found) > 0 {
		t.Errorf("found %v where the second takes less", found)
	}
}

// An entry that cannot be read is a difference and does not end the comparison.
func TestUnreadable(t *testing.T) {
	a, b := makeTree(t), makeTree(t)
	var found []Difference
	r := &run{ctx: context.Background(), report: func(d Difference) { found = append(found, d) }}
	open := func(path string, flags int) int {
		fd, err := unix.Open(path, flags, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	// Even root cannot read through a descriptor for writing.
	r.content(contentJob{path: "big", a: open(a+"/big", unix.O_RDONLY), b: open(b+"/big", unix.O_WRONLY), size: 10}, newBuffers())
	r.descend(pair{open(a, unix.O_RDONLY), open(a+"/dir", unix.O_RDONLY)}, "dir", "dir")
	want := []Difference{
		{"big", Unreadable, "readable", "read at 0: bad file descriptor"},
		{"dir", Unreadable, "readable", "open: no such file or directory"},
	}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("found %v\nwant  %v", found, want)
	}
	if _, err := Run(context.Background(), a, b+"/none", Options{}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing root: %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	a, b := makeTree(t), makeTree(t)
	if err := os.WriteFile(b+"/aaa", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Run(ctx, a, b, Options{}, func(Difference) { cancel() })
	if err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}
