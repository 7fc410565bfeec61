package tree_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

var ctx = context.Background()

// typicalFile is a node as most are: a small file of one blob.
func typicalFile(i int) *tree.Node {
	var blob index.ID
	rng := rand.New(rand.NewPCG(uint64(i), 1))
	for j := 0; j < 32; j += 8 {
		binary.LittleEndian.PutUint64(blob[j:], rng.Uint64())
	}
	size := uint64(200 + i%30000)
	at := tree.Time{Sec: 1700000000 + int64(i), Nsec: rng.Uint32N(1e9)}
	return &tree.Node{
		Name: fmt.Sprintf("file-%08d.c", i), Type: tree.Regular, Mode: 0644, UID: 1000, GID: 1000, User: "user", Group: "users",
		ModTime: at, ChangeTime: at, BirthTime: at, Inode: uint64(1000000 + i), Links: 1,
		Size: size, Content: tree.Content{Parts: []tree.Part{{ID: blob, Length: size}}},
	}
}

func files(n int) []*tree.Node {
	nodes := make([]*tree.Node, n)
	for i := range nodes {
		nodes[i] = typicalFile(i)
	}
	return nodes
}

func build(t testing.TB, p tree.Putter, nodes []*tree.Node) tree.Dir {
	t.Helper()
	b := tree.NewDirBuilder(p)
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

// load reads a directory's nodes back, checking each page against its parent.
// It counts pages by level and the nodes of each page of nodes.
func load(t testing.TB, s tree.Loader, d tree.Dir) (nodes []*tree.Node, pages []int, sizes []int) {
	t.Helper()
	pages = make([]int, d.Level+1)
	var walk func(want tree.Dir, first string)
	walk = func(want tree.Dir, first string) {
		b, err := s.Blob(ctx, index.Tree, want.ID)
		if err != nil {
			t.Fatal(err)
		}
		p, err := tree.ParseDirPage(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Fits(&want, first, ""); err != nil {
			t.Fatal(err)
		}
		pages[p.Level()]++
		for i := range p.Len() {
			if p.Level() > 0 {
				r := p.Ref(i)
				walk(r.Dir, r.First)
				continue
			}
			n, err := p.Node(i)
			if err != nil {
				t.Fatal(err)
			}
			nodes = append(nodes, n)
		}
		if p.Level() == 0 {
			sizes = append(sizes, p.Len())
		}
	}
	if d.Entries > 0 {
		walk(d, "")
	}
	return nodes, pages, sizes
}

func TestDirSizes(t *testing.T) {
	s := treetest.New()
	all := files(100000)
	for _, n := range []int{0, 1, 2, 255, 256, 257, 4095, 4096, 4097, 100000} {
		d := build(t, s, all[:n])
		got, pages, sizes := load(t, s, d)
		if len(got) != n || d.Entries != uint64(n) || d.Total != uint64(n) || d.Subdirs != 0 {
			t.Fatalf("%d nodes: %+v, read %d", n, d, len(got))
		}
		var bytes uint64
		for i := range got {
			bytes += got[i].Size
			if !reflect.DeepEqual(got[i], all[i]) {
				t.Fatalf("node %d: %+v became %+v", i, all[i], got[i])
			}
		}
		if d.Bytes != bytes {
			t.Errorf("%d bytes, want %d", d.Bytes, bytes)
		}
		if n <= 256 && (len(pages) != 1 || n == 0 && d != (tree.Dir{})) {
			t.Errorf("%d nodes took %v pages", n, pages)
		}
		for _, size := range sizes[:max(len(sizes)-1, 0)] {
			if size < 256 || size > 4096 {
				t.Errorf("a page of %d nodes", size)
			}
		}
		if n == 100000 && (sizes[0] == sizes[1] || len(sizes) < 80 || len(sizes) > 200) {
			t.Errorf("pages of %v nodes", sizes)
		}
	}
}

// Trees that were stored must stay readable, see TestNodeFrozen.
func TestPageFrozen(t *testing.T) {
	a, b := tree.Node{Name: "a", Type: tree.FIFO}, tree.Node{Name: "b", Type: tree.Directory, Dir: tree.Dir{ID: id(7), Level: 1, Entries: 3, Subdirs: 1, Total: 4, Bytes: 5}}
	s := treetest.New()
	d := build(t, s, []*tree.Node{&a, &b})
	const blob = "0a20" + "0707070707070707070707070707070707070707070707070707070707070707"
	want := "1205" + "0a0161" + "1006" + "1233" + "0a0162" + "1002" + "222c" + blob + "1001" + "1803" + "2001" + "2804" + "3005"
	if got := hex.EncodeToString(s.Page(d.ID)); got != want {
		t.Errorf("wrote\n%s, want\n%s", got, want)
	}
	ref := "0801" + "1a2d" + blob + "1803" + "2001" + "2804" + "3005" + "3a0161"
	raw, err := hex.DecodeString(ref)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tree.ParseDirPage(raw)
	if want := (tree.DirRef{First: "a", Dir: tree.Dir{ID: id(7), Entries: 3, Subdirs: 1, Total: 4, Bytes: 5}}); err != nil || p.Len() != 1 || p.Ref(0) != want {
		t.Errorf("%+v, %v", p, err)
	}
}

// Directories of different programs and days must deduplicate: page boundaries
// are a convention that stays.
func TestDirFrozen(t *testing.T) {
	s := treetest.New()
	d := build(t, s, files(3000))
	const want = "aacaf7470963be92a8fbb9150b21c04e011e46c45e419e4a71a59baeaf475920"
	if got := d.ID.String(); got != want {
		t.Errorf("top page %s, want %s", got, want)
	}
}

// A daily change to a large directory must not store it anew.
func TestDirChangeRewritesOnePage(t *testing.T) {
	s := treetest.New()
	nodes := files(20000)
	d := build(t, s, nodes)
	_, pages, _ := load(t, s, d)
	if len(pages) != 2 {
		t.Fatalf("pages by level: %v", pages)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for name, change := range map[string]func(i int) []*tree.Node{
		"insert": func(i int) []*tree.Node {
			n := *nodes[i]
			n.Name += "x"
			return slices.Insert(slices.Clone(nodes), i+1, &n)
		},
		"remove": func(i int) []*tree.Node { return slices.Delete(slices.Clone(nodes), i, i+1) },
		"modify": func(i int) []*tree.Node {
			n := *nodes[i]
			n.Mode = 0600
			c := slices.Clone(nodes)
			c[i] = &n
			return c
		},
	} {
		const rounds = 3
		var stored int
		for range rounds {
			before := s.Stats().Puts
			build(t, s, change(rng.IntN(len(nodes))))
			stored += s.Stats().Puts - before
		}
		// A page a level, but for the rare change that moves a boundary.
		if stored < 2*rounds || stored > 2*rounds+3 {
			t.Errorf("%s: %d changes stored %d pages", name, rounds, stored)
		}
	}
}

// Pages of nodes with large attributes must stay small, and one huge node must
// not be refused for standing in a page.
func TestDirLargeNodes(t *testing.T) {
	s := treetest.New()
	nodes := files(400)
	for _, n := range nodes {
		n.Xattrs = []tree.Xattr{{Name: "user.big", Value: make([]byte, 10000)}}
	}
	nodes[200].Xattrs[0].Value = make([]byte, 3<<20)
	d := build(t, s, nodes)
	got, _, sizes := load(t, s, d)
	if len(got) != len(nodes) || slices.Max(sizes) > 110 || len(sizes) < 8 {
		t.Errorf("%d nodes in pages of %v", len(got), sizes)
	}
	nodes[200].Xattrs[0].Value = make([]byte, tree.MaxNode)
	if err := tree.NewDirBuilder(s).Add(ctx, nodes[200]); !errors.Is(err, tree.ErrInvalid) {
		t.Error("a node above the limit was added:", err)
	}
}

func TestDirBuilderRefuses(t *testing.T) {
	s := treetest.New()
	b := tree.NewDirBuilder(s)
	add := func(n tree.Node) error { return b.Add(ctx, &n) }
	if err := add(tree.Node{Name: "m", Type: tree.FIFO}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"m", "a", "l\xff"} {
		if err := add(tree.Node{Name: name, Type: tree.FIFO}); !errors.Is(err, tree.ErrOrder) {
			t.Errorf("%q after m: %v", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "z/", "z\x00"} {
		if err := add(tree.Node{Name: name, Type: tree.FIFO}); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := add(tree.Node{Name: "n"}); !errors.Is(err, tree.ErrInvalid) {
		t.Error("no type:", err)
	}
	huge := tree.Dir{ID: id(1), Entries: 1, Subdirs: 1, Total: tree.MaxTotal - 5, Bytes: tree.MaxSize - 5}
	if err := add(tree.Node{Name: "n", Type: tree.Directory, Dir: huge}); err != nil {
		t.Fatal(err)
	}
	if err := add(tree.Node{Name: "o", Type: tree.Directory, Dir: huge}); !errors.Is(err, tree.ErrInvalid) {
		t.Error("totals overflow:", err)
	}
	d, err := b.Finish(ctx)
	if err != nil || d.Entries != 2 || d.Total != tree.MaxTotal-3 {
		t.Errorf("what was refused left a trace: %+v, %v", d, err)
	}
	// The builder is ready for another directory, with no memory of the last.
	if err := add(tree.Node{Name: "a", Type: tree.FIFO}); err != nil {
		t.Error(err)
	}
	if d, err := b.Finish(ctx); err != nil || d.Entries != 1 || d.Total != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestBuilderReuse(t *testing.T) {
	s := treetest.New()
	b := tree.NewDirBuilder(s)
	all := files(9000)
	for _, n := range []int{9000, 3, 5000, 0, 9000} {
		for _, node := range all[:n] {
			if err := b.Add(ctx, node); err != nil {
				t.Fatal(err)
			}
		}
		d, err := b.Finish(ctx)
		if want := build(t, s, all[:n]); err != nil || d != want {
			t.Errorf("%d nodes: %+v, %v; a new builder gives %+v", n, d, err, want)
		}
	}
}

var errPut = errors.New("no space")

type failing struct{ left int }

func (f *failing) PutTree(context.Context, []byte) (index.ID, error) {
	if f.left--; f.left < 0 {
		return index.ID{}, errPut
	}
	return id(byte(f.left)), nil
}

func TestBuilderStoreFails(t *testing.T) {
	nodes := files(5000)
	pages := 0
	for n := 0; ; n++ {
		b := tree.NewDirBuilder(&failing{n})
		var err error
		for i := 0; i < len(nodes) && err == nil; i++ {
			err = b.Add(ctx, nodes[i])
		}
		if err == nil {
			_, err = b.Finish(ctx)
		}
		if err == nil {
			break
		}
		if pages++; !errors.Is(err, errPut) {
			t.Fatal(err)
		}
	}
	if pages < 4 {
		t.Errorf("%d pages were stored", pages)
	}
}
