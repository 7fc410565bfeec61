package mount

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/view"
)

// memArchive is an archive in memory that can be changed under the mount.
type memArchive struct {
	mu     sync.Mutex
	list   []Snapshot
	trees  map[string]*view.Tree
	err    error         // of Snapshots
	delay  time.Duration // of Snapshots
	opened []string      // IDs, in the order of the calls
	listed int
}

func (a *memArchive) Snapshots(context.Context) ([]Snapshot, error) {
	a.mu.Lock()
	delay := a.delay
	a.mu.Unlock()
	time.Sleep(delay)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.listed++
	return slices.Clone(a.list), a.err
}

func (a *memArchive) Open(_ context.Context, id string) (*view.Tree, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened = append(a.opened, id)
	if t := a.trees[id]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("snapshot %s: %w", id, fs.ErrNotExist)
}

func (a *memArchive) change(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func (a *memArchive) add(t *testing.T, s Snapshot, root *item) {
	t.Helper()
	opened, _ := newTree(t, root)
	a.change(func() {
		if a.trees == nil {
			a.trees = map[string]*view.Tree{}
		}
		a.list = append(a.list, s)
		a.trees[s.ID] = opened
	})
}

func (a *memArchive) remove(id string) {
	a.change(func() {
		a.list = slices.DeleteFunc(a.list, func(s Snapshot) bool { return s.ID == id })
		delete(a.trees, id)
	})
}

func (a *memArchive) timesOpened() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.opened)
}

const testInterval = 20 * time.Millisecond

func mountArchive(t *testing.T, a Archive, o Options) (dir string, s *Server) {
	t.Helper()
	if o.Interval == 0 {
		o.Interval = testInterval
	}
	dir = t.TempDir()
	s, err := Mount(dir, a, o)
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	return dir, s
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	slices.Sort(list)
	return list
}

func TestArchive(t *testing.T) {
	a := &memArchive{}
	ugly := uglyTree()
	s1, s2, s3 := dated("1a2b3c4d", 0), dated("2a2b3c4d", 1), dated("3a2b3c4d", 2)
	s2.Host, s2.Label = "..", "a/b\nc"
	s3.Label, s3.Partial = "", true
	s4 := dated("4a2b3c4d", 3)
	s4.Unverified = true
	a.add(t, s1, ugly)
	a.add(t, s2, dir("", text("f", "second")))
	a.add(t, s3, dir("", text("f", "third")))
	a.add(t, s4, dir("", text("f", "fourth")))
	mnt, _ := mountArchive(t, a, Options{})

	n1, n2 := "2026-11-22T13-00-00Z_host_label_1a2b3c4d", "2026-11-22T14-00-00Z___a-b-c_2a2b3c4d"
	n3, n4 := "2026-11-22T15-00-00Z_host_3a2b3c4d.partial", "2026-11-22T16-00-00Z_host_label_4a2b3c4d"
	for path, want := range map[string][]string{
		"":            {"hosts", "ids", "latest", "snapshots"},
		"/snapshots":  {n1, n2, n3, n4},
		"/hosts":      {"_", "host"},
		"/hosts/host": {n1, n3, n4, "latest"},
		"/hosts/_":    {n2, "latest"},
		"/ids":        {"1a2b3c4d", "2a2b3c4d", "3a2b3c4d", "4a2b3c4d"},
	} {
		if got := names(t, mnt+path); !slices.Equal(got, want) {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	if opened := a.timesOpened(); opened != 0 {
		t.Errorf("%d trees were opened before anybody looked into one", opened)
	}
	for link, want := range map[string]string{
		"/latest": "snapshots/" + n2, "/hosts/host/latest": "../../snapshots/" + n1, "/hosts/_/latest": "../../snapshots/" + n2,
		"/hosts/host/" + n3: "../../snapshots/" + n3, "/ids/4a2b3c4d": "../snapshots/" + n4,
	} {
		if got, err := os.Readlink(mnt + link); err != nil || got != want {
			t.Errorf("%s leads to %q, %v; want %q", link, got, err, want)
		}
		if st, err := os.Lstat(mnt + link); err != nil || st.Size() != int64(len(want)) {
			t.Errorf("%s: %v, %v", link, st, err)
		}
		if _, err := os.Stat(mnt + link); err != nil {
			t.Errorf("%s: %v", link, err)
		}
	}
	if got, err := os.ReadFile(mnt + "/latest/f"); err != nil || string(got) != "second" {
		t.Errorf("latest: %q, %v", got, err)
	}
	for _, absent := range []string{"/x", "/snapshots/x", "/hosts/x", "/hosts/_/" + n1, "/ids/x", "/latest/x"} {
		if _, err := os.Lstat(mnt + absent); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", absent, err)
		}
	}
	if _, err := os.Lstat(mnt + "/" + strings.Repeat("x", 256)); unwrapErrno(err) != unix.ENAMETOOLONG {
		t.Errorf("a name of 256 bytes: %v", err)
	}
	shown := *ugly
	shown.ModTime = tree.TimeOf(s1.Time)
	compare(t, mnt+"/snapshots/"+n1, &shown)
}

// Inode numbers are unique over all snapshots, and ".." leads where it should.
func TestInodesOverSnapshots(t *testing.T) {
	a := &memArchive{}
	root := func() *item {
		return dir("", dir("d", text("f", "x"), text("l", "y").hardLink(5, 2)), text("m", "y").hardLink(5, 2))
	}
	a.add(t, dated("aa", 0), root())
	a.add(t, dated("bb", 1), root())
	mnt, _ := mountArchive(t, a, Options{})
	seen := map[uint64][]string{}
	filepath.WalkDir(mnt, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			t.Error(err)
			return nil
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			t.Error(err)
		}
		seen[st.Ino] = append(seen[st.Ino], path)
		if d.IsDir() {
			var up, parent unix.Stat_t
			if err := errors.Join(unix.Lstat(path+"/..", &up), unix.Lstat(filepath.Dir(path), &parent)); err != nil || up.Ino != parent.Ino {
				t.Errorf("%s/..: inode %d, parent's %d, %v", path, up.Ino, parent.Ino, err)
			}
		}
		return nil
	})
	groups := 0
	for ino, paths := range seen {
		switch {
		case len(paths) == 2 && filepath.Base(paths[0]) == "l" && filepath.Base(paths[1]) == "m":
			groups++
		case len(paths) != 1:
			t.Errorf("inode %d: %q", ino, paths)
		}
	}
	if groups != 2 {
		t.Errorf("%d hard-link groups, want 2", groups)
	}
}

