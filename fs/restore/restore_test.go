package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
)

// acl returns a POSIX ACL as its attribute holds it (linux/posix_acl_xattr.h),
// that gives one user the permissions.
func acl(user uint32, permissions byte) []byte {
	b := []byte{2, 0, 0, 0}
	for _, e := range []struct {
		tag, permissions byte
		id               uint32
	}{{1, 7, ^uint32(0)}, {2, permissions, user}, {4, 5, ^uint32(0)}, {16, 7, ^uint32(0)}, {32, 0, ^uint32(0)}} {
		b = append(b, e.tag, 0, e.permissions, 0, byte(e.id), byte(e.id>>8), byte(e.id>>16), byte(e.id>>24))
	}
	return b
}

// uglyTree has an example of everything that is stored. Root can restore all of
// it, others what does not need root.
func uglyTree(root bool) treetest.Spec {
	xattrs := func(s treetest.Spec, list ...tree.Xattr) treetest.Spec {
		return with(s, func(n *tree.Node) { n.Xattrs = list })
	}
	mode := func(s treetest.Spec, mode uint16) treetest.Spec {
		return with(s, func(n *tree.Node) { n.Mode = mode })
	}
	owned := func(s treetest.Spec, mode uint16, uid, gid uint32) treetest.Spec {
		return with(s, func(n *tree.Node) { n.Mode, n.UID, n.GID = mode, uid, gid })
	}
	at := func(s treetest.Spec, sec int64, nsec uint32) treetest.Spec {
		return with(s, func(n *tree.Node) {
			n.ModTime, n.AccessTime = tree.Time{Sec: sec, Nsec: nsec}, tree.Time{Sec: sec + 1, Nsec: nsec}
		})
	}
	zeros := string(make([]byte, 2*chunk))
	sparse := zeros + string(noise(1, chunk)) + zeros + string(noise(2, 5000))
	deep := treetest.File("leaf", "at the bottom")
	for range 150 {
		deep = treetest.Dir(strings.Repeat("deep", 10), deep)
	}
	spec := treetest.Dir("",
		treetest.Dir("names",
			treetest.File("\xff\xfe not UTF-8 \x80", "1"), treetest.File("new\nline", "2"), treetest.File(" ", "3"),
			treetest.File("-rf", "4"), treetest.File("...", "5"), treetest.File(strings.Repeat("n", 255), "6"),
			treetest.File("e\u0301", "7"), treetest.File("\u00e9", "8"),
		),
		mode(treetest.Dir("modes",
			mode(treetest.File("none", "secret"), 0), mode(treetest.File("setuid", "#!"), 0o4755), mode(treetest.File("setgid", ""), 0o2711),
			mode(treetest.Dir("sticky"), 0o1777), mode(treetest.Dir("setgid dir", treetest.File("x", "")), 0o2755),
			mode(treetest.Dir("locked", treetest.File("inside", "x"), linked(treetest.File("link", "far"), 90, 2),
				mode(treetest.Dir("locked too", treetest.File("inside", "x")), 0)), 0),
		), 0o555),
		treetest.Dir("times",
			at(treetest.File("1969", ""), -1, 999999999), at(treetest.Dir("2038", treetest.File("x", "")), 1<<31, 5),
			at(treetest.Symlink("link", "x"), 1e9, 7), at(special("fifo", tree.FIFO, 0), 1e9, 8),
		),
		treetest.Dir("links",
			linked(treetest.File("first", "linked"), 77, 3), treetest.Dir("below", linked(treetest.File("second", "linked"), 77, 3)),
			linked(treetest.File("third", "linked"), 77, 3), linked(treetest.Symlink("symlink", "first"), 78, 2),
			linked(treetest.Symlink("symlink too", "first"), 78, 2), linked(special("fifo", tree.FIFO, 0), 79, 2),
			linked(special("fifo too", tree.FIFO, 0), 79, 2), linked(treetest.File("large", string(noise(3, 300000))), 80, 2),
			linked(treetest.File("large too", string(noise(3, 300000))), 80, 2),
			linked(treetest.File("to a locked directory", "far"), 90, 2),
		),
		treetest.Dir("sizes",
			treetest.File("empty", ""), treetest.File("inline", strings.Repeat("i", tree.MaxInline)),
			treetest.File("one blob", strings.Repeat("i", tree.MaxInline+1)), treetest.File("one chunk", string(noise(4, chunk))),
			treetest.File("a byte more", string(noise(5, chunk+1))), treetest.File("many parts", string(noise(6, 20<<20+7))),
		),
		treetest.Dir("holes",
			treetest.File("between", sparse), treetest.File("at the end", sparse+zeros), treetest.File("only", zeros),
			treetest.File("large", strings.Repeat(sparse, 60)),
		),
		treetest.Dir("xattrs",
			xattrs(treetest.File("user", "x"), tree.Xattr{Name: "user.binary", Value: []byte{0, 255, '\n'}},
				tree.Xattr{Name: "user.empty", Value: []byte{}}, tree.Xattr{Name: "user.\xff", Value: []byte("odd name")}),
			mode(xattrs(treetest.File("read-only", "x"), tree.Xattr{Name: "user.x", Value: []byte("y")}), 0o444),
			mode(xattrs(treetest.File("acl", "x"), tree.Xattr{Name: aclAccess, Value: acl(1000, 5)}), 0o770),
			mode(xattrs(treetest.Dir("acl dir", treetest.File("does not inherit", ""), treetest.Dir("nor this")),
				tree.Xattr{Name: aclAccess, Value: acl(1000, 5)}, tree.Xattr{Name: aclDefault, Value: acl(7, 4)}), 0o770),
		),
		treetest.Symlink("dangling", "/no/where/\xff"), treetest.Symlink("long", strings.Repeat("l/", 2000)),
		special("fifo", tree.FIFO, 0), treetest.Dir("empty"), deep,
	)
	if root {
		spec.Children = append(spec.Children, treetest.Dir("root",
			owned(treetest.File("setuid", "#!"), 0o6755, 1234, 5678), owned(treetest.Symlink("link", "x"), 0o777, 12, 13),
			owned(treetest.Dir("dir", treetest.File("x", "")), 0o2700, 1234, 4294967294), owned(special("fifo", tree.FIFO, 0), 0o4644, 1, 2),
			special("null", tree.CharDevice, unix.Mkdev(1, 3)), special("disk", tree.BlockDevice, unix.Mkdev(259, 1<<20-1)),
			owned(xattrs(treetest.File("capability", "x"), tree.Xattr{Name: "security.capability",
				Value: append([]byte{1, 0, 0, 2, 0, 32, 0, 0}, make([]byte, 12)...)}), 0o4755, 1234, 5678),
			xattrs(treetest.Symlink("trusted", "x"), tree.Xattr{Name: "trusted.x", Value: []byte("y")}),
			xattrs(special("trusted fifo", tree.FIFO, 0), tree.Xattr{Name: "trusted.x", Value: []byte("y")}),
		))
	}
	return spec
}

