package tree_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sort"
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
)

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
