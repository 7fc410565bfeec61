package snapshot

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/source"
	"garret/fs/tree"
)

// sub makes paths below the bench's directory, keeping a slash at the end.
func (b *bench) sub(names ...string) (all []string) {
	for _, n := range names {
		all = append(all, b.dir+"/"+n)
	}
	return all
}

func sourceTree(t *testing.T) *bench {
	b := newBench(t)
	for _, name := range []string{"a/b/c/file", "a/b/other", "a/x", "d/y", "z"} {
		b.write(name, []byte(name))
	}
	b.must(os.Symlink("a/b", b.path("link")))
	b.must(os.Symlink("nowhere", b.path("dangling")))
	return b
}

func TestSources(t *testing.T) {
	for _, c := range []struct {
		name    string
		sources []string
		want    []string
		warn    error
	}{
		{"a directory", []string{"a/b"}, []string{"a", "a/b", "a/b/c", "a/b/c/file", "a/b/other"}, nil},
		{"a file", []string{"a/b/other"}, []string{"a", "a/b", "a/b/other"}, nil},
		{"two", []string{"z", "a/b/c"}, []string{"a", "a/b", "a/b/c", "a/b/c/file", "z"}, nil},
		{"nested", []string{"a/b/c", "a/b"}, []string{"a", "a/b", "a/b/c", "a/b/c/file", "a/b/other"}, nil},
		{"the same twice", []string{"d", "d/", "d/."}, []string{"d", "d/y"}, nil},
		{"dots", []string{"a/../d/./y"}, []string{"d", "d/y"}, nil},
		{"a link", []string{"link"}, []string{"link"}, ErrSymlink},
		{"a dangling link", []string{"dangling"}, []string{"dangling"}, ErrSymlink},
		{"what a link leads to", []string{"link/"}, []string{"link", "link/c", "link/c/file", "link/other"}, nil},
		{"through a link", []string{"link/c"}, []string{"link", "link/c", "link/c/file"}, nil},
		{"a link and through it", []string{"link/c", "link"}, []string{"link", "link/c", "link/c/file"}, ErrThrough},
		{"one is missing", []string{"missing", "z"}, []string{"z"}, fs.ErrNotExist},
		{"all", []string{""}, []string{"a", "a/b", "a/b/c", "a/b/c/file", "a/b/other", "a/x", "d", "d/y", "dangling", "link", "z"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := sourceTree(t)
			b.o.Sources = b.sub(c.sources...)
			r := b.run()
			v := b.tree(r)
			got := paths(t, v)
			slices.Sort(got)
			if !slices.Equal(got[1:], c.want) {
				t.Errorf("got %q, want %q", got[1:], c.want)
			}
			if c.warn != nil && (len(b.warnings) == 0 || !errors.Is(b.warnings[0].Err, c.warn)) || c.warn == nil && len(b.warnings) > 0 {
				t.Errorf("warnings %v, want %v", b.warnings, c.warn)
			}
			for _, path := range got[1:] {
				e := resolve(t, v, path)
				if link := strings.HasPrefix(path, "link"); !link || e.Type == tree.Symlink {
					b.sameEntry(v, path)
				} else if e.Type == tree.Regular && string(content(t, v, path)) != "a/b"+strings.TrimPrefix(path, "link") {
					t.Errorf("%s: %q", path, content(t, v, path))
				}
			}
		})
	}
}

func TestLinkWithinASourceThatAnotherLeadsThrough(t *testing.T) {
	b := sourceTree(t)
	b.o.Sources = b.sub("", "link/c")
	v := b.tree(b.run())
	if e := resolve(t, v, "link"); e.Type != tree.Directory || e.Dir.Entries != 1 {
		t.Errorf("%+v", e.Node)
	}
	b.warned(b.path("link"), ErrThrough)
}