// A restored tree that lacks anything of this would be a loss nobody notices
// until it matters.
func TestEverything(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root; TestOrdinaryUser tests the rest")
	}
	f := build(t, uglyTree(true))
	dest := filepath.Join(t.TempDir(), "made", "dest")
	o, warnings := f.options(dest)
	o.Progress = new(Progress)
	stats, err := Run(context.Background(), o)
	if err != nil || len(*warnings) > 0 {
		t.Fatalf("restore: %v, %v", err, *warnings)
	}
	check(t, dest, f.spec)
	root := f.view.Root()
	p := o.Progress
	if p.Entries.Load() != root.Dir.Total || p.TotalEntries.Load() != root.Dir.Total ||
		p.Bytes.Load() != root.Dir.Bytes || p.TotalBytes.Load() != root.Dir.Bytes {
		t.Errorf("progress %d of %d entries, %d of %d bytes, want %d and %d", p.Entries.Load(), p.TotalEntries.Load(),
			p.Bytes.Load(), p.TotalBytes.Load(), root.Dir.Total, root.Dir.Bytes)
	}
	if n := stats.Files + stats.Dirs - 1 + stats.Symlinks + stats.Specials + stats.HardLinks; n != root.Dir.Total || stats.HardLinks != 6 {
		t.Errorf("stats %+v do not make %d entries", stats, root.Dir.Total)
	}
}

// An ordinary user gets everything that he may have, in directories that he may
// not write to as well.
func TestOrdinaryUser(t *testing.T) {
	dir := becomeNobody(t)
	f := build(t, uglyTree(false))
	f.restore(t, dir+"/dest")
	// He may not look into what has no permissions.
	os.Chmod(dir+"/dest/modes", 0o755)
	for _, p := range []string{"modes/locked", "modes/locked/locked too", "modes/none"} {
		if info, err := os.Lstat(dir + "/dest/" + p); err != nil || info.Mode().Perm() != 0 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
		os.Chmod(dir+"/dest/"+p, 0o700)
	}
	modes := &f.spec.Children[1]
	modes.Mode = 0o755
	for i := range modes.Children {
		if c := &modes.Children[i]; c.Mode == 0 {
			c.Mode = 0o700
			for j := range c.Children {
				if c := &c.Children[j]; c.Mode == 0 {
					c.Mode = 0o700
				}
			}
		}
	}
	check(t, dir+"/dest", f.spec)
}

