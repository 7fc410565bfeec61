package restore

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
)

// listOf restores with a list, and returns the paths in it below dest.
func listOf(t *testing.T, o Options) (Stats, []string) {
	t.Helper()
	var list []string
	o.List = func(path string, _ *tree.Node) { list = append(list, strings.TrimPrefix(path, o.Dest+"/")) }
	stats, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return stats, list
}

// Who restores a part gets that part, with the directories above it as they
// were, and nothing else.
func TestSelect(t *testing.T) {
	f := build(t, treetest.Dir("",
		with(treetest.Dir("a", treetest.File("x", "1"), treetest.File("y", "2"),
			with(treetest.Dir("deep", treetest.Dir("er", treetest.File("x", "3"))), func(n *tree.Node) { n.Mode = 0o500 }),
			treetest.Dir("none", treetest.File("y", "4"))), func(n *tree.Node) { n.Mode = 0o711 }),
		treetest.Dir("pruned", treetest.File("x", "5")), treetest.File("x", "6")))
	o, warnings := f.options(t.TempDir())
	o.Progress = new(Progress)
	o.Select = func(path string) Verdict {
		switch {
		case path == "pruned":
			return Prune
		case strings.HasSuffix(path, "x"):
			return Take
		}
		return Leave
	}
	stats, list := listOf(t, o)
	want := []string{"a", "a/deep", "a/deep/er", "a/deep/er/x", "a/x", "x"}
	if !slices.Equal(list, want) || len(*warnings) > 0 {
		t.Errorf("restored %q, want %q; %v", list, want, *warnings)
	}
	if stats.Files != 3 || stats.Dirs != 3 || stats.Bytes != 3 {
		t.Errorf("stats %+v", stats)
	}
	p := o.Progress
	if p.Entries.Load() != 6 || p.TotalEntries.Load() != 6 || p.Bytes.Load() != 3 || p.TotalBytes.Load() != 3 {
		t.Errorf("progress %d of %d entries, %d of %d bytes", p.Entries.Load(), p.TotalEntries.Load(), p.Bytes.Load(), p.TotalBytes.Load())
	}
	a := f.specOf("a")
	a.Children = []treetest.Spec{a.Children[0], a.Children[2]}
	check(t, o.Dest+"/a", a)
	for _, gone := range []string{"pruned", "a/none", "a/y"} {
		if _, err := os.Lstat(o.Dest + "/" + gone); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", gone, err)
		}
	}

	// Paths are those in the tree, wherever the restore begins.
	for _, c := range []struct{ path, as string }{{"a", "a"}, {"a/", ""}, {"a/deep", "renamed"}, {"a/deep", ""}, {"a/x", "a file"}, {"", "all"}} {
		o, _ := f.options(t.TempDir())
		o.From, o.As, o.Path = f.find(t, c.path), c.as, strings.TrimSuffix(c.path, "/")
		var asked []string
		o.Select = func(path string) Verdict {
			asked = append(asked, path)
			return Take
		}
		if _, err := Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		for _, path := range asked {
			if path != "" {
				f.find(t, path)
			}
		}
		if below := o.From.Dir.Total; uint64(len(asked)) != below && c.as == "" || uint64(len(asked)) != below+1 && c.as != "" {
			t.Errorf("%q: asked for %q", c.path, asked)
		}
	}
}

// Directories above are left out; what lies in them comes together.
func TestStrip(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.File("top", "0"),
		treetest.Dir("a", treetest.File("x", "1"), treetest.Dir("b", treetest.File("y", "2"), treetest.Dir("c", treetest.File("z", "3")))),
		treetest.Dir("d", treetest.Dir("b2", linked(treetest.File("y2", "4"), 9, 2))), treetest.Dir("e", linked(treetest.File("y3", "4"), 9, 2))))
	for _, c := range []struct {
		path, as string
		strip    int
		want     []string
	}{
		{"", "", 1, []string{"b", "b/c", "b/c/z", "b/y", "b2", "b2/y2", "x", "y3"}},
		{"", "", 2, []string{"c", "c/z", "y", "y2"}},
		{"", "", 9, nil},
		{"a", "a", 1, []string{"b", "b/c", "b/c/z", "b/y", "x"}},
		{"a", "a", 2, []string{"c", "c/z", "y"}},
	} {
		o, warnings := f.options(t.TempDir())
		o.From, o.As, o.Path, o.Strip, o.Progress = f.find(t, c.path), c.as, c.path, c.strip, new(Progress)
		_, list := listOf(t, o)
		if slices.Sort(list); !slices.Equal(list, c.want) || len(*warnings) > 0 {
			t.Errorf("%q, %d stripped: %q, want %q; %v", c.path, c.strip, list, c.want, *warnings)
		}
		for _, p := range c.want {
			if _, err := os.Lstat(o.Dest + "/" + p); err != nil {
				t.Error(err)
			}
		}
		if p := o.Progress; p.Entries.Load() != p.TotalEntries.Load() || p.Bytes.Load() != p.TotalBytes.Load() {
			t.Errorf("progress %d of %d entries, %d of %d bytes", p.Entries.Load(), p.TotalEntries.Load(), p.Bytes.Load(), p.TotalBytes.Load())
		}
	}
	// Two of a name are not made one.
	f = build(t, treetest.Dir("", treetest.Dir("a", treetest.File("x", "1")), treetest.Dir("b", treetest.File("x", "2"))))
	o, _ := f.options(t.TempDir())
	o.Strip = 1
	if _, err := Run(context.Background(), o); !errors.Is(err, ErrExists) {
		t.Errorf("one over the other: %v", err)
	}
}

// A dry run says what a real one would do, and does nothing.
func TestDryRun(t *testing.T) {
	spec := uglyTree(os.Geteuid() == 0)
	f := build(t, spec)
	dest := t.TempDir()
	o, warnings := f.options(dest + "/new")
	o.DryRun = true
	dry, dryList := listOf(t, o)
	if _, err := os.Lstat(o.Dest); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a dry run has made something: %v", err)
	}
	o.DryRun = false
	real, list := listOf(t, o)
	if !slices.Equal(dryList, list) || len(list) != int(f.view.Root().Dir.Total) {
		t.Errorf("%d entries listed, %d restored", len(dryList), len(list))
	}
	real.Dirs-- // the destination
	if dry.Files != real.Files || dry.Dirs != real.Dirs || dry.Symlinks != real.Symlinks || dry.Specials != real.Specials ||
		dry.HardLinks != real.HardLinks || dry.Bytes != real.Bytes || dry.Written != real.Written {
		t.Errorf("told %+v\ndone %+v", dry, real)
	}

	// Over what is there: an error, all, or nothing.
	o.DryRun = true
	if _, err := Run(context.Background(), o); !errors.Is(err, ErrExists) {
		t.Errorf("something is in the way: %v", err)
	}
	o.Overwrite = ReplaceChanged
	if again, list := listOf(t, o); len(list) > 0 || again.Kept == 0 {
		t.Errorf("nothing is changed, but %q, %+v", list, again)
	}
	o.Overwrite = Replace
	if _, list := listOf(t, o); len(list) != len(dryList)-int(dry.Dirs) {
		t.Errorf("%d would be replaced, want %d", len(list), len(dryList)-int(dry.Dirs))
	}
	if len(*warnings) > 0 {
		t.Error(*warnings)
	}
}