func TestSourcesThatCannotBe(t *testing.T) {
	b := sourceTree(t)
	b.o.Root = b.path("a")
	for _, c := range []struct {
		sources []string
		want    error
	}{
		{nil, ErrNoSource}, {b.sub("a/none"), ErrNoSource}, {b.sub("a/none"), fs.ErrNotExist},
		{b.sub("d"), ErrOutsideRoot}, {b.sub("ab"), ErrOutsideRoot}, {b.sub("a/b", "."), ErrOutsideRoot},
	} {
		b.o.Sources = c.sources
		if r, err := Run(context.Background(), b.o); !errors.Is(err, c.want) || r != nil {
			t.Errorf("%q: %v, %v; want %v", c.sources, r, err, c.want)
		}
	}
	b.o.Sources = []string{""}
	if _, err := Run(context.Background(), b.o); err == nil {
		t.Error("an empty source is one")
	}
	b.o.Sources = []string{"x\x00y"}
	if _, err := Run(context.Background(), b.o); err == nil {
		t.Error("a source with NUL is one")
	}
}

// Without a root, paths are absolute ones without their slash, and directories
// above keep what they are.
func TestAbsolutePaths(t *testing.T) {
	b := sourceTree(t)
	b.o.Root, b.o.Sources = "", b.sub("d")
	b.must(os.Chmod(b.dir, 0o711))
	v := b.tree(b.run())
	b.noWarnings()
	at := strings.TrimPrefix(b.dir, "/")
	if string(content(t, v, at+"/d/y")) != "d/y" {
		t.Error("content differs")
	}
	if e := resolve(t, v, at); e.Mode != 0o711 || e.Dir.Entries != 1 {
		t.Errorf("above: %+v", e.Node)
	}
	if e := resolve(t, v, ""); e.Name != "" || e.Type != tree.Directory || e.Mode&0o555 != 0o555 {
		t.Errorf("root: %+v", e.Node)
	}
}

func TestRelativeSources(t *testing.T) {
	b := sourceTree(t)
	t.Chdir(b.path("a"))
	b.o.Root, b.o.Sources = "..", []string{"b/c", "../d"}
	if got := paths(t, b.tree(b.run())); !slices.Equal(got, []string{"", "a", "a/b", "a/b/c", "a/b/c/file", "d", "d/y"}) {
		t.Errorf("got %q", got)
	}
	b.o.Root, b.o.Sources = "", []string{"."}
	v := b.tree(b.run())
	resolve(t, v, strings.TrimPrefix(b.path("a/x"), "/"))
}

// A pseudo file system below "/" is not entered by accident, but on request.
func TestPseudoFileSystems(t *testing.T) {
	b := newBench(t)
	b.o.Root, b.o.Sources = "", []string{"/"}
	b.o.Filter = func(path string, _ *tree.Node) Verdict {
		if path == "proc" || strings.HasPrefix(path, "proc/") {
			return Include
		}
		return Prune
	}
	r := b.run()
	v := b.tree(r)
	if got := paths(t, v); !slices.Equal(got, []string{"", "proc"}) {
		t.Errorf("got %d entries", len(got))
	}
	b.warned("/proc", ErrPseudo)
	if r.Warnings != 0 || !b.warnings[0].Notice {
		t.Error("a notice counts as a warning")
	}
	b.o.Filter, b.o.Sources = nil, []string{"/proc/sys/kernel/ostype", "/proc/self/status"}
	v = b.tree(b.run())
	b.noWarnings()
	if got := string(content(t, v, "proc/sys/kernel/ostype")); got != "Linux\n" {
		t.Errorf("got %q", got)
	}
	self, err := os.Readlink("/proc/self")
	b.must(err)
	if got := string(content(t, v, "proc/self/status")); !strings.Contains(got, "Pid:\t"+filepath.Base(self)+"\n") {
		t.Errorf("got %q", got)
	}
}

