package reach_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/fs/reach"
	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

var ctx = context.Background()

// marks is a caller's set of tree blobs.
type marks map[index.ID]bool

func (m marks) seen(id index.ID) bool {
	was := m[id]
	m[id] = true
	return was
}

func collect(t testing.TB, s *treetest.Store, root *tree.Node, m marks) ([]reach.Use, error) {
	t.Helper()
	var uses []reach.Use
	err := reach.Walk(ctx, s, root, m.seen, func(u reach.Use) error {
		uses = append(uses, u)
		return nil
	})
	return uses, err
}

func build(t testing.TB, s *treetest.Store, spec treetest.Spec, chunk int) *tree.Node {
	t.Helper()
	n, err := s.Build(spec, chunk)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// random returns n bytes of which no pieces are alike.
func random(seed uint64, n int) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return string(b)
}

func sample() treetest.Spec {
	holes := strings.Repeat("\x00", 300) + random(2, 200) + strings.Repeat("\x00", 100)
	d := treetest.Dir("many")
	for i := range 1500 {
		d.Children = append(d.Children, treetest.File(fmt.Sprintf("%04d", i), random(uint64(1000+i), 130)))
	}
	return treetest.Dir("",
		treetest.File("inline", "x"), treetest.File("one", random(1, 150)), treetest.File("holes", holes),
		treetest.File("paged", random(3, 300*1000)), treetest.Dir("empty"), treetest.Symlink("link", "one"), d,
		treetest.Dir("a", treetest.Dir("b", treetest.File("deep", random(4, 250)))))
}

// What a collector deletes is what was not visited: all that the store holds
// for a tree must be.
func TestVisitsAll(t *testing.T) {
	s := treetest.New()
	spec := sample()
	root := build(t, s, spec, 100)
	uses, err := collect(t, s, root, marks{})
	if err != nil {
		t.Fatal(err)
	}
	trees, datas := map[index.ID]bool{}, map[index.ID]bool{}
	for _, u := range uses {
		if u.Err != nil {
			t.Fatal(u.Err)
		}
		if u.Kind == index.Data {
			datas[u.ID] = true
		} else if trees[u.ID] {
			t.Errorf("tree blob %s is visited twice", u.ID.Short())
		} else {
			trees[u.ID] = true
		}
	}
	if len(trees) != s.Len(index.Tree) || len(datas) != s.Len(index.Data) {
		t.Errorf("%d tree and %d data blobs, the store has %d and %d", len(trees), len(datas), s.Len(index.Tree), s.Len(index.Data))
	}
	if again, err := collect(t, s, root, marks(trees)); err != nil || len(again) != 0 {
		t.Errorf("%d blobs are visited although all trees were seen: %v", len(again), err)
	}
}

// A check names the file and the range that a lost blob costs.
func TestPathsAndRanges(t *testing.T) {
	s := treetest.New()
	spec := sample()
	root := build(t, s, spec, 100)
	files := map[string][]byte{}
	var flatten func(prefix string, d treetest.Spec)
	flatten = func(prefix string, d treetest.Spec) {
		for _, c := range d.Children {
			files[prefix+c.Name] = c.Data
			flatten(prefix+c.Name+"/", c)
		}
	}
	flatten("", spec)
	covered := map[string]uint64{}
	uses, err := collect(t, s, root, marks{})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uses {
		data, ok := files[u.Path]
		if !ok && u.Path != "" {
			t.Fatalf("no file %q", u.Path)
		}
		if u.Kind == index.Tree {
			if u.Length > 0 && (u.Path != "paged" || u.Offset+u.Length > uint64(len(data))) {
				t.Errorf("a page covers %d bytes at %d of %q", u.Length, u.Offset, u.Path)
			}
			continue
		}
		blob, err := s.Blob(ctx, u.Kind, u.ID)
		if err != nil || !bytes.Equal(blob, data[u.Offset:u.Offset+u.Length]) {
			t.Fatalf("%d bytes at %d of %q are another blob", u.Length, u.Offset, u.Path)
		}
		covered[u.Path] += u.Length
	}
	for path, data := range files {
		want := uint64(len(data))
		switch {
		case len(data) <= tree.MaxInline:
			want = 0
		case path == "holes":
			want = 200
		}
		if covered[path] != want {
			t.Errorf("%q: %d bytes are covered, want %d", path, covered[path], want)
		}
	}
}

func TestRootIsFile(t *testing.T) {
	s := treetest.New()
	for size, want := range map[int]int{0: 0, 100: 0, 250: 3, 300 * 100: 301} {
		uses, err := collect(t, s, build(t, s, treetest.File("", random(9, size)), 100), marks{})
		if err != nil || len(uses) != want {
			t.Errorf("%d bytes: %d blobs, want %d: %v", size, len(uses), want, err)
		}
	}
}

// One lost page must not hide the rest, nor pass unnoticed.
func TestLostPages(t *testing.T) {
	for _, path := range []string{"", "many", "a", "paged", "many/*"} {
		s := treetest.New()
		root := build(t, s, sample(), 100)
		all, err := collect(t, s, root, marks{})
		if err != nil {
			t.Fatal(err)
		}
		// The last page of that path: below "many/*" one of nodes.
		var lost index.ID
		for _, u := range all {
			if u.Kind == index.Tree && u.Path == strings.TrimSuffix(path, "/*") && (lost == index.ID{} || strings.HasSuffix(path, "*")) {
				lost = u.ID
			}
		}
		s.Corrupt(index.Tree, lost)
		uses, err := collect(t, s, root, marks{})
		if !errors.Is(err, reach.ErrIncomplete) {
			t.Errorf("%q: the walk returned %v", path, err)
		}
		problems, rest := 0, map[string]bool{}
		for _, u := range uses {
			if u.Err == nil {
				rest[u.Path] = true
				continue
			}
			problems++
			var p *reach.Problem
			if !errors.As(u.Err, &p) || p.ID != lost || u.ID != lost || p.Path != strings.TrimSuffix(path, "/*") || !errors.Is(u.Err, treetest.ErrDamaged) {
				t.Errorf("%q: %v", path, u.Err)
			}
		}
		if problems != 1 {
			t.Errorf("%q: %d problems", path, problems)
		}
		for _, other := range []string{"one", "many/0000", "a/b/deep", "paged", "many"} {
			if hidden := path == "" || strings.HasPrefix(other, path+"/"); rest[other] == hidden {
				t.Errorf("%q lost, %q visited: %v", path, other, !hidden)
			}
		}
	}
}

