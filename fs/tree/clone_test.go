package tree_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

// A clone finishes as a builder that was given the same so far, and what it was
// taken from goes on as if there had been none: else a checkpoint would spoil
// the snapshot that follows it.
func TestClone(t *testing.T) {
	const n = 10_000 // more than a page on both levels
	ctx := context.Background()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	node := func(i int) *tree.Node {
		return &tree.Node{Name: fmt.Sprintf("%06d", i), Type: tree.FIFO, Mode: 0o600}
	}
	part := func(i int) tree.Part {
		if i%7 == 3 {
			return tree.Part{Length: uint64(i + 1)} // a hole
		}
		return tree.Part{ID: index.ID{1, byte(i), byte(i >> 8)}, Length: uint64(i + 1)}
	}
	dirOf := func(n int) tree.Dir {
		b := tree.NewDirBuilder(treetest.New())
		for i := range n {
			check(b.Add(ctx, node(i)))
		}
		d, err := b.Finish(ctx)
		check(err)
		return d
	}
	contentOf := func(n int) tree.Content {
		b := tree.NewContentBuilder(treetest.New())
		for i := range n {
			check(b.Add(ctx, part(i)))
		}
		c, err := b.Finish(ctx)
		check(err)
		return c
	}
	dirs, contents := tree.NewDirBuilder(treetest.New()), tree.NewContentBuilder(treetest.New())
	for i := range n {
		switch i {
		case 0, 1, 4, 127, 128, 129, 300, 4000, 4097, n - 1:
			d, err := dirs.Clone().Finish(ctx)
			check(err)
			if want := dirOf(i); d != want {
				t.Errorf("a directory of %d: %+v, want %+v", i, d, want)
			}
			c, err := contents.Clone().Finish(ctx)
			check(err)
			if want := contentOf(i); !reflect.DeepEqual(c, want) {
				t.Errorf("a file of %d parts: %+v, want %+v", i, c, want)
			}
			spoilt := dirs.Clone()
			check(spoilt.Add(ctx, &tree.Node{Name: fmt.Sprintf("%06d~", i), Type: tree.FIFO}))
			also := contents.Clone()
			check(also.Add(ctx, tree.Part{Length: 5}))
		}
		check(dirs.Add(ctx, node(i)))
		check(contents.Add(ctx, part(i)))
	}
	d, err := dirs.Finish(ctx)
	check(err)
	if want := dirOf(n); d != want {
		t.Errorf("the directory itself: %+v, want %+v", d, want)
	}
	c, err := contents.Finish(ctx)
	check(err)
	if want := contentOf(n); !reflect.DeepEqual(c, want) {
		t.Errorf("the file itself: %+v, want %+v", c, want)
	}
}
