package snapshot

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resident returns how many pages of a file are in the page cache, as mincore(2)
// says.
func (b *bench) resident(name string) (n int) {
	b.t.Helper()
	f, err := os.Open(b.path(name))
	b.must(err)
	defer f.Close()
	info, err := f.Stat()
	b.must(err)
	data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	b.must(err)
	defer func() { b.must(unix.Munmap(data)) }()
	there := make([]byte, (len(data)+4095)/4096)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)), uintptr(unsafe.Pointer(&there[0]))); errno != 0 {
		b.t.Fatal(errno)
	}
	for _, page := range there {
		n += int(page & 1)
	}
	return n
}

// cool takes a file out of the page cache.
func (b *bench) cool(name string) {
	b.t.Helper()
	f, err := os.Open(b.path(name))
	b.must(err)
	defer f.Close()
	b.must(f.Sync())
	b.must(unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
	if b.resident(name) > 0 {
		b.t.Skip("files here are in memory alone")
	}
}

// A snapshot leaves the page cache as it was: what was there stays, and what it
// read does not take room.
func TestPageCache(t *testing.T) {
	b := newBench(t)
	sizes := map[string]int{"small": 5000, "large": 20<<20 + 17}
	want := make(map[string]int)
	for size, n := range sizes {
		b.write("cold "+size, noise(1, n))
		b.write("hot "+size, noise(2, n))
	}
	for size, n := range sizes {
		b.cool("cold " + size)
		want["cold "+size], want["hot "+size] = 0, (n+4095)/4096
	}
	b.run()
	b.noWarnings()
	for name, n := range want {
		if got := b.resident(name); got != n {
			t.Errorf("%s: %d pages in the page cache, not %d", name, got, n)
		}
	}
}
