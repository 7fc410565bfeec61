package local_test

import (
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A pack leaves the page cache once it is durable.
func TestPageCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repo")
	l := create(t, dir)
	const size = 4 << 20
	if err := l.Put(t.Context(), "packs/00/00", make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	resident := func() (n int) {
		f, err := os.Open(filepath.Join(dir, "packs/00/00"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		data, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Munmap(data)
		there := make([]byte, size/4096)
		if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&data[0])), size, uintptr(unsafe.Pointer(&there[0]))); errno != 0 {
			t.Fatal(errno)
		}
		for _, page := range there {
			n += int(page & 1)
		}
		return n
	}
	if n := resident(); n > 0 {
		f, err := os.Open(filepath.Join(dir, "packs/00/00"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			t.Fatal(err)
		}
		if resident() == n {
			t.Skip("files here are in memory alone")
		}
		t.Errorf("%d pages are in the page cache", n)
	}
}
