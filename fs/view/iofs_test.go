package view_test

import (
	"errors"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
)

func TestFS(t *testing.T) {
	s := treetest.New()
	fifo := treetest.Spec{Node: tree.Node{Name: "pipe", Type: tree.FIFO, Mode: 0600}}
	sticky := treetest.Dir("tmp")
	sticky.Mode = 01777
	spec := treetest.Dir("",
		treetest.File("empty", ""), treetest.File("small", "text"), treetest.File("large", strings.Repeat("0123456789", 5000)),
		treetest.Dir("dir", treetest.File("in", "x"), treetest.Dir("deep", treetest.Dir("er", treetest.File("file", strings.Repeat("y", 999))))),
		treetest.Symlink("link", "dir/in"), treetest.Symlink("broken", "/nowhere"), sticky,
		treetest.File("latin1-\xe9", "not UTF-8"))
	root := mustBuild(t, s, spec, 100)
	v := view.New(s, root, view.Options{})
	if err := fstest.TestFS(v.FS(ctx), "empty", "small", "large", "dir/in", "dir/deep/er/file", "link", "broken", "tmp"); err != nil {
		t.Error(err)
	}
	spec.Children = append(spec.Children, fifo)
	v = view.New(s, mustBuild(t, s, spec, 100), view.Options{})
	fsys := v.FS(ctx)
	list, err := fs.ReadDir(fsys, ".")
	if err != nil || len(list) != 8 {
		t.Errorf("root lists %v, %v", list, err)
	}
	for name, mode := range map[string]fs.FileMode{"pipe": fs.ModeNamedPipe | 0600, "tmp": fs.ModeDir | fs.ModeSticky | 0777, "link": fs.ModeSymlink | 0777} {
		i, err := fs.Stat(fsys, name)
		if err != nil || i.Mode() != mode {
			t.Errorf("%s: %v, %v", name, i, err)
		} else if n, ok := i.Sys().(*tree.Node); !ok || n.Name != name {
			t.Errorf("%s: Sys is %v", name, i.Sys())
		}
	}
	if target, err := fs.ReadLink(fsys, "link"); err != nil || target != "dir/in" {
		t.Error(target, err)
	}
	if _, err := fs.ReadLink(fsys, "small"); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
	for name, want := range map[string]error{"none": fs.ErrNotExist, "dir/none": fs.ErrNotExist, "small/x": syscall.ENOTDIR, "latin1-\xe9": fs.ErrInvalid, "/dir": fs.ErrInvalid, "dir/..": fs.ErrInvalid} {
		if _, err := fsys.Open(name); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"pipe", "link", "dir"} {
		f, err := fsys.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(f, make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("%s reads: %d, %v", name, n, err)
		}
		if _, err := fs.ReadFile(fsys, name); err == nil {
			t.Errorf("%s can be read whole", name)
		}
	}
}

// A file that claims to be huge must not take memory for it.
func TestReadFileOfForgedSize(t *testing.T) {
	s := treetest.New()
	lost := tree.Part{ID: s.ID(2, nil), Length: 1 << 20}
	b := tree.NewContentBuilder(s)
	for range 200 {
		if err := b.Add(ctx, lost); err != nil {
			t.Fatal(err)
		}
	}
	size := b.Size()
	c, err := b.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	d := tree.NewDirBuilder(s)
	if err := d.Add(ctx, &tree.Node{Name: "f", Type: tree.Regular, Size: size, Content: c}); err != nil {
		t.Fatal(err)
	}
	dir, err := d.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	v := view.New(s, &tree.Node{Type: tree.Directory, Dir: dir}, view.Options{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := fs.ReadFile(v.FS(ctx), "f"); !errors.Is(err, treetest.ErrLost) {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	allocs := after.TotalAlloc - before.TotalAlloc
	if allocs > 2<<20 {
		t.Errorf("%d bytes taken", allocs)
	}
}
