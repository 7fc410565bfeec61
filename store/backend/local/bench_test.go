package local_test

import (
	"fmt"
	"testing"

	"garret/store/backend"
	"garret/store/backend/local"
)

func benchBackend(b *testing.B) *local.Backend {
	b.Helper()
	l, err := local.Create(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{1 << 10, 32 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := benchBackend(b)
			data := make([]byte, size)
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if err := l.Put(b.Context(), fmt.Sprintf("packs/%02x/%d", i%256, i%4), data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadAt(b *testing.B) {
	l := benchBackend(b)
	if err := l.Put(b.Context(), "packs/00/0", make([]byte, 32<<20)); err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 4096)
	for i := 0; b.Loop(); i++ {
		if _, err := l.ReadAt(b.Context(), "packs/00/0", p, int64(i%8192)*4096); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkList lists a repository of 5,120 packs, some 160 GB.
func BenchmarkList(b *testing.B) {
	l := benchBackend(b)
	for i := range 5120 {
		if err := l.Put(b.Context(), fmt.Sprintf("packs/%02x/%d", i%256, i), nil); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if list, err := backend.List(b.Context(), l, "packs"); err != nil || len(list) != 5120 {
			b.Fatal(len(list), err)
		}
	}
}
