package view_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
	"garret/index"
)

// store keeps a directory of nodes in the order given.
func store(t testing.TB, s *treetest.Store, nodes ...*tree.Node) tree.Dir {
	t.Helper()
	b := tree.NewDirBuilder(s)
	for _, n := range nodes {
		if err := b.Add(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	d, err := b.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func dirNode(name string, d tree.Dir) *tree.Node {
	return &tree.Node{Name: name, Type: tree.Directory, Dir: d}
}

// bomb is a tree of 2^levels entries in levels pages.
func bomb(t testing.TB, s *treetest.Store, levels int) *tree.Node {
	d := store(t, s, &tree.Node{Name: "a", Type: tree.FIFO})
	for range levels - 1 {
		d = store(t, s, dirNode("a", d), dirNode("b", d))
	}
	return dirNode("", d)
}

// Whoever mounts a bomb can look at any of its entries, and end a walk.
func TestBomb(t *testing.T) {
	s := treetest.New()
	root := bomb(t, s, 38)
	if s.Len(index.Tree) != 38 || root.Dir.Total < 1<<38 {
		t.Fatalf("%d entries in %d pages", root.Dir.Total, s.Len(index.Tree))
	}
	v := view.New(s, root, view.Options{})
	for _, pos := range []uint64{1, 1 << 20, 1<<37 + 12345, root.Dir.Total - 1, root.Dir.Total} {
		e, err := v.At(ctx, pos)
		if err != nil || e.Pos != pos {
			t.Errorf("At %d: %+v, %v", pos, e, err)
		}
		path, err := v.Path(ctx, e)
		if err != nil {
			t.Error(err)
		}
		if again, err := v.Resolve(ctx, path); err != nil || again.Pos != pos || again.Parent != e.Parent {
			t.Errorf("%q is at %d, not %d: %v", path, again.Pos, pos, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := 0
	err := v.Walk(ctx, v.Root(), func(string, view.Entry) error {
		if n++; n == 10000 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > 10100 {
		t.Errorf("walk of %d entries: %v", n, err)
	}
	// A level more, and a few more: more entries than a tree may have.
	b := tree.NewDirBuilder(s)
	for i := range 4 {
		if err = b.Add(ctx, dirNode(fmt.Sprint(i), root.Dir)); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("totals are not bounded")
	}
}

// A page that is not what its parent says is refused, also when it was sound
// before and positions were found in it.
func TestForgedPages(t *testing.T) {
	file := func(name string, size uint64) *tree.Node {
		n := &tree.Node{Name: name, Type: tree.Regular, Size: size}
		if size > 0 {
			n.Content.Parts = []tree.Part{{Length: size}}
		}
		return n
	}
	s := treetest.New()
	sub := store(t, s, file("x", 5), file("y", 6))
	for what, forged := range map[string]tree.Dir{
		"fewer entries":  store(t, s, file("x", 11)),
		"more entries":   store(t, s, file("x", 5), file("y", 6), file("z", 0)),
		"other bytes":    store(t, s, file("x", 5), file("y", 7)),
		"a subdirectory": store(t, s, file("x", 11), dirNode("y", tree.Dir{})),
		"itself":         store(t, s, file("x", 5), dirNode("y", tree.Dir{ID: sub.ID, Entries: 2, Total: 2, Bytes: 6})),
	} {
		s := treetest.New()
		sub := store(t, s, file("x", 5), file("y", 6))
		root := dirNode("", store(t, s, dirNode("d", sub), file("e", 1)))
		v := view.New(s, root, view.Options{PageCache: 1})
		if e, err := v.At(ctx, 3); err != nil || e.Name != "y" {
			t.Fatal(e, err)
		}
		s.Forge(index.Tree, sub.ID, forgedPage(t, forged, file, sub.ID))
		for pos, want := range []error{nil, nil, tree.ErrInvalid, tree.ErrInvalid, nil} {
			if e, err := v.At(ctx, uint64(pos)); !errors.Is(err, want) || err == nil && e.Pos != uint64(pos) {
				t.Errorf("%s: At %d: %+v, %v", what, pos, e, err)
			}
		}
		if err := v.Walk(ctx, v.Root(), func(string, view.Entry) error { return nil }); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%s: Walk: %v", what, err)
		}
	}
}

// forgedPage returns the bytes of the page with those totals, which the test
// table stored in a store of its own.
func forgedPage(t *testing.T, d tree.Dir, file func(string, uint64) *tree.Node, self index.ID) []byte {
	s := treetest.New()
	for _, nodes := range [][]*tree.Node{
		{file("x", 11)},
		{file("x", 5), file("y", 6), file("z", 0)},
		{file("x", 5), file("y", 7)},
		{file("x", 11), dirNode("y", tree.Dir{})},
		{file("x", 5), dirNode("y", tree.Dir{ID: self, Entries: 2, Total: 2, Bytes: 6})},
	} {
		store(t, s, nodes...)
	}
	b := s.Page(d.ID)
	if b == nil {
		t.Fatal("no such page")
	}
	return b
}

// Pages whose names overlap would show a name twice, or hide it from look-ups.
func TestOverlappingPages(t *testing.T) {
	s := treetest.New()
	d := store(t, s, manyNodes(3000)...)
	top, err := tree.ParseDirPage(s.Page(d.ID))
	if err != nil || top.Level() != 1 || top.Len() < 3 {
		t.Fatal(top, err)
	}
	// The second page, with its last name now beyond the third's first.
	second, err := tree.ParseDirPage(s.Page(top.Ref(1).ID))
	if err != nil {
		t.Fatal(err)
	}
	var nodes []*tree.Node
	for i := range second.Len() {
		n, err := second.Node(i)
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	last := *nodes[len(nodes)-1]
	last.Name = top.Name(2) + "x"
	nodes[len(nodes)-1] = &last
	forged := treetest.New()
	s.Forge(index.Tree, top.Ref(1).ID, forged.Page(store(t, forged, nodes...).ID))
	v := view.New(s, dirNode("", d), view.Options{})
	if err := v.List(ctx, v.Root(), 0, func(uint64, view.Entry) bool { return true }); !errors.Is(err, tree.ErrInvalid) {
		t.Error("List:", err)
	}
	if _, err := v.Lookup(ctx, v.Root(), nodes[0].Name); !errors.Is(err, tree.ErrInvalid) {
		t.Error("Lookup:", err)
	}
	if _, err := v.Lookup(ctx, v.Root(), top.Name(2)); err != nil {
		t.Error("Lookup in a sound page:", err)
	}
}

func manyNodes(n int) []*tree.Node {
	nodes := make([]*tree.Node, n)
	for i := range nodes {
		nodes[i] = &tree.Node{Name: wideName(i), Type: tree.FIFO}
	}
	return nodes
}

// FuzzForgedPage puts any bytes in the place of any page. Nothing may panic or
// go on for ever, and an entry that is found stands where it was looked for.
func FuzzForgedPage(f *testing.F) {
	build := func(t testing.TB) (*treetest.Store, *tree.Node, []index.ID) {
		s := treetest.New()
		wide := store(t, s, manyNodes(1500)...)
		image, err := s.BuildContent(randomFuzzData(), 64)
		if err != nil {
			t.Fatal(err)
		}
		sub := store(t, s, &tree.Node{Name: "image", Type: tree.Regular, Size: 40000, Content: image}, &tree.Node{Name: "link", Type: tree.Symlink, Target: "x"})
		root := store(t, s, dirNode("a", sub), dirNode("b", wide), dirNode("c", sub))
		ids := []index.ID{root.ID, sub.ID, wide.ID, image.Pages.ID}
		if p, err := tree.ParseDirPage(s.Page(wide.ID)); err == nil && p.Level() == 1 {
			ids = append(ids, p.Ref(0).ID)
		}
		if p, err := tree.ParseContentPage(s.Page(image.Pages.ID)); err == nil && p.Level() == 1 {
			ids = append(ids, p.Ref(0).ID)
		}
		return s, dirNode("", root), ids
	}
	s, root, ids := build(f)
	for i := range ids {
		for _, id := range ids {
			f.Add(uint8(i), s.Page(id))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, page []byte) {
		id := ids[int(which)%len(ids)]
		sound := s.Page(id)
		defer s.Forge(index.Tree, id, sound)
		s.Forge(index.Tree, id, page)
		v := view.New(s, root, view.Options{})
		n := uint64(0)
		err := v.Walk(ctx, v.Root(), func(path string, e view.Entry) error {
			if e.Pos != n || n >= v.Len() {
				t.Fatalf("%q is at %d, entry %d of %d", path, e.Pos, n, v.Len())
			}
			n++
			if e.Type == tree.Regular {
				p := make([]byte, 1000)
				for _, off := range []int64{0, int64(e.Size / 2), int64(e.Size)} {
					v.ReadAt(ctx, e, p, off)
					v.SeekHole(ctx, e, off)
					v.SeekData(ctx, e, off)
				}
			}
			return nil
		})
		if err == nil && n != v.Len() {
			t.Fatalf("Walk visited %d of %d", n, v.Len())
		}
		for pos := uint64(0); pos < v.Len(); pos += 1 + pos/8 {
			e, err := v.At(ctx, pos)
			if err == nil && e.Pos != pos || errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("At %d of %d: %d, %v", pos, v.Len(), e.Pos, err)
			}
		}
		if e, err := v.Resolve(ctx, "b/"+wideName(700)); err == nil && e.Name != wideName(700) {
			t.Fatalf("Resolve found %q", e.Name)
		}
	})
}

func randomFuzzData() []byte {
	b := make([]byte, 40000)
	for i := range b {
		if i/200%3 != 0 {
			b[i] = byte(i/64) ^ byte(i>>14)
		}
	}
	return b
}
