package mount

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
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
	"garret/fs/tree/treetest"
	"garret/fs/view"
	"garret/index"
)

// clone copies an item, so that trees can be built of variants of it.
func (i *item) clone() *item {
	c := *i
	c.children = nil
	if len(i.pieces) > 0 { // build works them out anew
		c.Size, c.Content = 0, tree.Content{}
	}
	for _, child := range i.children {
		c.children = append(c.children, child.clone())
	}
	return &c
}

// find returns the item at a path, nil if there is none.
func (i *item) find(path string) *item {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		at := slices.IndexFunc(i.children, func(c *item) bool { return c.Name == name })
		if at < 0 {
			return nil
		}
		i = i.children[at]
	}
	return i
}

func (i *item) set(child *item) {
	i.unset(child.Name)
	i.children = append(i.children, child)
}

func (i *item) unset(name string) {
	i.children = slices.DeleteFunc(i.children, func(c *item) bool { return c.Name == name })
}

func mountVersions(t *testing.T, a Archive) string {
	t.Helper()
	dir, _ := mountArchive(t, a, Options{Versions: true})
	return dir
}

// The example of the manual: what a user who looks for an old report sees.
func TestVersions(t *testing.T) {
	a := &memArchive{}
	first := dir("", dir("home", dir("me", text("report.odt", "one"), text("only first", "1"), text(".profile", "p"), text("src.tar.gz", "tgz"))))
	a.add(t, dated("aa", 0), first)
	same := first.clone()
	same.find("home/me").unset("only first")
	same.find("home/me/report.odt").with(func(n *tree.Node) { // its place on the disk is no version
		n.Inode, n.Links, n.Device, n.ChangeTime, n.AccessTime = 99, 1, 3, tree.Time{Sec: 5}, tree.Time{Sec: 6}
	})
	a.add(t, dated("bb", 1), same)
	changed := same.clone()
	changed.find("home/me").set(text("report.odt", "two").with(func(n *tree.Node) { n.ModTime.Sec += 1000 }))
	changed.find("home/me").set(dir("new", text("f", "x")))
	a.add(t, dated("cc", 2), changed)
	back := changed.clone()
	back.find("home/me").set(text("report.odt", "one"))
	a.add(t, dated("dd", 3), back)
	checkpoint := dated("ee", 4)
	checkpoint.Partial = true
	a.add(t, checkpoint, dir("", dir("home", dir("me", text("report.odt", "half")))))
	unverified := dated("ff", 5)
	unverified.Unverified = true
	a.add(t, unverified, dir("", text("unverified", "")))
	mnt := mountVersions(t, a)

	for path, want := range map[string][]string{
		"":                        {"home"},
		"/home/me":                {".profile", "new", "only first", "report.odt", "src.tar.gz"},
		"/home/me/report.odt":     {"2026-11-22T13-00-00Z.odt", "2026-11-22T15-00-00Z.odt"},
		"/home/me/only first":     {"2026-11-22T13-00-00Z"},
		"/home/me/.profile":       {"2026-11-22T13-00-00Z"},
		"/home/me/src.tar.gz":     {"2026-11-22T13-00-00Z.tar.gz"},
		"/home/me/new/f":          {"2026-11-22T15-00-00Z"},
		"/home/me/new/../new/f/.": {"2026-11-22T15-00-00Z"},
	} {
		if got := names(t, mnt+path); !slices.Equal(got, want) {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]string{"13": "one", "15": "two"} {
		path = mnt + "/home/me/report.odt/2026-11-22T" + path + "-00-00Z.odt"
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	info, err := os.Stat(mnt + "/home/me/report.odt/2026-11-22T15-00-00Z.odt")
	if err != nil || info.ModTime().Unix() != someTime.Sec+1000 {
		t.Errorf("the second version: %v, %v", info, err)
	}
	if info, err := os.Stat(mnt + "/home/me/report.odt"); err != nil || !info.IsDir() || info.ModTime().Unix() != someTime.Sec {
		t.Errorf("report.odt: %v, %v", info, err)
	}
	for _, absent := range []string{"/x", "/home/me/report.odt/x", "/home/me/report.odt/2026-11-22T14-00-00Z.odt", "/unverified"} {
		if _, err := os.Lstat(mnt + absent); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", absent, err)
		}
	}
	if err := os.WriteFile(mnt+"/home/x", nil, 0o600); unwrapErrno(err) != unix.EROFS {
		t.Errorf("writing: %v", err)
	}
	if _, err := os.ReadFile(mnt + "/home"); unwrapErrno(err) != unix.EISDIR {
		t.Errorf("reading a directory: %v", err)
	}
}

// history is what the versions view of some snapshots must show, worked out
// the plain way.
type history struct {
	children map[string]*history
	versions map[string]*item // by name
	seen     map[versionKey]bool
}

func newHistory() *history {
	return &history{map[string]*history{}, map[string]*item{}, map[versionKey]bool{}}
}

func (h *history) add(name string, s *Snapshot, i *item) {
	if i.Type == tree.Directory {
		for _, c := range i.children {
			if h.children[c.Name] == nil {
				h.children[c.Name] = newHistory()
			}
			h.children[c.Name].add(c.Name, s, c)
		}
		return
	}
	if h.seen[keyOf(&i.Node)] {
		return
	}
	h.seen[keyOf(&i.Node)] = true
	stamp := s.Time.UTC().Format(timeLayout)
	if h.versions[stamp+extension(name)] != nil {
		stamp += "_" + s.ID[:shortIDLength]
	}
	h.versions[stamp+extension(name)] = i
}

func (h *history) compare(t *testing.T, path string) {
	want := slices.Sorted(maps.Keys(h.children))
	want = append(want, slices.Collect(maps.Keys(h.versions))...)
	slices.Sort(want)
	if got := names(t, path); !slices.Equal(got, want) {
		t.Errorf("%q holds\n%q, want\n%q", path, got, want)
		return
	}
	for name, i := range h.versions {
		compare(t, path+"/"+name, i)
	}
	var up, parent syscall.Stat_t
	if err := errors.Join(syscall.Stat(path+"/..", &up), syscall.Stat(filepath.Dir(path), &parent)); err != nil {
		t.Error(err)
	}
	for name, c := range h.children {
		c.compare(t, path+"/"+name)
	}
}

// change does something to a tree, as users do.
func change(random *rand.Rand, root *item, step int) {
	dirs := []*item{root}
	for i := 0; i < len(dirs); i++ {
		for _, c := range dirs[i].children {
			if c.Type == tree.Directory {
				dirs = append(dirs, c)
			}
		}
	}
	d := dirs[random.IntN(len(dirs))]
	name := fmt.Sprintf("n%d%s", random.IntN(6), []string{"", ".txt", ".d"}[random.IntN(3)])
	switch random.IntN(8) {
	case 0, 1:
		d.set(dir(name))
	case 2:
		d.unset(name)
	case 3:
		d.set(symlink(name, fmt.Sprint("to", random.IntN(3))))
	case 4:
		d.set(text(name, "x").with(func(n *tree.Node) { n.Mode = uint16(0o600 + random.IntN(2)) }))
	default:
		d.set(file(name, piece{data: noise(uint64(random.IntN(4)), 200+step%2)}))
	}
}

// Random histories, some snapshots of which were made in the same second, look
// as the plain way has it: all names, attributes and bytes, twice.
func TestVersionsOfRandomHistories(t *testing.T) {
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 7))
		a := &memArchive{}
		root := dir("")
		want := newHistory()
		for step := range 25 {
			for range random.IntN(6) {
				change(random, root, step)
			}
			root = root.clone()
			s := dated(fmt.Sprintf("%08x", random.Uint32()), step/2)
			s.Time = s.Time.Add(time.Duration(step)) // in the same second, but in this order
			a.add(t, s, root)
			want.add("", &s, root)
		}
		mnt := mountVersions(t, a)
		want.compare(t, mnt)
		want.compare(t, mnt)
	}
}