func TestBoundary(t *testing.T) {
	local, proc := &device{system: source.Classify("ext4")}, &device{system: source.Classify("proc")}
	for _, c := range []struct {
		name  string
		one   bool
		dev   *device
		st    uint64
		below region
		why   error
	}{
		{"same", true, local, 1, region{whole: true, dev: 1}, nil},
		{"other", false, local, 2, region{whole: true, dev: 1}, nil},
		{"other, one file system", true, local, 2, region{whole: true, dev: 1}, ErrFileSystem},
		{"other, asked for", true, local, 2, region{whole: true, dev: 1, place: &place{whole: true}}, nil},
		{"other, leads to a source", true, local, 2, region{whole: true, dev: 1, place: &place{}}, ErrFileSystem},
		{"other, does nothing but lead to a source", true, local, 2, region{dev: 1, place: &place{}}, nil},
		{"pseudo", false, proc, 2, region{whole: true, dev: 1}, ErrPseudo},
		{"pseudo, asked for", false, proc, 2, region{whole: true, dev: 1, place: &place{whole: true}}, nil},
		{"pseudo, leads to a source", false, proc, 2, region{whole: true, dev: 1, place: &place{}}, ErrPseudo},
		{"within a pseudo one", true, proc, 1, region{whole: true, dev: 1}, nil},
	} {
		w := dirWalk{s: &scanner{o: &Options{OneFileSystem: c.one}}, d: &source.Dir{Stat: source.Stat{Dev: 1}}}
		if why := w.boundary(c.dev, &source.Stat{Dev: c.st}, c.below); why != c.why {
			t.Errorf("%s: %v", c.name, why)
		}
	}
}

// TestSourceBelowBoundary: with / and a file of /proc as sources, that file is
// stored, and not all of /proc with it.
func TestSourceBelowBoundary(t *testing.T) {
	b := newBench(t)
	b.o.Root, b.o.Sources = "", []string{"/", "/proc/sys/kernel/ostype"}
	b.o.Filter = func(path string, _ *tree.Node) Verdict {
		if path == "proc" || strings.HasPrefix(path, "proc/") {
			return Include
		}
		return Prune
	}
	r := b.run()
	want := []string{"", "proc", "proc/sys", "proc/sys/kernel", "proc/sys/kernel/ostype"}
	if got := paths(t, b.tree(r)); !slices.Equal(got, want) {
		t.Errorf("got %d entries, want %v", len(got), want)
	}
	b.warned("/proc", ErrPseudo)
	if r.Warnings != 0 || r.Stats.Reasons[ByFileSystem] != 1 {
		t.Errorf("%d warnings, reasons %v", r.Warnings, r.Stats.Reasons)
	}
}

func TestExcluding(t *testing.T) {
	all := []string{"a", "a/b", "a/b/c", "a/b/c/file", "a/b/other", "a/x", "d", "d/y", "dangling", "link", "z"}
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(names, s) })
	}
	tag := []byte(cacheSignature + "\n")
	for _, c := range []struct {
		name     string
		set      func(b *bench)
		want     []string
		excluded uint64
	}{
		{"nothing", func(*bench) {}, all, 0},
		{"skipped", func(b *bench) {
			var st source.Stat
			b.must(source.StatPath(b.path("a/b"), false, &st))
			b.o.Skip = func(dev, ino uint64) bool { return dev == st.Dev && ino == st.Ino }
		}, without("a/b", "a/b/c", "a/b/c/file", "a/b/other"), 1},
		{"pruned", func(b *bench) {
			b.o.Filter = func(path string, _ *tree.Node) Verdict {
				if path == "a/b" {
					return Prune
				}
				return Include
			}
		}, without("a/b", "a/b/c", "a/b/c/file", "a/b/other"), 1},
		{"excluded but for something below", func(b *bench) {
			b.o.Filter = func(path string, n *tree.Node) Verdict {
				if path == "a/b/c/file" || !strings.HasPrefix(path, "a") {
					return Include
				}
				return Exclude
			}
		}, without("a/b/other", "a/x"), 2},
		{"excluded with everything below", func(b *bench) {
			b.o.Filter = func(path string, n *tree.Node) Verdict {
				if strings.HasPrefix(path, "a") {
					return Exclude
				}
				return Include
			}
		}, without("a", "a/b", "a/b/c", "a/b/c/file", "a/b/other", "a/x"), 6},
		{"a tag", func(b *bench) {
			b.write("a/b/.nobackup", nil)
			b.o.ExcludeIfPresent = []string{".nobackup", "none"}
		}, without("a/b", "a/b/c", "a/b/c/file", "a/b/other"), 1},
		{"a tag that is kept", func(b *bench) {
			b.write("a/b/.nobackup", nil)
			b.o.ExcludeIfPresent, b.o.KeepTags = []string{".nobackup", "none"}, true
		}, append(without("a/b/c", "a/b/c/file", "a/b/other"), "a/b/.nobackup"), 2},
		{"a cache", func(b *bench) {
			b.write("a/b/CACHEDIR.TAG", tag)
			b.write("d/CACHEDIR.TAG", tag[:40])
			b.o.ExcludeCaches = true
		}, append(without("a/b", "a/b/c", "a/b/c/file", "a/b/other"), "d/CACHEDIR.TAG"), 1},
		{"all of it is a cache", func(b *bench) {
			b.write("CACHEDIR.TAG", tag)
			b.o.ExcludeCaches = true
		}, []string{}, 6},
		{"larger", func(b *bench) {
			b.write("a/x", noise(1, 1001))
			b.write("d/y", noise(1, 1000))
			b.o.ExcludeLarger = 1000
		}, without("a/x"), 1},
		{"no dump", func(b *bench) {
			b.flag("a/b", unix.STATX_ATTR_NODUMP)
			b.flag("d/y", unix.STATX_ATTR_NODUMP)
			b.o.ExcludeNoDump = true
		}, without("a/b", "a/b/c", "a/b/c/file", "a/b/other", "d/y"), 2},
		{"a cache that is kept", func(b *bench) {
			b.write("a/b/CACHEDIR.TAG", tag)
			b.write("d/CACHEDIR.TAG", tag[:40])
			b.o.ExcludeCaches, b.o.KeepTags = true, true
		}, append(without("a/b/c", "a/b/c/file", "a/b/other"), "a/b/CACHEDIR.TAG", "d/CACHEDIR.TAG"), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := sourceTree(t)
			c.set(b)
			r := b.run()
			b.noWarnings()
			got := paths(t, b.tree(r))[1:]
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if r.Stats.Excluded != c.excluded {
				t.Errorf("%d excluded, want %d", r.Stats.Excluded, c.excluded)
			}
			told := uint64(0)
			for _, n := range r.Stats.Reasons {
				told += n
			}
			if told != c.excluded {
				t.Errorf("reasons: %v", r.Stats.Reasons)
			}
		})
	}
}

