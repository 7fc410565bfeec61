package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
	"garret/index"
)

// reopen forgets pages that were read before they were lost.
func (f *fixture) reopen() { f.view = view.New(f.store, f.view.Root().Node, view.Options{}) }

// Lost blobs cost their own ranges and nothing else, in files that one worker
// writes and in those that several do.
func TestLostBlobs(t *testing.T) {
	for _, parts := range []int{1, 2, 7, 3 * 2 * pieceBytes / chunk} {
		content := noise(byte(parts), parts*chunk-100)
		f := build(t, treetest.Dir("", treetest.File("damaged", string(content)), treetest.File("sound", "x")))
		var want []Range
		for _, lost := range slices.Compact(slices.Sorted(slices.Values([]int{0, parts / 2, parts/2 + 1, parts - 1}))) {
			if lost >= parts {
				continue
			}
			from, to := lost*chunk, min(len(content), (lost+1)*chunk)
			f.store.Lose(index.Data, f.store.ID(index.Data, content[from:to]))
			clear(content[from:to])
			if n := len(want); n > 0 && want[n-1].Offset+want[n-1].Length == uint64(from) {
				want[n-1].Length += uint64(to - from)
			} else {
				want = append(want, Range{uint64(from), uint64(to - from)})
			}
		}
		o, warnings := f.options(t.TempDir() + "/dest")
		stats, err := Run(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		var lost *LostError
		if len(*warnings) != 1 || (*warnings)[0].path != o.Dest+"/damaged" || !errors.As((*warnings)[0].err, &lost) ||
			!errors.Is(lost, treetest.ErrLost) {
			t.Fatalf("%d parts: warnings %v", parts, *warnings)
		}
		if !slices.Equal(lost.Ranges, want) || stats.Lost != lost.Bytes || stats.Warnings != 1 {
			t.Errorf("%d parts: lost %v, want %v; %+v", parts, lost.Ranges, want, stats)
		}
		if got, err := os.ReadFile(o.Dest + "/damaged"); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d parts: content is wrong, %v", parts, err)
		}
		if got, err := os.ReadFile(o.Dest + "/sound"); string(got) != "x" {
			t.Errorf("%d parts: the other file: %v", parts, err)
		}
	}
}

// A lost page of a content list costs what it lists; all else is found again.
func TestLostContentPages(t *testing.T) {
	const small = 1 << 10 // so that there are many parts
	for _, size := range []int{pieceBytes, 5*pieceBytes + 1} {
		content := noise(9, size)
		store := treetest.New()
		spec := treetest.Dir("", treetest.File("file", string(content)))
		dress(&spec)
		root, err := store.Build(spec, small)
		if err != nil {
			t.Fatal(err)
		}
		f := &fixture{store: store, view: view.New(store, root, view.Options{})}
		e := f.find(t, "file")
		top, err := tree.ParseContentPage(store.Page(e.Content.Pages.ID))
		if err != nil || top.Level() == 0 || top.Len() < 4 {
			t.Fatalf("the file has no pages: %v", err)
		}
		var bytesLost uint64
		for _, i := range []int{1, top.Len() - 1} {
			ref := top.Ref(i)
			store.Lose(index.Tree, ref.ID)
			clear(content[top.Offset(i):][:ref.Bytes])
			bytesLost += ref.Bytes
		}
		f.reopen()
		o, warnings := f.options(t.TempDir() + "/dest")
		stats, err := Run(context.Background(), o)
		if err != nil || len(*warnings) != 1 {
			t.Fatalf("%v, %v", err, *warnings)
		}
		if got, err := os.ReadFile(o.Dest + "/file"); err != nil || !bytes.Equal(got, content) || stats.Lost != bytesLost {
			t.Errorf("%d bytes: content is wrong; %d lost, want %d, %v", size, stats.Lost, bytesLost, err)
		}
	}
}

// A lost page of a directory costs the entries on it.
func TestLostDirectoryPage(t *testing.T) {
	spec := treetest.Dir("")
	for i := range 3000 {
		spec.Children = append(spec.Children, treetest.File(fmt.Sprintf("file%04d", i), ""))
	}
	f := build(t, spec)
	top, err := tree.ParseDirPage(f.store.Page(f.view.Root().Dir.ID))
	if err != nil || top.Level() == 0 || top.Len() < 4 {
		t.Fatalf("the directory has no pages: %v", err)
	}
	lost := uint64(0)
	for _, i := range []int{1, top.Len() - 1} {
		lost += top.Ref(i).Dir.Entries
		f.store.Lose(index.Tree, top.Ref(i).Dir.ID)
	}
	f.reopen()
	o, warnings := f.options(t.TempDir())
	stats, err := Run(context.Background(), o)
	if err != nil || len(*warnings) != 2 || !errors.Is((*warnings)[0].err, treetest.ErrLost) {
		t.Fatalf("%v, %v", err, *warnings)
	}
	if stats.Files != 3000-lost {
		t.Errorf("%d files restored, want %d", stats.Files, 3000-lost)
	}
}

// Ranges are found by several workers in any order.
func TestLostErrorSort(t *testing.T) {
	var e LostError
	for _, at := range []uint64{50, 10, 60, 20, 0} {
		e.add(Range{at, 10}, errors.New("cause"))
	}
	e.sort()
	if want := []Range{{0, 30}, {50, 20}}; !slices.Equal(e.Ranges, want) || e.Bytes != 50 {
		t.Errorf("%v, want %v", e.Ranges, want)
	}
}
