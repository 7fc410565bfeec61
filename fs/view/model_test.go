package view_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
)

var ctx = context.Background()

// entry is what the model knows of an entry: the tree in pre-order, made
// without any of the code under test.
type entry struct {
	path   string
	parent uint64
	spec   *treetest.Spec
	childs []uint64 // positions
}

func model(root *treetest.Spec) []entry {
	var list []entry
	var add func(path string, parent uint64, s *treetest.Spec) uint64
	add = func(path string, parent uint64, s *treetest.Spec) uint64 {
		pos := uint64(len(list))
		list = append(list, entry{path: path, parent: parent, spec: s})
		slices.SortFunc(s.Children, func(a, b treetest.Spec) int { return strings.Compare(a.Name, b.Name) })
		prefix := path + "/"
		if path == "" {
			prefix = ""
		}
		for i := range s.Children {
			child := add(prefix+s.Children[i].Name, pos, &s.Children[i])
			list[pos].childs = append(list[pos].childs, child)
		}
		return pos
	}
	add("", 0, root)
	return list
}

// randomTree returns about n entries: deep, wide and empty directories, files
// of all sizes, links, names of any bytes.
func randomTree(rng *rand.Rand, n int) treetest.Spec {
	left := n
	var dir func(name string, depth int) treetest.Spec
	dir = func(name string, depth int) treetest.Spec {
		d := treetest.Dir(name)
		count := rng.IntN(30)
		if depth < 2 {
			count = 40 + rng.IntN(left/2+1)
		}
		for i := 0; i < count && left > 0; i++ {
			left--
			name := fmt.Sprintf("%d-%c\xfe%d", i, 'a'+rng.IntN(26), rng.IntN(1000))
			switch k := rng.IntN(10); {
			case k < 2 || depth < 2 && i < 3:
				d.Children = append(d.Children, dir(name, depth+1))
			case k == 2:
				d.Children = append(d.Children, treetest.Symlink(name, "../"+name))
			default:
				d.Children = append(d.Children, treetest.File(name, string(randomData(rng, 1<<rng.IntN(13)))))
			}
		}
		return d
	}
	return dir("", 0)
}

// randomData returns bytes with runs of zeros in them.
func randomData(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for at := 0; at < n; {
		run := min(1+rng.IntN(1000), n-at)
		if rng.IntN(3) > 0 {
			for i := range run {
				b[at+i] = byte(1 + rng.IntN(255))
			}
		}
		at += run
	}
	return b
}

func mustBuild(t testing.TB, s *treetest.Store, root treetest.Spec, chunk int) *tree.Node {
	t.Helper()
	n, err := s.Build(root, chunk)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wide is a directory of n small files below another, without data blobs.
func wide(t testing.TB, s *treetest.Store, n int) *tree.Node {
	t.Helper()
	b := tree.NewDirBuilder(s)
	for i := range n {
		if err := b.Add(ctx, &tree.Node{Name: wideName(i), Type: tree.Regular, Mode: 0644, Inode: uint64(i), User: "user", ModTime: tree.Time{Sec: int64(i), Nsec: 5}}); err != nil {
			t.Fatal(err)
		}
	}
	d, err := b.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*tree.Node{
		{Name: "a", Type: tree.FIFO},
		{Name: "wide", Type: tree.Directory, Mode: 0755, Dir: d},
		{Name: "z", Type: tree.FIFO},
	} {
		if err := b.Add(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	if d, err = b.Finish(ctx); err != nil {
		t.Fatal(err)
	}
	return &tree.Node{Type: tree.Directory, Mode: 0755, Dir: d}
}

func wideName(i int) string { return fmt.Sprintf("file-%08d", i) }

func checkEntry(t testing.TB, what string, e view.Entry, err error, list []entry, pos uint64) {
	t.Helper()
	want := list[pos]
	switch {
	case err != nil:
		t.Fatalf("%s %d (%q): %v", what, pos, want.path, err)
	case e.Pos != pos || e.Parent != want.parent || e.Name != want.spec.Name || e.Type != want.spec.Type || e.Target != want.spec.Target:
		t.Fatalf("%s %d (%q): %d %d %q", what, pos, want.path, e.Pos, e.Parent, e.Name)
	case e.Size != uint64(len(want.spec.Data)) || e.Dir.Entries != uint64(len(want.childs)):
		t.Fatalf("%s %d (%q): %d bytes, %d entries", what, pos, want.path, e.Size, e.Dir.Entries)
	}
}

func readAll(t testing.TB, v *view.Tree, e view.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := v.Open(ctx, e).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
