package tree_test

import (
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
)

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
