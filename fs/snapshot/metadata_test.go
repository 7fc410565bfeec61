package snapshot

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// An access list as the kernel keeps it (posix_acl_xattr.h): version 2, then
// tag, permissions and number of each entry, little-endian: rwx for the owner
// and user 1234, r-x for group and others.
const accessList = "\x02\x00\x00\x00" +
	"\x01\x00\x07\x00\xff\xff\xff\xff" + "\x02\x00\x07\x00\xd2\x04\x00\x00" + "\x04\x00\x05\x00\xff\xff\xff\xff" +
	"\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x05\x00\xff\xff\xff\xff"

// What a careless backup loses: odd times, access lists, attributes of
// directories and links, flags of directories and empty files, more names of
// what is no file.
func TestMetadata(t *testing.T) {
	b := newBench(t)
	b.write("d/f", []byte("f"))
	b.write("old", nil)
	b.write("future", nil)
	b.write("empty", nil)
	b.must(os.Symlink("x", b.path("l")))
	set := func(name string, at time.Time) {
		b.t.Helper()
		ts, err := unix.TimeToTimespec(at)
		b.must(err)
		b.must(unix.UtimesNanoAt(unix.AT_FDCWD, b.path(name), []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
	}
	times := map[string]time.Time{
		"old":    time.Date(1935, 3, 2, 1, 0, 0, 123456789, time.UTC),
		"future": time.Date(2100, 3, 2, 1, 0, 0, 999999999, time.UTC),
		"l":      time.Date(1969, 12, 31, 23, 59, 59, 1, time.UTC),
	}
	for name, at := range times {
		set(name, at)
	}
	attrs := map[string]map[string]string{
		"d":   {"system.posix_acl_access": accessList, "system.posix_acl_default": accessList, "user.d": "1"},
		"d/f": {"system.posix_acl_access": accessList},
	}
	if b.root() {
		attrs["l"] = map[string]string{"trusted.link": "of a link\x00"}
		attrs["empty"] = map[string]string{"security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
	}
	for name, list := range attrs {
		for attr, value := range list {
			if err := unix.Lsetxattr(b.path(name), attr, []byte(value), 0); err != nil {
				t.Skipf("the file system has no %s: %v", attr, err)
			}
		}
	}
	b.o.AccessTimes = true
	first := b.run()
	b.noWarnings()
	b.parent(first)
	for _, r := range []*Result{first, b.run()} { // the second time taken over unread
		v := b.tree(r)
		b.same(v)
		for name, at := range times {
			if e := resolve(t, v, name); e.ModTime != tree.TimeOf(at) || e.AccessTime.IsZero() {
				t.Errorf("%s: modified %v, read %v; want %v", name, e.ModTime, e.AccessTime, at)
			}
		}
		for name, list := range attrs {
			got := resolve(t, v, name).Xattrs
			for _, x := range got {
				if list[x.Name] != string(x.Value) {
					t.Errorf("%s: %s is %q", name, x.Name, x.Value)
				}
			}
			if len(got) != len(list) {
				t.Errorf("%s: attributes %q", name, got)
			}
		}
	}
}

// Flags that statx does not tell are kept for directories, files and empty
// files, and are still there when a file is taken over unread.
func TestFlags(t *testing.T) {
	b := newBench(t)
	b.write("d/f", []byte("f"))
	b.write("empty", nil)
	b.write("plain", nil)
	const noAccessTime = 0x80 // FS_NOATIME_FL
	for _, name := range []string{"d", "d/f", "empty"} {
		b.flag(name, noAccessTime)
	}
	first := b.run()
	b.parent(first)
	for _, r := range []*Result{first, b.run()} {
		v := b.tree(r)
		for name, want := range map[string]uint32{"d": noAccessTime, "d/f": noAccessTime, "empty": noAccessTime, "plain": 0} {
			if e := resolve(t, v, name); e.Flags != want {
				t.Errorf("%s: flags %#x, want %#x", name, e.Flags, want)
			}
		}
	}
	// Where the change time does not count, they are read of what has another.
	b.flag("d/f", 0)
	b.o.Detection = MtimeSize
	if r := b.run(); r.Stats.Unmodified != 3 || resolve(t, b.tree(r), "d/f").Flags != 0 {
		t.Errorf("%+v", r.Stats)
	}
}