// What an ordinary user may not set is said once a kind; the rest is restored.
func TestDenied(t *testing.T) {
	dir := becomeNobody(t)
	spec := with(treetest.Dir(""), func(n *tree.Node) { n.UID, n.GID = 1, 1 })
	for i := range 10 {
		spec.Children = append(spec.Children, with(treetest.File(fmt.Sprint("file", i), "x"), func(n *tree.Node) {
			n.Mode, n.UID, n.GID = 0o6755, 1, 1
			n.Xattrs = []tree.Xattr{{Name: "trusted.x", Value: []byte("y")}, {Name: "user.x", Value: []byte("y")}}
		}), special(fmt.Sprint("dev", i), tree.BlockDevice, 5))
	}
	f := build(t, spec)
	o, warnings := f.options(dir + "/dest")
	stats, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := []Denied{{"device nodes", 10}, {"extended attribute trusted.*", 10}, {"owner", 11}}
	if fmt.Sprint(stats.Denied) != fmt.Sprint(want) || stats.Warnings != 3 || len(*warnings) != 3 {
		t.Errorf("denied %v, want %v; warnings %v", stats.Denied, want, *warnings)
	}
	for i := range 10 {
		path := fmt.Sprintf("%s/dest/file%d", dir, i)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		// A set-id program of another user must not become one of this user.
		if info.Mode() != 0o755 {
			t.Errorf("%s: mode %v", path, info.Mode())
		}
		if x := readXattrs(t, path); len(x) != 1 || x[0].Name != "user.x" {
			t.Errorf("%s: attributes %q", path, x)
		}
	}
}

// Names of users and groups count before numbers, where this machine has them.
func TestOwnersByName(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	named := func(name, user, group string) treetest.Spec {
		return with(treetest.File(name, ""), func(n *tree.Node) { n.UID, n.GID, n.User, n.Group = 100, 200, user, group })
	}
	f := build(t, treetest.Dir("", named("both", "ann", "staff"), named("user", "ann", "nobody here"), named("none", "", "")))
	for numeric, want := range map[bool]map[string][2]uint32{
		false: {"both": {1001, 2001}, "user": {1001, 200}, "none": {100, 200}},
		true:  {"both": {100, 200}, "user": {100, 200}, "none": {100, 200}},
	} {
		o, warnings := f.options(t.TempDir() + "/dest")
		o.NumericIDs, o.Accounts = numeric, accounts{"ann": 1001, "staff": 2001}
		if _, err := Run(context.Background(), o); err != nil || len(*warnings) > 0 {
			t.Fatal(err, *warnings)
		}
		for name, ids := range want {
			var st unix.Stat_t
			if err := unix.Stat(o.Dest+"/"+name, &st); err != nil || st.Uid != ids[0] || st.Gid != ids[1] {
				t.Errorf("numeric %v: %s has %d:%d, want %v, %v", numeric, name, st.Uid, st.Gid, ids, err)
			}
		}
	}
}

type accounts map[string]uint32

func (a accounts) User(name string) (uint32, bool)  { id, ok := a[name]; return id, ok }
func (a accounts) Group(name string) (uint32, bool) { id, ok := a[name]; return id, ok }

// The system's own accounts are asked by default.
func TestSystemAccounts(t *testing.T) {
	ids := accountIDs{accounts: systemAccounts{}}
	n := &tree.Node{UID: 5, GID: 6, User: "root", Group: "no such group"}
	for range 2 { // asked, remembered
		if uid, gid := ids.of(n); uid != 0 || gid != 6 {
			t.Errorf("root is %d, a missing group %d", uid, gid)
		}
	}
}

