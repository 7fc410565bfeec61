package source

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// coldFile writes a file of size bytes, of which nothing is in the page cache.
func coldFile(t *testing.T, path string, size int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
	if n, ok := mincorePages(int(f.Fd()), 0, int64(size)); !ok {
		t.Fatal("mincore does not work")
	} else if n != 0 {
		t.Skip("files here are in memory alone")
	}
}

// touch brings a range of a file into the page cache, and no more than that.
func touch(t *testing.T, path string, start, size int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(make([]byte, size), start); err != nil {
		t.Fatal(err)
	}
}

// Reading a file leaves of it in the page cache what was there, as either system
// call tells it.
func TestKeepCache(t *testing.T) {
	const size = 4<<20 + 100
	defer noCachestat.Store(noCachestat.Load())
	for name, mincore := range map[string]bool{"cachestat": false, "mincore": true} {
		for _, hot := range [][2]int64{{0, 0}, {1 << 20, 256 << 10}, {3<<20 + 64<<10, 64 << 10}, {0, size}} {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			coldFile(t, path, size)
			if hot[1] > 0 {
				touch(t, path, hot[0], hot[1])
			}
			d := open(t, dir)
			f, err := d.OpenFile(NewName("file"))
			if err != nil {
				t.Fatal(err)
			}
			noCachestat.Store(mincore)
			before, ok := cachedPages(f.fd, 0, size)
			if !ok || noCachestat.Load() != mincore {
				t.Logf("%s: not on this kernel", name)
				f.Close()
				continue
			}
			f.KeepCache(size)
			buf := make([]byte, size)
			for off := 0; off < size; {
				n, err := f.ReadAt(buf[:1<<20], int64(off))
				if err != nil {
					t.Fatal(err)
				}
				off += n
				if off == 2<<20 {
					f.Drop(0, 2<<20)
				}
			}
			if n, _ := cachedPages(f.fd, 2<<20, 3<<20); n != (1<<20)/pageSize {
				t.Errorf("%s, %v: %d pages are there of what was just read", name, hot, n)
			}
			f.Close()
			check, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := mincorePages(int(check.Fd()), 0, size); n != before {
				t.Errorf("%s, %v: %d pages in the cache, %d before", name, hot, n, before)
			}
			if n, _ := mincorePages(int(check.Fd()), hot[0], hot[0]+hot[1]); n != (hot[1]+pageSize-1)/pageSize {
				t.Errorf("%s, %v: only %d pages of what was there", name, hot, n)
			}
			check.Close()
		}
	}
}
