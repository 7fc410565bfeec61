package view_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
	"garret/index"
)

// Every way to an entry leads to the same one, whatever the page cache holds.
func TestAgreesWithModel(t *testing.T) {
	for cache, entries := range map[int64]int{0: 1500, 1: 100, 100 << 10: 700} {
		rng := rand.New(rand.NewPCG(uint64(cache), 1))
		spec := randomTree(rng, entries)
		list := model(&spec)
		s := treetest.New()
		v := view.New(s, mustBuild(t, s, spec, 512), view.Options{PageCache: cache})
		if v.Len() != uint64(len(list)) {
			t.Fatalf("%d entries, want %d", v.Len(), len(list))
		}
		for _, i := range rng.Perm(len(list)) {
			checkEntries(t, v, list, uint64(i), rng)
		}
		i := 0
		err := v.Walk(ctx, v.Root(), func(path string, e view.Entry) error {
			checkEntry(t, "Walk", e, nil, list, uint64(i))
			if path != list[i].path {
				t.Fatalf("Walk gives the path %q, want %q", path, list[i].path)
			}
			i++
			return nil
		})
		if err != nil || i != len(list) {
			t.Fatalf("Walk visited %d of %d: %v", i, len(list), err)
		}
	}
}

// The next directory is found behind some pages of files, and given up behind many:
// a page holds some 800.
func TestNextDir(t *testing.T) {
	for files, found := range map[int]bool{0: true, 1: true, 300: true, 2000: true, 10_000: false} {
		s := treetest.New()
		b := tree.NewDirBuilder(s)
		add := func(n *tree.Node) {
			t.Helper()
			if err := b.Add(ctx, n); err != nil {
				t.Fatal(err)
			}
		}
		add(&tree.Node{Name: "a", Type: tree.Directory})
		for i := range files {
			add(&tree.Node{Name: fmt.Sprintf("file %05d", i), Type: tree.Regular})
		}
		add(&tree.Node{Name: "last", Type: tree.Directory})
		d, err := b.Finish(ctx)
		if err != nil {
			t.Fatal(err)
		}
		v := view.New(s, &tree.Node{Type: tree.Directory, Dir: d}, view.Options{})
		e, err := v.NextDir(ctx, 2)
		if found && (err != nil || e.Name != "last" || e.Pos != uint64(files+2)) || !found && err != fs.ErrNotExist {
			t.Errorf("behind %d files: %v, %v", files, e, err)
		}
	}
}

// checkNextDir allows NextDir to find nothing where there are many files, as
// pages of these trees hold few.
func checkNextDir(t *testing.T, v *view.Tree, list []entry, pos uint64) {
	t.Helper()
	next := max(pos, 1) // the root is none
	for next < uint64(len(list)) && list[next].spec.Type != tree.Directory {
		next++
	}
	e, err := v.NextDir(ctx, pos)
	if err == fs.ErrNotExist && (next == uint64(len(list)) || next > pos+2) {
		return
	}
	checkEntry(t, "NextDir", e, err, list, next)
}

func checkEntries(t *testing.T, v *view.Tree, list []entry, pos uint64, rng *rand.Rand) {
	want := list[pos]
	e, err := v.At(ctx, pos)
	checkEntry(t, "At", e, err, list, pos)
	checkNextDir(t, v, list, pos)
	if path, err := v.Path(ctx, e); err != nil || path != want.path {
		t.Fatalf("Path of %d is %q, want %q: %v", pos, path, want.path, err)
	}
	resolved, err := v.Resolve(ctx, "//"+want.path+"/./")
	checkEntry(t, "Resolve", resolved, err, list, pos)
	if want.spec.Type == tree.Regular {
		if !bytes.Equal(readAll(t, v, e), want.spec.Data) {
			t.Fatalf("%q reads differently", want.path)
		}
		return
	}
	if want.spec.Type != tree.Directory {
		return
	}
	for _, c := range want.childs {
		child, err := v.Lookup(ctx, e, list[c].spec.Name)
		checkEntry(t, "Lookup", child, err, list, c)
	}
	if _, err := v.Lookup(ctx, e, "no such name"); err != fs.ErrNotExist {
		t.Fatalf("Lookup of what is not there: %v", err)
	}
	from := rng.IntN(len(want.childs) + 2)
	limit := rng.IntN(len(want.childs) + 2)
	i := from
	err = v.List(ctx, e, uint64(from), func(n uint64, child view.Entry) bool {
		if n != uint64(i) {
			t.Fatalf("List gives child %d as %d", i, n)
		}
		checkEntry(t, "List", child, nil, list, want.childs[i])
		i++
		return i < limit
	})
	if end := max(from, min(len(want.childs), max(limit, min(from+1, len(want.childs))))); err != nil || i != end {
		t.Fatalf("List from %d of %d until %d ended at %d: %v", from, len(want.childs), limit, i, err)
	}
}