func dirNode(name string, d tree.Dir) *tree.Node {
	return &tree.Node{Name: name, Type: tree.Directory, Dir: d}
}

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

// A DAG of 2^38 entries in 38 pages costs 38 visits.
func TestBomb(t *testing.T) {
	s := treetest.New()
	d := store(t, s, &tree.Node{Name: "a", Type: tree.FIFO})
	for range 37 {
		d = store(t, s, dirNode("a", d), dirNode("b", d))
	}
	uses, err := collect(t, s, dirNode("", d), marks{})
	if err != nil || len(uses) != 38 {
		t.Errorf("%d visits: %v", len(uses), err)
	}
}

// A chain of directories is walked without recursion, and cut at a depth that
// no file system reaches.
func TestDeep(t *testing.T) {
	s := treetest.New()
	d := store(t, s, &tree.Node{Name: "a", Type: tree.FIFO})
	for range 3000 {
		d = store(t, s, dirNode("d", d))
	}
	uses, err := collect(t, s, dirNode("", d), marks{})
	if err != nil || len(uses) != 3001 || len(uses[3000].Path) != 2*3000-1 {
		t.Errorf("%d visits: %v", len(uses), err)
	}
}

// Pages that are not what their parents say are problems, and so is one bad
// node, whose neighbours are visited.
func TestForgedPages(t *testing.T) {
	file := func(name string, size uint64) *tree.Node {
		return &tree.Node{Name: name, Type: tree.Regular, Size: size, Content: tree.Content{Parts: []tree.Part{{ID: index.ID{1}, Length: size}}}}
	}
	s := treetest.New()
	sub := store(t, s, file("x", 500))
	root := dirNode("", store(t, s, dirNode("d", sub), file("e", 600)))
	other := treetest.New()
	s.Forge(index.Tree, sub.ID, other.Page(store(t, other, file("x", 501)).ID))
	uses, err := collect(t, s, root, marks{})
	if !errors.Is(err, reach.ErrIncomplete) || !slices.ContainsFunc(uses, func(u reach.Use) bool { return u.Path == "e" }) ||
		!slices.ContainsFunc(uses, func(u reach.Use) bool { return u.Path == "d" && errors.Is(u.Err, tree.ErrInvalid) }) {
		t.Errorf("%v, %v", uses, err)
	}

	// The first node's mode is made impossible: field 5 with 5 digits.
	good := store(t, s, &tree.Node{Name: "a", Type: tree.FIFO, Mode: 07777}, file("b", 700))
	page := s.Page(good.ID)
	at := bytes.Index(page, []byte{0x28, 0xff, 0x1f})
	if at < 0 {
		t.Fatal("no mode in the page")
	}
	page[at+2] = 0x3f
	s.Forge(index.Tree, good.ID, page)
	uses, err = collect(t, s, dirNode("", good), marks{})
	if !errors.Is(err, reach.ErrIncomplete) || !slices.ContainsFunc(uses, func(u reach.Use) bool { return u.Path == "b" && u.Length == 700 }) {
		t.Errorf("%v, %v", uses, err)
	}
}

// An error of the visitor and the end of the context end the walk; neither
// counts as damage.
func TestEnds(t *testing.T) {
	s := treetest.New()
	root := build(t, s, sample(), 100)
	stop := errors.New("stop")
	for n := range 5 {
		visits := 0
		err := reach.Walk(ctx, s, root, marks{}.seen, func(reach.Use) error {
			if visits++; visits > n {
				return stop
			}
			return nil
		})
		if err != stop || visits != n+1 {
			t.Errorf("%d visits: %v", visits, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	visits := 0
	err := reach.Walk(ctx, s, root, marks{}.seen, func(u reach.Use) error {
		if cancel(); u.Err != nil {
			t.Error("a problem after the end:", u.Err)
		}
		visits++
		return nil
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, reach.ErrIncomplete) {
		t.Errorf("%d visits: %v", visits, err)
	}
}

// Two snapshots that share most are one walk and a little.
func TestMarksAcrossSnapshots(t *testing.T) {
	s := treetest.New()
	m := marks{}
	if _, err := collect(t, s, build(t, s, sample(), 100), m); err != nil {
		t.Fatal(err)
	}
	before := maps.Clone(m)
	spec := sample()
	spec.Children = append(spec.Children, treetest.File("new", random(77, 150)))
	uses, err := collect(t, s, build(t, s, spec, 100), m)
	if err != nil || len(m)-len(before) != 1 {
		t.Errorf("%d new pages, %v", len(m)-len(before), err)
	}
	for _, u := range uses {
		if u.Path != "" && strings.Contains(u.Path, "/") {
			t.Errorf("%q is visited again", u.Path)
		}
	}
}

func BenchmarkWalk(b *testing.B) {
	s := treetest.New()
	root := build(b, s, sample(), 100)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = 0
		if err := reach.Walk(ctx, s, root, marks{}.seen, func(reach.Use) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/use")
}
