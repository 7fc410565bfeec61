package tree_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sort"
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
	all := files(20000)
	for _, n := range []int{0, 1, 2, 255, 256, 257, 4095, 4096, 4097, 20000} {
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
		if n == 20000 && (sizes[0] == sizes[1] || len(sizes) < 10 || len(sizes) > 60) {
			t.Errorf("pages of %v nodes", sizes)
		}
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
	nodes := files(100000)
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

// nested returns nodes of which some are directories with totals.
func nested(n int, rng *rand.Rand) []*tree.Node {
	nodes := files(n)
	for i, node := range nodes {
		if rng.IntN(3) == 0 {
			d := tree.Dir{ID: id(byte(1 + i%255)), Entries: 1 + rng.Uint64N(9), Bytes: rng.Uint64N(1e6)}
			d.Total = d.Entries
			if rng.IntN(2) == 0 {
				d.Subdirs = 1
				d.Total += rng.Uint64N(100)
			}
			*node = tree.Node{Name: node.Name, Type: tree.Directory, Dir: d}
			if rng.IntN(5) == 0 {
				node.Dir = tree.Dir{}
			}
		}
	}
	return nodes
}

// checkPage compares a page's searches with plain scans.
func checkPage(t testing.TB, p *tree.DirPage) {
	t.Helper()
	tot := p.Totals()
	probe := []int{0, p.Len() / 2, p.Len() - 1}
	for i := 0; i < p.Len(); i += 1 + p.Len()/64 {
		probe = append(probe, i)
	}
	for _, i := range probe {
		if j, ok := p.Find(p.Name(i)); !ok || j != i {
			t.Fatalf("Find(%q) = %d, %v; want %d", p.Name(i), j, ok, i)
		}
		if j, ok := p.Find(p.Name(i) + "\x01"); p.Level() == 0 && ok && p.Name(j) != p.Name(i)+"\x01" {
			t.Fatalf("found %q", p.Name(i)+"\x01")
		}
		entries, total := p.Before(i)
		nextEntries, nextTotal := tot.Entries, tot.Total
		if i+1 < p.Len() {
			nextEntries, nextTotal = p.Before(i + 1)
		}
		if p.FindEntry(entries) != i || p.FindEntry(nextEntries-1) != i {
			t.Fatalf("FindEntry of %d and %d: %d and %d, want %d", entries, nextEntries-1, p.FindEntry(entries), p.FindEntry(nextEntries-1), i)
		}
		if p.FindTotal(total) != i || p.FindTotal(nextTotal-1) != i {
			t.Fatalf("FindTotal of %d and %d: %d and %d, want %d", total, nextTotal-1, p.FindTotal(total), p.FindTotal(nextTotal-1), i)
		}
		if p.Level() > 0 {
			if r := p.Ref(i); r.First != p.Name(i) || r.Level != p.Level()-1 || nextTotal-total != r.Total || nextEntries-entries != r.Entries {
				t.Fatalf("reference %d: %+v", i, r)
			}
			continue
		}
		n, err := p.Node(i)
		if err != nil {
			continue // only what the index needs is checked before
		}
		if n.Name != p.Name(i) || n.Dir != p.Dir(i) || p.IsDir(i) != (n.Type == tree.Directory) || nextTotal-total != 1+n.Dir.Total {
			t.Fatalf("node %d is %+v, index has %q %+v", i, n, p.Name(i), p.Dir(i))
		}
	}
}

func TestDirPageSearch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 100, 3000} {
		s := treetest.New()
		d := build(t, s, nested(n, rng))
		p, err := tree.ParseDirPage(s.Page(d.ID))
		if err != nil {
			t.Fatal(err)
		}
		checkPage(t, p)
		for i := range p.Len() {
			if p.Level() > 0 {
				child, err := tree.ParseDirPage(s.Page(p.Ref(i).ID))
				if err != nil {
					t.Fatal(err)
				}
				checkPage(t, child)
			}
		}
	}
}

// page makes a page by hand, of fields in any state.
func page(level byte, fields ...[]byte) []byte {
	var b []byte
	if level > 0 {
		b = append(b, 0x08, level)
	}
	for _, f := range fields {
		b = append(b, f...)
	}
	return b
}

func nodeField(n *tree.Node) []byte {
	enc := tree.AppendNode(nil, n)
	return append(binary.AppendUvarint([]byte{0x12}, uint64(len(enc))), enc...)
}

func refField(first string, d tree.Dir) []byte {
	n := tree.AppendNode(nil, &tree.Node{Dir: d})
	n = n[min(2, len(n)):] // tag and length, one byte each
	n = append(append(n, 0x3a, byte(len(first))), first...)
	return append([]byte{0x1a, byte(len(n))}, n...)
}