// A large directory that changes is listed whole, in pieces, by several at
// once, also when it is gone back in it.
func TestVersionsOfLargeDirectory(t *testing.T) {
	const count = 6000
	a := &memArchive{}
	for n := range 5 {
		d := dir("d")
		for i := range count {
			if i%5 != n {
				d.children = append(d.children, text(fmt.Sprintf("entry %06d", i), fmt.Sprint(i%3*n)))
			}
		}
		a.add(t, dated(fmt.Sprintf("%08x", n+1), n), dir("", d))
	}
	mnt := mountVersions(t, a)
	var wg sync.WaitGroup
	for range maxCursors + 4 {
		wg.Go(func() {
			entries, err := os.ReadDir(mnt + "/d")
			if err != nil || len(entries) != count {
				t.Errorf("%d entries, %v", len(entries), err)
			}
		})
	}
	wg.Wait()
	seekDirectory(t, mnt+"/d", count)
	if got := names(t, mnt+"/d/entry 000001"); len(got) != 4 {
		t.Errorf("versions: %q", got)
	}
}

// New snapshots appear and removed ones go without a remount, and whoever
// stands in a directory that goes on existing sees it.
func TestVersionsComeAndGo(t *testing.T) {
	a := &memArchive{}
	a.add(t, dated("aa", 0), dir("", dir("d", text("f", "one"))))
	a.add(t, dated("bb", 1), dir("", dir("d", text("f", "two"))))
	mnt := mountVersions(t, a)
	d, err := os.Open(mnt + "/d")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	count := func(path string) int {
		entries, _ := os.ReadDir(path)
		return len(entries)
	}
	if got := count(mnt + "/d/f"); got != 2 {
		t.Errorf("%d versions", got)
	}
	a.add(t, dated("cc", 2), dir("", dir("d", text("f", "three"), text("g", ""))))
	eventually(t, "the third version", func() bool { return count(mnt+"/d/f") == 3 })
	eventually(t, "the new file, in a directory that was open", func() bool { return count(fmt.Sprintf("/proc/self/fd/%d", d.Fd())) == 2 })

	open, err := os.Open(mnt + "/d/f/2026-11-22T13-00-00Z")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	a.remove(dated("aa", 0).ID)
	eventually(t, "the first version's end", func() bool { return count(mnt+"/d/f") == 2 })
	if got := names(t, mnt+"/d/f"); !slices.Equal(got, []string{"2026-11-22T14-00-00Z", "2026-11-22T15-00-00Z"}) {
		t.Errorf("left: %q", got)
	}
	eventually(t, "ESTALE in a directory that went by a snapshot that was removed", func() bool {
		fd, err := unix.Openat(int(d.Fd()), "f", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil { // the kernel remembers the name for a moment
			unix.Close(fd)
		}
		return err == unix.ESTALE
	})
}

// A snapshot that cannot be opened, and a page that is lost, do not hide what
// the others have; and when it can be read again, it is shown again.
func TestVersionsWithDamage(t *testing.T) {
	a := &memArchive{}
	a.add(t, dated("aa", 0), dir("", dir("d", text("f", "one"))))
	a.add(t, dated("bb", 1), dir("", dir("d", text("f", "two"), text("g", "in the lost one"))))
	a.add(t, dated("cc", 2), dir("", dir("d", text("f", "three"))))
	lost := a.trees[dated("bb", 1).ID]
	a.change(func() { delete(a.trees, dated("bb", 1).ID) })
	log := newLogBuffer()
	mnt, _ := mountArchive(t, a, Options{Versions: true, Log: log.logger()})
	for range 3 {
		if got := names(t, mnt+"/d"); !slices.Equal(got, []string{"f"}) {
			t.Errorf("%q", got)
		}
		if got := names(t, mnt+"/d/f"); len(got) != 2 {
			t.Errorf("%q", got)
		}
	}
	if lines := log.take(); len(lines) != 1 || !strings.Contains(lines[0], "bbbbbbbb") {
		t.Errorf("log: %q", lines)
	}
	a.change(func() { a.trees[dated("bb", 1).ID] = lost })
	eventually(t, "the snapshot that was lost", func() bool { return len(names(t, mnt+"/d")) == 2 && len(names(t, mnt+"/d/f")) == 3 })
}

// A lost page costs what only it held; a directory of which nothing can be read
// is an error, and not empty.
func TestVersionsWithLostPages(t *testing.T) {
	a := &memArchive{}
	stores := map[string]*treetest.Store{}
	trees := map[string]*item{}
	for i, id := range []string{"aa", "bb"} {
		root := dir("", dir("d", text("f"+id, "x"), text("both", "y")), text("sound", ""))
		store := treetest.New()
		build(t, store, root)
		stores[id], trees[id] = store, root
		s := dated(id, i)
		a.change(func() {
			a.list = append(a.list, s)
			if a.trees == nil {
				a.trees = map[string]*view.Tree{}
			}
			a.trees[s.ID] = openStored(store, root)
		})
	}
	lose := func(id string) { stores[id].Lose(index.Tree, trees[id].find("d").Dir.ID) }
	lose("aa")
	log := newLogBuffer()
	mnt, _ := mountArchive(t, a, Options{Versions: true, Log: log.logger()})
	if got := names(t, mnt+"/d"); !slices.Equal(got, []string{"both", "fbb"}) {
		t.Errorf("%q", got)
	}
	if _, err := os.Lstat(mnt + "/d/faa"); unwrapErrno(err) != unix.EIO {
		t.Errorf("a name that the lost page may have held: %v, want EIO", err)
	}
	if lines := log.take(); len(lines) != 1 || !strings.Contains(lines[0], "file=d") || !strings.Contains(lines[0], "aaaaaaaa") {
		t.Errorf("log: %q", lines)
	}
	both, _ := mountArchive(t, a, Options{Versions: true, Log: log.logger()})
	lose("bb")
	a.change(func() { a.trees[dated("bb", 1).ID] = openStored(stores["bb"], &item{Node: trees["bb"].Node}) }) // without cached pages
	if _, err := os.ReadDir(both + "/d"); unwrapErrno(err) != unix.EIO {
		t.Errorf("nothing can be read: %v, want EIO", err)
	}
	if got := names(t, both); !slices.Equal(got, []string{"d", "sound"}) {
		t.Errorf("%q", got)
	}
}

// With AllowOther, a directory that was closed in one snapshot is not reached
// through another in which it was open.
func TestVersionsAllowOther(t *testing.T) {
	a := &memArchive{}
	with := func(mode uint16) *item {
		return dir("", dir("d", text("f", "secret")).with(func(n *tree.Node) { n.Mode = mode }), dir("open", text("g", "public")))
	}
	a.add(t, dated("aa", 0), with(0o700))
	a.add(t, dated("bb", 1), with(0o755))
	mnt := reachableDir(t)
	s, err := Mount(mnt, a, Options{AllowOther: true, Versions: true})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	for path, want := range map[string]string{
		"/d/f/2026-11-22T13-00-00Z":    "permission denied",
		"/open/g/2026-11-22T13-00-00Z": "public",
	} {
		cmd := helper("visitor", mnt+path)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 1000, Gid: 1000}
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("%s: %q, %v; want %q", path, out, err, want)
		}
	}
}

