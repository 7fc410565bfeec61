package diff_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/fs/diff"
	"garret/fs/pattern"
	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

func inOrder(a, b diff.Range) int {
	return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.First, b.First))
}

func historyText(h *diff.History) (lines []string) {
	for _, v := range h.Versions(inOrder) {
		line := fmt.Sprintf("%s %d", v.Path, v.Node.Size)
		for _, r := range v.In {
			line += fmt.Sprintf(" %d:%d-%d", r.Series, r.First, r.Last)
		}
		lines = append(lines, line)
	}
	return lines
}

// In which snapshots a file is: someone looks for the last that has it sound.
func TestHistory(t *testing.T) {
	s := treetest.New()
	f := treetest.File
	mode := func(s treetest.Spec) treetest.Spec { s.Mode = 0o600; return s }
	linked := func(s treetest.Spec) treetest.Spec { s.Links, s.ChangeTime = 2, tree.Time{Sec: 9}; return s }
	h := &diff.History{}
	for _, series := range [][]treetest.Spec{
		{
			treetest.Dir("", f("a", "1"), f("b", "22")),
			treetest.Dir("", f("a", "1"), f("b", "333"), treetest.Dir("d", f("x", ""))),
			treetest.Dir("", f("a", "1"), f("b", "22"), treetest.Dir("d", f("x", ""))),
			treetest.Dir("", linked(f("a", "1")), f("b", "22"), f("d", "4444")),
			treetest.Dir("", mode(f("a", "1"))),
		},
		{treetest.Dir("", f("b", "22"))},
		{},
	} {
		h.NewSeries()
		for _, spec := range series {
			if err := h.Next(ctx, s, build(t, s, spec, 512), diff.Options{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := []string{"a 1 0:0-3", "a 1 0:4-4", "b 2 0:0-0 0:2-3 1:0-0", "b 3 0:1-1", "d 0 0:1-2", "d 4 0:3-3", "d/x 0 0:1-2"}
	if got := historyText(h); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Patterns, types, and a snapshot that cannot be read: the others are searched.
func TestHistorySelects(t *testing.T) {
	s := treetest.New()
	f := treetest.File
	l := &pattern.List{}
	if err := l.Exclude("skip"); err != nil {
		t.Fatal(err)
	}
	h := &diff.History{Match: func(path string, n *tree.Node) bool { return n.Type == tree.Regular && strings.HasSuffix(path, "x") }}
	h.NewSeries()
	lost := build(t, s, treetest.Dir("", treetest.Dir("lost", f("x", "other"))), 512)
	p, err := tree.ParseDirPage(s.Page(lost.Dir.ID))
	if err != nil {
		t.Fatal(err)
	}
	s.Lose(index.Tree, p.Dir(0).ID)
	for i, root := range []*tree.Node{
		build(t, s, treetest.Dir("", f("x", "1"), f("y", "1"), treetest.Dir("skip", f("x", "1")), treetest.Dir("dx")), 512),
		lost,
		build(t, s, treetest.Dir("", f("x", "1"), f("dx", "1")), 512),
		build(t, s, treetest.Dir("", treetest.Dir("x")), 512),
	} {
		if err := h.Next(ctx, s, root, diff.Options{Patterns: l}); (err != nil) != (i == 1) || err != nil && !errors.Is(err, treetest.ErrLost) {
			t.Error(i, err)
		}
	}
	if got, want := historyText(h), []string{"dx 1 0:1-1", "x 1 0:0-1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Following the differences finds what listing every snapshot finds.
func TestHistoryAgrees(t *testing.T) {
	for seed := range 4 {
		rng := rand.New(rand.NewPCG(uint64(seed), 8))
		s := treetest.New()
		spec := randomTree(rng, 150, 2)
		h := &diff.History{}
		h.NewSeries()
		want := make(map[string]map[int]bool) // path and size → snapshots
		for n := range 8 {
			root := build(t, s, spec, 512)
			if err := h.Next(ctx, s, root, diff.Options{}); err != nil {
				t.Fatal(err)
			}
			var note func(path string, spec *treetest.Spec)
			note = func(path string, spec *treetest.Spec) {
				for i := range spec.Children {
					c := &spec.Children[i]
					p := strings.TrimPrefix(path+"/"+c.Name, "/")
					key := fmt.Sprint(p, " ", c.Type, " ", string(c.Data))
					if want[key] == nil {
						want[key] = make(map[int]bool)
					}
					want[key][n] = true
					note(p, c)
				}
			}
			note("", &spec)
			spec = change(rng, spec, 10)
		}
		versions := h.Versions(inOrder)
		if len(versions) != len(want) {
			t.Errorf("seed %d: %d versions, want %d", seed, len(versions), len(want))
		}
		in, wantIn := 0, 0
		for _, v := range versions {
			for _, r := range v.In {
				in += r.Last - r.First + 1
			}
		}
		for _, snaps := range want {
			wantIn += len(snaps)
		}
		if in != wantIn {
			t.Errorf("seed %d: in %d snapshots altogether, want %d", seed, in, wantIn)
		}
	}
}
