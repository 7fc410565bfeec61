package restore

import (
	"fmt"
	"os"
	"testing"

	"garret/fs/tree/treetest"
)

// The benchmarks write to $TMPDIR: on tmpfs they measure this package, on a
// disk that.

func benchmark(b *testing.B, spec treetest.Spec) {
	f := build(b, spec)
	dir := b.TempDir()
	root := f.view.Root()
	b.SetBytes(int64(root.Dir.Bytes))
	b.ReportAllocs()
	for b.Loop() {
		f.restore(b, dir+"/dest")
		b.StopTimer()
		if err := os.RemoveAll(dir + "/dest"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(root.Dir.Total)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkSmallFiles restores what resembles a source tree.
func BenchmarkSmallFiles(b *testing.B) {
	contents := make([]string, 64)
	for i := range contents {
		contents[i] = string(noise(byte(i), 500*(i+1)))
	}
	root := treetest.Dir("")
	for d := range 1000 {
		dir := treetest.Dir(fmt.Sprintf("dir%04d", d))
		for i := range 20 {
			dir.Children = append(dir.Children, treetest.File(fmt.Sprintf("file%02d.c", i), contents[(d+i)%len(contents)]))
		}
		root.Children = append(root.Children, dir)
	}
	benchmark(b, root)
}

// BenchmarkLargeFile restores one file of 256 MiB.
func BenchmarkLargeFile(b *testing.B) {
	benchmark(b, treetest.Dir("", treetest.File("image", string(noise(1, 256<<20)))))
}