// Flags such as "immutable" come last: after hard links, after what is inside.
func TestInodeFlags(t *testing.T) {
	dir := t.TempDir()
	probe, err := os.Create(dir + "/probe")
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	if err := unix.IoctlSetPointerInt(int(probe.Fd()), unix.FS_IOC_SETFLAGS, flagImmutable); err != nil {
		t.Skipf("no such flags here: %v", err)
	}
	unix.IoctlSetPointerInt(int(probe.Fd()), unix.FS_IOC_SETFLAGS, 0)

	flags := func(s treetest.Spec, f uint32) treetest.Spec { return with(s, func(n *tree.Node) { n.Flags = f }) }
	f := build(t, treetest.Dir("",
		flags(linked(treetest.File("first", "x"), 5, 2), flagImmutable), flags(linked(treetest.File("second", "x"), 5, 2), flagImmutable),
		flags(treetest.Dir("dir", flags(treetest.File("nodump", "x"), flagNoDump|1<<19)), flagAppend)))
	get := func(path string) uint32 {
		file, err := os.Open(dir + "/dest/" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		n, err := unix.IoctlGetUint32(int(file.Fd()), unix.FS_IOC_GETFLAGS)
		if err != nil {
			t.Fatal(err)
		}
		unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, int(n&^lockFlags)) // so that it can be removed
		return n & allFlags
	}
	f.restore(t, dir+"/dest")
	for _, c := range []struct {
		path string
		want uint32
	}{{"first", flagImmutable}, {"dir", flagAppend}, {"dir/nodump", flagNoDump}} {
		if got := get(c.path); got != c.want {
			t.Errorf("%s: flags %#x, want %#x", c.path, got, c.want)
		}
	}
}

// The three ways to say what goes where (DESIGN, "Command line").
func TestPlacement(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.Dir("a", treetest.Dir("b", treetest.File("c", "text")))))
	for _, c := range []struct{ path, want string }{
		{"", "a/b/c"}, {"/", "a/b/c"}, {"a", "a/b/c"}, {"a/", "b/c"}, {"a/b", "b/c"}, {"a/b/", "c"}, {"a/b/c", "c"},
	} {
		o, warnings := f.options(t.TempDir() + "/new/dest")
		o.From = f.find(t, c.path)
		o.As = As(c.path, o.From)
		if _, err := Run(context.Background(), o); err != nil || len(*warnings) > 0 {
			t.Fatalf("%q: %v, %v", c.path, err, *warnings)
		}
		if got, err := os.ReadFile(o.Dest + "/" + c.want); string(got) != "text" {
			t.Errorf("%q is not at %s: %v", c.path, c.want, err)
		}
	}
	o, _ := f.options(t.TempDir() + "/dest")
	o.From = f.find(t, "a/b/c")
	if _, err := Run(context.Background(), o); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("content of a file: %v", err)
	}
}

// A directory that is there keeps what it has: restoring to /tmp must not
// change who may write there.
func TestExistingDestination(t *testing.T) {
	dest := t.TempDir()
	if err := os.Chmod(dest, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	// What is restored does not inherit its ACL.
	if err := unix.Setxattr(dest, aclDefault, acl(7, 4), 0); err != nil {
		t.Fatal(err)
	}
	spec := treetest.Dir("", treetest.File("file", "x"), treetest.Dir("dir", treetest.File("file", "x")), special("fifo", tree.FIFO, 0))
	f := build(t, spec)
	f.restore(t, dest)
	info, err := os.Stat(dest)
	if err != nil || info.Mode() != os.ModeDir|os.ModeSticky|0o777 {
		t.Errorf("destination: %v, %v", info.Mode(), err)
	}
	for _, child := range f.spec.Children {
		check(t, dest+"/"+child.Name, child)
	}
}

// Cancelled in the middle, a restore ends soon and leaves no file that looks
// whole and is not.
func TestCancel(t *testing.T) {
	spec := treetest.Dir("", treetest.File("large", string(noise(1, 40<<20))))
	for i := range 500 {
		spec.Children = append(spec.Children, treetest.File(fmt.Sprintf("file%03d", i), string(noise(byte(i), 3*chunk))))
	}
	f := build(t, spec)
	ctx, cancel := context.WithCancel(context.Background())
	o, warnings := f.options(t.TempDir())
	o.Loader = &hookLoader{Loader: f.store, at: 200, hook: cancel}
	_, err := Run(ctx, o)
	if err != context.Canceled || len(*warnings) > 0 {
		t.Fatalf("cancelled: %v, %v", err, *warnings)
	}
	entries, err := os.ReadDir(o.Dest)
	if err != nil || len(entries) > 400 {
		t.Fatalf("%d files after the end, %v", len(entries), err)
	}
	for _, e := range entries {
		got, _ := os.ReadFile(filepath.Join(o.Dest, e.Name()))
		want := make([]byte, f.find(t, e.Name()).Size)
		if _, err := f.view.ReadAt(context.Background(), f.find(t, e.Name()), want, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not whole: %d bytes of %d, %v", e.Name(), len(got), len(want), err)
		}
	}
}
