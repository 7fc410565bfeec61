package index

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// benchBuilder has n rows of random IDs, 500 to a pack.
func benchBuilder(n int) (*Builder, *rand.ChaCha8) {
	rng := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	b := NewBuilder()
	var pack uint32
	for i := range n {
		if i%500 == 0 {
			pack = b.AddPack(testPack(i / 500))
		}
		var id ID
		rng.Read(id[:])
		b.Add(id, pack, uint32(i), 1000, uint16(i), 0)
	}
	return b, rng
}

// benchFile writes a segment of n rows; a large one is merged from others, as
// it would be.
func benchFile(b *testing.B, n int) string {
	path := filepath.Join(b.TempDir(), "segment")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	const part = 1e7
	if n <= part {
		builder, _ := benchBuilder(n)
		_, err = builder.WriteTo(f)
	} else {
		var parts []*Segment
		for i := range n / part {
			builder, _ := benchBuilder(part + i)
			small := filepath.Join(b.TempDir(), "part")
			writeSegment(b, small, builder)
			s, err := OpenFile(small)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			parts = append(parts, s)
		}
		_, err = Merge(f, parts...)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return path
}

func writeSegment(b *testing.B, path string, builder *Builder) {
	b.Helper()
	f, err := os.Create(path)
	if err == nil {
		_, err = builder.WriteTo(f)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// benchSizes are numbers of rows. With GARRET_BIG there are 100 million too, for
// which minutes and 12 GB on the disk are needed.
var benchSizes = []int{1e6, 1e7}

func init() {
	if os.Getenv("GARRET_BIG") != "" {
		benchSizes = append(benchSizes, 1e8)
	}
}

// BenchmarkLookup looks up random blobs of a mapped segment whose pages are in
// memory, most of them in no CPU cache.
func BenchmarkLookup(b *testing.B) {
	for _, n := range benchSizes {
		path := benchFile(b, n)
		before := heap()
		s, err := OpenFile(path)
		if err != nil {
			b.Fatal(err)
		}
		x := NewSet(s)
		grown := heap() - before
		ids := make([]ID, 1<<16)
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range ids {
			ids[i] = ID(s.rows[rng.IntN(n)*rowSize:][:rowPack])
		}
		if err := s.Verify(); err != nil { // reads all pages
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("hit/%d", n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				s.Lookup(ids[i%len(ids)], func(Location) bool { return true })
			}
			b.ReportMetric(float64(grown)/float64(n), "heapB/row")
			b.ReportMetric(float64(s.Size())/float64(n), "fileB/row")
		})
		b.Run(fmt.Sprintf("has/%d", n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				x.Has(ids[i%len(ids)])
			}
		})
		b.Run(fmt.Sprintf("miss/%d", n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				id := ids[i%len(ids)]
				id[7]++
				x.Has(id)
			}
		})
		b.Run(fmt.Sprintf("one/%d", n), func(b *testing.B) {
			for b.Loop() {
				x.Has(ids[0])
			}
		})
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range benchSizes {
		path := benchFile(b, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				s, err := OpenFile(path)
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBuilder(b *testing.B) {
	const n = 1e6
	before := heap()
	builder, rng := benchBuilder(n)
	perRow := float64(heap()-before) / n
	b.Run("Add", func(b *testing.B) {
		builder.Reset()
		pack := builder.AddPack(testPack(0))
		for i := 0; b.Loop(); i++ {
			if i%n == 0 {
				builder.Reset()
				pack = builder.AddPack(testPack(0))
			}
			var id ID
			rng.Read(id[:])
			builder.Add(id, pack, 0, 0, 0, 0)
		}
		b.ReportMetric(perRow, "heapB/row")
	})
	builder, _ = benchBuilder(n)
	b.Run("WriteTo", func(b *testing.B) {
		for b.Loop() {
			if _, err := builder.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
	})
}

func BenchmarkMerge(b *testing.B) {
	const n = 200000
	for _, k := range []int{2, 16} {
		var segs []*Segment
		for i := range k {
			builder, _ := benchBuilder(n + i)
			s, err := Parse(bytesOf(b, builder))
			if err != nil {
				b.Fatal(err)
			}
			segs = append(segs, s)
		}
		b.Run(fmt.Sprint(k), func(b *testing.B) {
			for b.Loop() {
				if _, err := Merge(io.Discard, segs...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n*k), "ns/row")
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	builder, _ := benchBuilder(1e6)
	s, err := Parse(bytes.Clone(bytesOf(b, builder)))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(s.Size())
	for b.Loop() {
		if err := s.Verify(); err != nil {
			b.Fatal(err)
		}
	}
}