// File handles into the view survive a remount.
func TestVersionsFileHandles(t *testing.T) {
	a := &memArchive{}
	a.add(t, dated("aa", 0), dir("", dir("d", dir("e", text("f", "one")))))
	a.add(t, dated("bb", 1), dir("", dir("d", dir("e", text("f", "two")))))
	mnt := t.TempDir()
	handles := map[string]unix.FileHandle{}
	paths := []string{"/d", "/d/e", "/d/e/f", "/d/e/f/2026-11-22T14-00-00Z"}
	for _, remount := range []bool{false, true} {
		s, err := Mount(mnt, a, Options{Versions: true})
		if err != nil {
			t.Fatal(err)
		}
		at, err := unix.Open(mnt, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if !remount {
				if handles[path], _, err = unix.NameToHandleAt(unix.AT_FDCWD, mnt+path, 0); err != nil {
					t.Fatal(err)
				}
				continue
			}
			fd, err := unix.OpenByHandleAt(at, handles[path], unix.O_RDONLY|unix.O_CLOEXEC)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			var byHandle, byPath unix.Stat_t
			if err := errors.Join(unix.Fstat(fd, &byHandle), unix.Stat(mnt+path, &byPath)); err != nil || byHandle.Ino != byPath.Ino {
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

func TestExtension(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "a": "", "a.txt": ".txt", ".bashrc": "", ".a.b": ".b", "a.": "", "a.tar.gz": ".tar.gz", ".tar.gz": ".gz",
		"a.b.c": ".c", "Mr. Smith and his long sentence about nothing": "", "x.\xff": ".\xff",
	} {
		if got := extension(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