func TestDirPageRefused(t *testing.T) {
	file := func(name string) []byte { return nodeField(&tree.Node{Name: name, Type: tree.Regular}) }
	d := tree.Dir{ID: id(1), Entries: 300, Total: 300}
	most := tree.Dir{ID: id(1), Entries: 1, Subdirs: 1, Total: tree.MaxTotal}
	if _, err := tree.ParseDirPage(page(1, refField("a", d), refField("b", d))); err != nil {
		t.Fatal("a good page:", err)
	}
	for name, b := range map[string][]byte{
		"empty":                {},
		"no nodes":             page(1),
		"level":                page(tree.MaxLevel+1, refField("a", d)),
		"nodes and references": page(1, file("a"), refField("b", d)),
		"nodes at level 1":     page(1, file("a")),
		"references at 0":      page(0, refField("a", d)),
		"names equal":          page(0, file("a"), file("a")),
		"names descending":     page(0, file("b"), file("a")),
		"no name":              page(0, file("")),
		"dot dot":              page(0, file("..")),
		"slash":                page(0, file("a/b")),
		"firsts equal":         page(1, refField("a", d), refField("a", d)),
		"first is dot":         page(1, refField(".", d)),
		"first is empty":       page(1, refField("", d)),
		"reference to nothing": page(1, refField("a", tree.Dir{})),
		"totals overflow":      page(1, refField("a", most), refField("b", tree.Dir{ID: id(1), Entries: 1, Total: 1})),
		"dir without totals":   page(0, nodeField(&tree.Node{Name: "a", Type: tree.Directory, Dir: tree.Dir{ID: id(1)}})),
		"file with totals":     page(0, nodeField(&tree.Node{Name: "a", Type: tree.Regular, Dir: d})),
		"fifo with size":       page(0, nodeField(&tree.Node{Name: "a", Type: tree.FIFO, Size: 5})),
		"bytes overflow":       page(0, nodeField(&tree.Node{Name: "a", Type: tree.Regular, Size: tree.MaxSize}), nodeField(&tree.Node{Name: "b", Type: tree.Regular, Size: 1})),
		"cut":                  page(0, file("a"))[:3],
		"too large":            make([]byte, tree.MaxPage+1),
	} {
		if p, err := tree.ParseDirPage(b); !errors.Is(err, tree.ErrInvalid) || p != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A bad node must not take its page with it.
func TestDirPageOneBadNode(t *testing.T) {
	good := nodeField(&tree.Node{Name: "c", Type: tree.FIFO})
	p, err := tree.ParseDirPage(page(0, nodeField(&tree.Node{Name: "a", Type: tree.FIFO, Mode: 0170000}), nodeField(&tree.Node{Name: "b", Type: 99}), good))
	if err != nil {
		t.Fatal(err)
	}
	for i, ok := range []bool{false, false, true} {
		if n, err := p.Node(i); (err == nil) != ok || (n != nil) != ok || !ok && !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("node %d: %v, %v", i, n, err)
		}
	}
}

func TestDirPageFits(t *testing.T) {
	s := treetest.New()
	d := build(t, s, nested(50, rand.New(rand.NewPCG(3, 3))))
	p, err := tree.ParseDirPage(s.Page(d.ID))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Fits(&d, p.Name(0), p.Name(49)+"\x01"); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*tree.Dir){
		func(d *tree.Dir) { d.Level++ }, func(d *tree.Dir) { d.Entries-- }, func(d *tree.Dir) { d.Subdirs++ },
		func(d *tree.Dir) { d.Total++ }, func(d *tree.Dir) { d.Bytes-- },
	} {
		wrong := d
		change(&wrong)
		if err := p.Fits(&wrong, "", ""); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%+v fits %+v", wrong, d)
		}
	}
	if p.Fits(&d, "x", "") == nil || p.Fits(&d, "", p.Name(49)) == nil {
		t.Error("names fit that are not the parent's")
	}
}

func FuzzParseDirPage(f *testing.F) {
	s := treetest.New()
	for _, n := range []int{1, 20, 2000} {
		d := build(f, s, nested(n, rand.New(rand.NewPCG(4, 4))))
		f.Add(s.Page(d.ID))
	}
	f.Add(page(0, nodeField(fullFile())))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := tree.ParseDirPage(b)
		if err != nil {
			if p != nil || !errors.Is(err, tree.ErrInvalid) {
				t.Fatalf("%v with %v", p, err)
			}
			return
		}
		if p.MemSize() > int64(64*len(b)+1024) {
			t.Fatalf("%d bytes take %d", len(b), p.MemSize())
		}
		checkPage(t, p)
		names := make([]string, p.Len())
		for i := range names {
			names[i] = p.Name(i)
		}
		if !sort.StringsAreSorted(names) {
			t.Fatal("names are not sorted")
		}
	})
}

func benchPage(b *testing.B) (*tree.DirPage, []byte) {
	s := treetest.New()
	d := build(b, s, files(1000)[:800])
	_, _, sizes := load(b, s, d)
	data := s.Page(d.ID)
	p, err := tree.ParseDirPage(data)
	if err != nil {
		b.Fatal(err)
	}
	if p.Level() > 0 {
		data = s.Page(p.Ref(0).ID)
		if p, err = tree.ParseDirPage(data); err != nil {
			b.Fatal(err, sizes)
		}
	}
	return p, data
}

func BenchmarkParseDirPage(b *testing.B) {
	p, data := benchPage(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := tree.ParseDirPage(data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*p.Len()), "ns/node")
}

func BenchmarkDirPageNode(b *testing.B) {
	p, _ := benchPage(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := p.Node(i % p.Len()); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkDirPageFind(b *testing.B) {
	p, _ := benchPage(b)
	names := make([]string, p.Len())
	for i := range names {
		names[i] = string([]byte(p.Name(i * 7919 % p.Len())))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		p.Find(names[i%len(names)])
		i++
	}
}

func BenchmarkDirBuilder(b *testing.B) {
	nodes := files(10000)
	s := treetest.New()
	b.ReportAllocs()
	for b.Loop() {
		build(b, s, nodes)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(nodes)), "ns/node")
}
