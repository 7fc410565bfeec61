package diff_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"garret/fs/diff"
	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

const part = 1 << 19 // bytes of each part

// image builds a file of these blobs; 0 is a hole.
func image(t testing.TB, s *treetest.Store, blobs []uint64) *tree.Node {
	t.Helper()
	b := tree.NewContentBuilder(s)
	for _, n := range blobs {
		p := tree.Part{Length: part}
		binary.LittleEndian.PutUint64(p.ID[8:], n)
		if n > 0 {
			rng := rand.New(rand.NewPCG(n, 0)) // IDs decide where pages begin
			binary.LittleEndian.PutUint64(p.ID[:], rng.Uint64())
		}
		if err := b.Add(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	size := b.Size()
	c, err := b.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &tree.Node{Name: "image", Type: tree.Regular, Links: 1, Size: size, Content: c}
}

func contentOf(t testing.TB, s *treetest.Store, a, b *tree.Node) (diff.Bytes, diff.Stats) {
	t.Helper()
	var bytes diff.Bytes
	stats, err := diff.Run(ctx, s, a, b, diff.Options{}, func(d diff.Difference) error {
		bytes = d.Bytes
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes, stats
}

// How much of a file has changed is counted by its blobs, in lists of all
// sizes.
func TestContent(t *testing.T) {
	for _, c := range []struct {
		name           string
		a, b           []uint64
		added, removed uint64 // parts
	}{
		{"same", []uint64{1, 2}, []uint64{1, 2}, 0, 0},
		{"from nothing", nil, []uint64{1, 2}, 2, 0},
		{"to nothing", []uint64{1, 2}, nil, 0, 2},
		{"appended", []uint64{1, 2}, []uint64{1, 2, 3}, 1, 0},
		{"in the middle", []uint64{1, 2, 3}, []uint64{1, 4, 3}, 1, 1},
		{"moved", []uint64{1, 2, 3}, []uint64{3, 1, 2}, 0, 0},
		{"once more", []uint64{1, 2}, []uint64{1, 2, 2, 2}, 2, 0},
		{"once less", []uint64{1, 1, 2}, []uint64{1, 2}, 0, 1},
		{"hole filled", []uint64{1, 0, 2}, []uint64{1, 3, 2}, 1, 0},
		{"hole made", []uint64{1, 3, 2}, []uint64{1, 0, 2}, 0, 1},
		{"grown by a hole", []uint64{1}, []uint64{1, 0, 0}, 0, 0},
	} {
		for _, more := range []int{0, tree.MaxNodeParts - 3, tree.MaxNodeParts, 3000, 300000} {
			if more > 3000 && c.name != "in the middle" {
				continue
			}
			s := treetest.New()
			common := make([]uint64, more)
			for i := range common {
				common[i] = uint64(i) + 100
			}
			a, b := image(t, s, append(common[:more:more], c.a...)), image(t, s, append(common[:more:more], c.b...))
			bytes, stats := contentOf(t, s, a, b)
			if bytes.Added != c.added*part || bytes.Removed != c.removed*part || bytes.AtMost {
				t.Errorf("%s, %d blobs in common: %+v", c.name, more, bytes)
			}
			if stats.Pages > 12 {
				t.Errorf("%s, %d blobs in common: %d pages", c.name, more, stats.Pages)
			}
		}
	}
}

func TestSmallContent(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want diff.Bytes
	}{
		{"", "x", diff.Bytes{Added: 1}},
		{"abc", "x", diff.Bytes{Added: 1, Removed: 3}},
		{"abc", string(make([]byte, 200)) + "x", diff.Bytes{Added: 201, Removed: 3}},
		{"abc", string(make([]byte, 512)), diff.Bytes{Removed: 3}}, // a hole
	} {
		s := treetest.New()
		a, b := build(t, s, treetest.File("f", c.a), 512), build(t, s, treetest.File("f", c.b), 512)
		if got, _ := contentOf(t, s, a, b); got != c.want {
			t.Errorf("%.10q, %.10q: %+v, want %+v", c.a, c.b, got, c.want)
		}
	}
}

// Two images of 400 GiB without anything in common are not held in memory blob
// by blob: the bytes are then a bound.
func TestHugeContent(t *testing.T) {
	s := treetest.New()
	blobs := make([]uint64, 800000)
	for i := range blobs {
		blobs[i] = uint64(i) + 1
	}
	a := image(t, s, blobs[:400000])
	b := image(t, s, blobs[400000:])
	bytes, stats := contentOf(t, s, a, b)
	if !bytes.AtMost || bytes.Added != b.Size || bytes.Removed != a.Size {
		t.Errorf("%+v", bytes)
	}
	if pages := s.Len(index.Tree); stats.Pages >= uint64(pages) {
		t.Errorf("%d of %d pages", stats.Pages, pages)
	}
}