// flag sets an inode flag. A test whose file system knows none is skipped.
func (b *bench) flag(name string, flag int) {
	b.t.Helper()
	f, err := os.Open(b.path(name))
	b.must(err)
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flag); err != nil {
		b.t.Skipf("the file system has no such flag: %v", err)
	}
}

// A source within a directory that is tagged is stored all the same.
func TestSourceBelowTag(t *testing.T) {
	b := sourceTree(t)
	b.write("a/.nobackup", nil)
	b.o.ExcludeIfPresent = []string{".nobackup"}
	b.o.Sources = b.sub("", "a/b/c")
	got := paths(t, b.tree(b.run()))
	want := []string{"", "a", "a/b", "a/b/c", "a/b/c/file", "d", "d/y", "dangling", "link", "z"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// Exact sources are stored without what is below them, and links without a word.
func TestExactSources(t *testing.T) {
	b := sourceTree(t)
	b.o.Exact = true
	b.o.Sources = b.sub("a/b", "z", "link", "d/y", "a/b/other", "a-", "none")
	b.write("a-", nil)
	r := b.run()
	got := paths(t, b.tree(r))
	if want := []string{"", "a", "a/b", "a/b/other", "a-", "d", "d/y", "link", "z"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	b.warned(b.path("none"), fs.ErrNotExist)
	if !slices.Contains(b.items, "E none") || r.Stats.Errors != 1 || r.Stats.Reasons[HasVanished] != 1 {
		t.Errorf("%q, %+v", b.items, r.Stats)
	}
}

// The order of a walk is that of names, not of whole paths.
func TestComparePaths(t *testing.T) {
	sorted := []string{"", "a", "a/b", "a/b/c", "a-", "a-/x", "a.", "b"}
	for i, a := range sorted {
		for j, b := range sorted {
			if c := comparePaths(a, b); (c < 0) != (i < j) || (c > 0) != (i > j) {
				t.Errorf("%q, %q: %d", a, b, c)
			}
		}
	}
}

// A list of a hundred thousand files in any order does not take for ever.
func TestManySources(t *testing.T) {
	p := &place{}
	var found []planned
	for i := range 100_000 {
		found = append(found, planned{rel: "dir/" + nameOf((i*7919)%100_000)})
	}
	slices.SortFunc(found, func(a, b planned) int { return comparePaths(a.rel, b.rel) })
	for _, f := range found {
		p.add(f.rel, false, true)
	}
	if dir := p.child("dir"); len(dir.children) != 100_000 || !dir.child(nameOf(77)).meant() || dir.meant() {
		t.Error("not all of them are there")
	}
}

// A mount that nobody serves any more is not even asked for its metadata.
func TestSkipMounts(t *testing.T) {
	b := sourceTree(t)
	b.o.SkipMounts = []string{b.path("a/b"), "/elsewhere/d"}
	got := paths(t, b.tree(b.run()))
	if want := []string{"", "a", "a/x", "d", "d/y", "dangling", "link", "z"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	b.must(os.Symlink(b.dir, b.path("self")))
	b.o.Root, b.o.Sources = "", []string{b.path("self") + "/a"} // under another name
	got = paths(t, b.tree(b.run()))
	if strings.Contains(strings.Join(got, " "), "/b") || !slices.Contains(b.items, "x "+strings.TrimPrefix(b.path("self/a/b"), "/")) {
		t.Errorf("got %q", got)
	}
}

// A source within a directory that is pruned is stored all the same.
func TestSourceBelowPruned(t *testing.T) {
	b := sourceTree(t)
	b.o.Sources = b.sub("", "a/b/c")
	b.o.Filter = func(path string, _ *tree.Node) Verdict {
		if path == "a" {
			return Prune
		}
		return Include
	}
	got := paths(t, b.tree(b.run()))
	want := []string{"", "a", "a/b", "a/b/c", "a/b/c/file", "d", "d/y", "dangling", "link", "z"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestDryRun(t *testing.T) {
	b := sourceTree(t)
	b.parent(b.run())
	b.write("z", []byte("changed"))
	b.write("new", []byte("new"))
	puts := b.store.Stats()
	b.o.DryRun = true
	r := b.run()
	if r.Root != nil || r.Stats.Unmodified != 4 || r.Stats.New != 1 || r.Stats.Modified != 1 || r.Stats.FilesRead != 0 {
		t.Errorf("%+v", r)
	}
	if b.store.Stats().Puts != puts.Puts || len(b.opened) != 0 {
		t.Error("a dry run stores or reads something")
	}
	b.o.Filter = func(path string, _ *tree.Node) Verdict {
		if path == "a" || path == "d" || path == "d/y" {
			return Exclude
		}
		return Include
	}
	if r := b.run(); r.Stats.Dirs != 4 || r.Stats.Excluded != 2 {
		t.Errorf("%+v", r.Stats)
	}
	for _, item := range []string{"- z", "- new", "U a/x", "d a"} {
		if !slices.Contains(b.items, item) {
			t.Errorf("%q is not told: %q", item, b.items)
		}
	}
}

// The scan ahead arrives at what is then done.
func TestProgress(t *testing.T) {
	b := sourceTree(t)
	b.write("large", noise(1, 3_000_000))
	b.o.ScanAhead, b.o.Progress = true, &Progress{}
	p := b.o.Progress
	// The run waits until the scan is done.
	b.o.openFile = func(_ string, open func() (file, error)) (file, error) {
		for !p.Scanned.Load() {
		}
		return open()
	}
	r := b.run()
	if p.Entries.Load() != r.Root.Dir.Total+1 || p.Entries.Load() != p.TotalEntries.Load() {
		t.Errorf("%d of %d entries, %d stored", p.Entries.Load(), p.TotalEntries.Load(), r.Root.Dir.Total+1)
	}
	if p.Bytes.Load() != r.Stats.BytesTotal || p.Bytes.Load() != p.TotalBytes.Load() || p.Files.Load() != p.TotalFiles.Load() {
		t.Errorf("%d of %d bytes, stored %d", p.Bytes.Load(), p.TotalBytes.Load(), r.Stats.BytesTotal)
	}
	if p.BytesAdded.Load() != r.Stats.BytesAdded || p.BytesRead.Load() == 0 || p.Current.Load() == nil {
		t.Error("what was read or added is not told")
	}
}
