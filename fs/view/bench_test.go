package view_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"garret/fs/tree/treetest"
	"garret/fs/view"
)

const benchWide = 100000

func benchTree(b *testing.B) (*view.Tree, view.Entry) {
	s := treetest.New()
	v := view.New(s, wide(b, s, benchWide), view.Options{})
	d, err := v.Resolve(ctx, "wide")
	if err != nil {
		b.Fatal(err)
	}
	return v, d
}

func BenchmarkLookupWide(b *testing.B) {
	v, d := benchTree(b)
	names := make([]string, 4096)
	for i := range names {
		names[i] = wideName(rand.IntN(benchWide))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := v.Lookup(ctx, d, names[i%len(names)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkLookupMiss(b *testing.B) {
	v, d := benchTree(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Lookup(ctx, d, "file-00050000.o"); err == nil {
			b.Fatal("found")
		}
	}
}

func BenchmarkAtWideRandom(b *testing.B) {
	v, _ := benchTree(b)
	rng := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.At(ctx, rng.Uint64N(v.Len())); err != nil {
			b.Fatal(err)
		}
	}
}

// deep is a source tree as they are: 12 directories down, directories of a
// dozen files.
func deep(b *testing.B) (*view.Tree, uint64) {
	d := treetest.Dir("")
	for i := range 200 {
		sub := treetest.Dir(wideName(i))
		for j := range 12 {
			sub.Children = append(sub.Children, treetest.File(wideName(j), strings.Repeat("x", 3000)))
		}
		d.Children = append(d.Children, sub)
	}
	for range 10 {
		d.Name = "dir"
		d = treetest.Dir("", d, treetest.File("a", ""), treetest.File("z", ""))
	}
	s := treetest.New()
	v := view.New(s, mustBuild(b, s, d, 1<<20), view.Options{})
	return v, v.Len()
}

func BenchmarkAtDeepRandom(b *testing.B) {
	v, n := deep(b)
	rng := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.At(ctx, rng.Uint64N(n)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAtDeepSequential(b *testing.B) {
	v, n := deep(b)
	pos := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.At(ctx, pos); err != nil {
			b.Fatal(err)
		}
		pos = (pos + 1) % n
	}
}

func BenchmarkListWide(b *testing.B) {
	v, d := benchTree(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := v.List(ctx, d, 0, func(uint64, view.Entry) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchWide), "ns/entry")
}

func BenchmarkReadAtSmallFile(b *testing.B) {
	s := treetest.New()
	v, e := fileOf(b, s, randomData(rand.New(rand.NewPCG(1, 1)), 4096), 1<<20)
	p := make([]byte, 4096)
	b.SetBytes(4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.ReadAt(ctx, e, p, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadAtPaged(b *testing.B) {
	s := treetest.New()
	data := randomData(rand.New(rand.NewPCG(1, 1)), 64<<20)
	v, e := fileOf(b, s, data, 16<<10)
	p := make([]byte, 128<<10)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	off := int64(0)
	for b.Loop() {
		if _, err := v.ReadAt(ctx, e, p, off); err != nil {
			b.Fatal(err)
		}
		off = (off + int64(len(p))) % int64(len(data))
	}
}