// New snapshots come, removed ones go, and links follow, without a remount.
func TestSnapshotsComeAndGo(t *testing.T) {
	a := &memArchive{}
	mnt, s := mountArchive(t, a, Options{})
	if got := names(t, mnt); !slices.Equal(got, []string{"hosts", "ids", "snapshots"}) {
		t.Errorf("empty: %q", got)
	}
	read := func() string {
		got, _ := os.ReadFile(mnt + "/latest/f")
		return string(got)
	}
	a.add(t, dated("aa", 0), dir("", dir("1"), dir("2"), dir("3"), text("f", "first"), text("other", "")))
	eventually(t, "the first snapshot", func() bool { return read() == "first" })
	first := firstName(t, mnt+"/snapshots")

	var before, after syscall.Stat_t
	if err := syscall.Stat(mnt+"/snapshots", &before); err != nil {
		t.Fatal(err)
	}
	a.add(t, dated("bb", 1), dir("", text("f", "second")))
	eventually(t, "the second snapshot", func() bool { return read() == "second" })
	eventually(t, "the second name", func() bool { return len(names(t, mnt+"/snapshots")) == 2 })
	if err := syscall.Stat(mnt+"/snapshots", &after); err != nil || before.Mtim == after.Mtim {
		t.Errorf("the listing changed, its time did not: %v, %v", after.Mtim, err)
	}
	if got := names(t, mnt+"/hosts/host"); len(got) != 3 {
		t.Errorf("hosts/host: %q", got)
	}

	open, err := os.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for _, name := range []string{"1", "2"} { // the third one is encoded ahead
		names(t, first+"/"+name)
	}
	third, err := os.Open(first + "/3")
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(third.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next listing", func() bool { return s.connection.f.walks.encoded(st.Ino) != nil })
	a.remove(dated("aa", 0).ID)
	eventually(t, "the first snapshot's end", func() bool {
		_, err := os.Lstat(first)
		return errors.Is(err, fs.ErrNotExist)
	})
	if _, err := unix.Openat(int(open.Fd()), "other", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != unix.ESTALE {
		t.Errorf("in a snapshot that was removed: %v, want ESTALE", err)
	}
	if n, err := unix.ReadDirent(int(third.Fd()), make([]byte, 8<<10)); err != unix.ESTALE {
		t.Errorf("what was encoded ahead of a snapshot that was removed: %d bytes, %v, want ESTALE", n, err)
	}
	if got := names(t, mnt+"/snapshots"); len(got) != 1 {
		t.Errorf("left: %q", got)
	}
	a.remove(dated("bb", 1).ID)
	eventually(t, "the last one's end", func() bool { return len(names(t, mnt)) == 3 && len(names(t, mnt+"/hosts")) == 0 })
}

// When the archive cannot be listed, or not soon, the mount shows what it knew.
func TestListingFails(t *testing.T) {
	a := &memArchive{err: errors.New("no route to host")}
	if _, err := Mount(t.TempDir(), a, Options{}); err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("mounted what cannot be listed: %v", err)
	}
	a.err = nil
	a.add(t, dated("aa", 0), dir("", text("f", "x")))
	log := newLogBuffer()
	mnt, _ := mountArchive(t, a, Options{Log: log.logger()})
	a.change(func() { a.err = errors.New("no route to host") })
	time.Sleep(2 * testInterval)
	for range 5 {
		if got := names(t, mnt+"/snapshots"); len(got) != 1 {
			t.Errorf("shown: %q", got)
		}
		time.Sleep(2 * testInterval)
	}
	if lines := log.take(); len(lines) != 1 || !strings.Contains(lines[0], "no route to host") {
		t.Errorf("log: %q", lines)
	}
	a.change(func() { a.err, a.delay = nil, 1500*time.Millisecond })
	time.Sleep(2 * testInterval)
	begin := time.Now()
	if got := names(t, mnt+"/snapshots"); len(got) != 1 || time.Since(begin) > 1400*time.Millisecond {
		t.Errorf("shown: %q after %v", got, time.Since(begin))
	}
}

// A snapshot that cannot be opened does not take the others with it.
func TestOpeningFails(t *testing.T) {
	a := &memArchive{}
	a.add(t, dated("aa", 0), dir("", text("f", "x")))
	a.add(t, dated("bb", 1), dir("", text("f", "y")))
	a.change(func() { delete(a.trees, dated("bb", 1).ID) })
	log := newLogBuffer()
	mnt, _ := mountArchive(t, a, Options{Log: log.logger()})
	if _, err := os.ReadFile(mnt + "/latest/f"); err == nil {
		t.Error("read from a snapshot that cannot be opened")
	}
	if got, err := os.ReadFile(mnt + "/ids/aaaaaaaa/f"); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
	if lines := log.take(); len(lines) != 1 || !strings.Contains(lines[0], "bbbbbbbb") {
		t.Errorf("log: %q", lines)
	}
}

// More trees than are kept open can be looked at, again and again.
func TestManySnapshots(t *testing.T) {
	const count = 3 * maxOpenTrees
	a := &memArchive{}
	for i := range count {
		a.add(t, dated(fmt.Sprintf("%08x", i+1), i), dir("", text("f", fmt.Sprint(i))))
	}
	mnt, _ := mountArchive(t, a, Options{})
	for range 2 {
		for i, name := range names(t, mnt+"/snapshots") {
			if got, err := os.ReadFile(mnt + "/snapshots/" + name + "/f"); err != nil || string(got) != fmt.Sprint(i) {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
	}
}

// With AllowOther nobody gets past the permissions of a snapshot's root, even
// before its tree has been opened.
func TestPermissionsOfUnopenedSnapshots(t *testing.T) {
	a := &memArchive{}
	private := dir("", text("f", "x").with(func(n *tree.Node) { n.Mode = 0o644 })).with(func(n *tree.Node) { n.Mode = 0o700 })
	a.add(t, dated("aa", 0), private)
	mnt := reachableDir(t)
	s, err := Mount(mnt, a, Options{AllowOther: true})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	path := firstName(t, mnt+"/snapshots") // a READDIRPLUS
	cmd := helper("visitor", path+"/f")
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 1000, Gid: 1000}
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "permission denied" {
		t.Errorf("%q, %v", out, err)
	}
}