func TestWrongQuestions(t *testing.T) {
	s := treetest.New()
	v := view.New(s, mustBuild(t, s, treetest.Dir("", treetest.File("f", "x"), treetest.Dir("empty"), treetest.Symlink("l", "f")), 8), view.Options{})
	file, _ := v.Resolve(ctx, "f")
	link, _ := v.Resolve(ctx, "l")
	empty, _ := v.Resolve(ctx, "empty")
	for what, got := range map[string]struct{ err, want error }{
		"At beyond the end":     {second(v.At(ctx, 4)), fs.ErrNotExist},
		"At far beyond the end": {second(v.At(ctx, 1<<63)), fs.ErrNotExist},
		"Lookup in a file":      {second(v.Lookup(ctx, file, "x")), syscall.ENOTDIR},
		"Lookup in an empty":    {second(v.Lookup(ctx, empty, "x")), fs.ErrNotExist},
		"Lookup of dot dot":     {second(v.Lookup(ctx, v.Root(), "..")), fs.ErrNotExist},
		"Lookup of nothing":     {second(v.Lookup(ctx, v.Root(), "")), fs.ErrNotExist},
		"Resolve below a file":  {second(v.Resolve(ctx, "f/x")), syscall.ENOTDIR},
		"Resolve through link":  {second(v.Resolve(ctx, "l/x")), syscall.ENOTDIR},
		"Resolve upwards":       {second(v.Resolve(ctx, "empty/../f")), fs.ErrNotExist},
		"List of a file":        {v.List(ctx, file, 0, nil), syscall.ENOTDIR},
		"ReadAt of a directory": {second(v.ReadAt(ctx, empty, nil, 0)), syscall.EISDIR},
		"ReadAt of a symlink":   {second(v.ReadAt(ctx, link, nil, 0)), syscall.EINVAL},
		"ReadAt before start":   {second(v.ReadAt(ctx, file, make([]byte, 1), -1)), syscall.EINVAL},
		"Parts of a directory":  {v.Parts(ctx, empty, 0, nil), syscall.EISDIR},
	} {
		if !errors.Is(got.err, got.want) {
			t.Errorf("%s: %v, want %v", what, got.err, got.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A snapshot of one file has no directory.
func TestRootIsFile(t *testing.T) {
	s := treetest.New()
	v := view.New(s, mustBuild(t, s, treetest.File("", "standard input"), 8), view.Options{})
	if got := readAll(t, v, v.Root()); string(got) != "standard input" {
		t.Errorf("%q", got)
	}
	if _, err := v.At(ctx, 1); err != fs.ErrNotExist {
		t.Error(err)
	}
	if e, err := v.Resolve(ctx, "/"); err != nil || e.Type != tree.Regular {
		t.Error(e, err)
	}
}

func TestWalkSkips(t *testing.T) {
	s := treetest.New()
	spec := treetest.Dir("", treetest.Dir("a", treetest.File("1", ""), treetest.File("2", "")), treetest.Dir("b", treetest.File("1", ""), treetest.File("2", "")), treetest.File("c", ""))
	v := view.New(s, mustBuild(t, s, spec, 8), view.Options{})
	stop := errors.New("stop")
	for _, test := range []struct {
		at   string
		err  error
		want string
		ret  error
	}{
		{"a", fs.SkipDir, " a b b/1 b/2 c ", nil},
		{"a/1", fs.SkipDir, " a a/1 b b/1 b/2 c ", nil},
		{"b/1", fs.SkipDir, " a a/1 a/2 b b/1 c ", nil},
		{"", fs.SkipDir, " ", nil},
		{"c", fs.SkipDir, " a a/1 a/2 b b/1 b/2 c ", nil},
		{"a/2", fs.SkipAll, " a a/1 a/2 ", nil},
		{"b", stop, " a a/1 a/2 b ", stop},
	} {
		got := ""
		err := v.Walk(ctx, v.Root(), func(path string, _ view.Entry) error {
			got += path + " "
			if path == test.at {
				return test.err
			}
			return nil
		})
		if got != test.want || err != test.ret {
			t.Errorf("%v at %q: visited %q, %v; want %q, %v", test.err, test.at, got, err, test.want, test.ret)
		}
	}
	b, _ := v.Resolve(ctx, "b")
	got := ""
	if err := v.Walk(ctx, b, func(path string, e view.Entry) error { got += fmt.Sprint(path, e.Pos, " "); return nil }); err != nil || got != "4 15 26 " {
		t.Errorf("below b: %q, %v", got, err)
	}
}

// A name typed on one system finds the file made on another.
func TestResolveNormalises(t *testing.T) {
	const composed, decomposed = "caf\u00e9", "cafe\u0301"
	const mixed = "\u00e9e\u0301" // in neither form
	s := treetest.New()
	spec := treetest.Dir("", treetest.Dir(decomposed, treetest.File(composed, "")), treetest.Dir("both", treetest.File(composed, "1"), treetest.File(decomposed, "22")),
		treetest.File(mixed, ""), treetest.File("caf\xe9", ""))
	v := view.New(s, mustBuild(t, s, spec, 8), view.Options{})
	for path, want := range map[string]string{
		composed + "/" + decomposed: decomposed + "/" + composed,
		"both/" + composed:          "both/" + composed,
		"both/" + decomposed:        "both/" + decomposed,
		"\u00e9\u00e9":              mixed,
		"e\u0301e\u0301":            mixed,
		"caf\xe9":                   "caf\xe9",
	} {
		e, err := v.Resolve(ctx, path)
		if err != nil {
			t.Errorf("%+q: %v", path, err)
			continue
		}
		if got, _ := v.Path(ctx, e); got != want {
			t.Errorf("%+q is %+q, want %+q", path, got, want)
		}
	}
	for _, path := range []string{"cafe", "caf\xea", "caf\u00e8", "both/caf"} {
		if _, err := v.Resolve(ctx, path); err != fs.ErrNotExist {
			t.Errorf("%+q: %v", path, err)
		}
	}
}

// A million files in one directory must not make a mount slow: a question loads
// a page a level, and a listing goes on where it was without the earlier pages.
func TestWideDirectory(t *testing.T) {
	const n = 100000
	s := treetest.New()
	root := wide(t, s, n)
	for _, i := range []int{0, 1, n / 3, n - 1} {
		v := view.New(s, root, view.Options{})
		before := s.Stats().Loads
		e, err := v.At(ctx, uint64(i)+3)
		if err != nil || e.Name != wideName(i) || e.Parent != 2 {
			t.Fatalf("At: %+v, %v", e, err)
		}
		d, err := v.At(ctx, 2)
		if err != nil {
			t.Fatal(err)
		}
		if e, err = v.Lookup(ctx, d, wideName(i)); err != nil || e.Pos != uint64(i)+3 {
			t.Fatalf("Lookup: %+v, %v", e, err)
		}
		err = v.List(ctx, d, uint64(i), func(at uint64, e view.Entry) bool {
			if at != uint64(i) || e.Name != wideName(i) {
				t.Fatalf("List: %d %+v", at, e)
			}
			return false
		})
		if loads := s.Stats().Loads - before; err != nil || loads != 3 {
			t.Errorf("entry %d took %d pages: %v", i, loads, err)
		}
		if _, err := v.Lookup(ctx, d, wideName(i)+"x"); err != fs.ErrNotExist {
			t.Error(err)
		}
	}
	v := view.New(s, root, view.Options{})
	d, _ := v.Resolve(ctx, "wide")
	i := 0
	err := v.List(ctx, d, 0, func(at uint64, e view.Entry) bool {
		if at != uint64(i) || e.Pos != uint64(i)+3 || e.Name != wideName(i) {
			t.Fatalf("child %d: %d %+v", i, at, e)
		}
		i++
		return true
	})
	if err != nil || i != n {
		t.Errorf("listed %d: %v", i, err)
	}
	if e, err := v.At(ctx, n+3); err != nil || e.Name != "z" || e.Parent != 0 {
		t.Errorf("after the directory: %+v, %v", e, err)
	}
}

// A lost page must hide what is below it and nothing else.
func TestLostPage(t *testing.T) {
	s := treetest.New()
	root := mustBuild(t, s, treetest.Dir("", treetest.Dir("a", treetest.File("1", "")), treetest.Dir("b", treetest.File("2", ""), treetest.File("3", "")), treetest.File("c", "c")), 8)
	v := view.New(s, root, view.Options{})
	b, err := v.Resolve(ctx, "b")
	if err != nil {
		t.Fatal(err)
	}
	s.Corrupt(index.Tree, b.Dir.ID)
	v = view.New(s, root, view.Options{})
	for pos, want := range []error{nil, nil, nil, nil, treetest.ErrDamaged, treetest.ErrDamaged, nil} {
		if _, err := v.At(ctx, uint64(pos)); !errors.Is(err, want) {
			t.Errorf("At %d: %v", pos, err)
		}
	}
	if c, err := v.Resolve(ctx, "c"); err != nil || c.Pos != 6 {
		t.Errorf("c: %+v, %v", c, err)
	}
	if _, err := v.Lookup(ctx, b, "2"); !errors.Is(err, treetest.ErrDamaged) {
		t.Error(err)
	}
}

// All threads of a mount share a tree, and trees share pages.
func TestConcurrentReaders(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	spec := randomTree(rng, 1500)
	list := model(&spec)
	s := treetest.New()
	root := mustBuild(t, s, spec, 512)
	pages := view.NewPageCache(60 << 10)
	trees := []*view.Tree{view.New(s, root, view.Options{Pages: pages}), view.New(s, root, view.Options{Pages: pages})}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 6))
			for range 400 {
				pos := rng.Uint64N(uint64(len(list)))
				e, err := trees[w%2].At(ctx, pos)
				if err != nil || e.Pos != pos || e.Name != list[pos].spec.Name {
					t.Errorf("At %d: %+v, %v", pos, e, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if used := pages.Used(); used > 60<<10 || used == 0 {
		t.Errorf("the cache holds %d bytes", used)
	}
}

// What of a directory cannot be read is told and left out, and nothing else is.
func TestWalkPastLosses(t *testing.T) {
	s := treetest.New()
	many := treetest.Dir("many")
	for i := range 3000 {
		many.Children = append(many.Children, treetest.File(fmt.Sprintf("f%05d", i), ""))
	}
	spec := treetest.Dir("", treetest.Dir("gone", treetest.File("1", "")), many, treetest.File("z", ""))
	root := mustBuild(t, s, spec, 0)
	v := view.New(s, root, view.Options{})
	gone, err := v.Resolve(ctx, "gone")
	if err != nil {
		t.Fatal(err)
	}
	s.Lose(index.Tree, gone.Dir.ID)
	list, err := v.Resolve(ctx, "many")
	if err != nil {
		t.Fatal(err)
	}
	top, err := tree.ParseDirPage(s.Page(list.Dir.ID))
	if err != nil || top.Level() == 0 {
		t.Fatal(top, err)
	}
	ref := top.Ref(1)
	s.Lose(index.Tree, ref.ID)
	visited, told := 0, ""
	err = v.WalkPast(ctx, v.Root(), func(string, view.Entry) error {
		visited++
		return nil
	}, func(path string, e view.Entry, children uint64, err error) error {
		if err == nil {
			t.Error("lost for no reason")
		}
		told += fmt.Sprint(path, " ", children, " of ", e.Dir.Entries, "; ")
		return nil
	})
	want := fmt.Sprintf("gone 1 of 1; many %d of 3000; ", ref.Entries)
	if err != nil || told != want || visited != 1+2+1+3000-int(ref.Entries) {
		t.Errorf("%d visited, %q, %v; want %q", visited, told, err, want)
	}
	stop := errors.New("stop")
	if err := v.WalkPast(ctx, v.Root(), func(string, view.Entry) error { return nil }, func(string, view.Entry, uint64, error) error { return stop }); err != stop {
		t.Errorf("%v; want stop", err)
	}
	if err := v.Walk(ctx, v.Root(), func(string, view.Entry) error { return nil }); err == nil {
		t.Error("walked past a loss")
	}
}
