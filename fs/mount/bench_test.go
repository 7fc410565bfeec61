package mount

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// remounted returns a function that mounts a tree anew, so that the kernel has
// nothing of it in its caches.
func remounted(b *testing.B, root *item) (fresh func() (dir string, unmount func())) {
	opened, _ := newTree(b, root)
	dir := b.TempDir()
	return func() (string, func()) {
		s, err := MountTree(dir, opened, opened.Root(), Options{XattrFamilies: []string{}})
		if err != nil {
			b.Fatal(err)
		}
		return dir, func() {
			if err := s.Unmount(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkSequential(b *testing.B) {
	const part, parts = 512 << 10, 512
	big := file("big")
	for i := range parts {
		big.pieces = append(big.pieces, piece{data: noise(uint64(i), part)})
	}
	fresh := remounted(b, dir("", big))
	buf := make([]byte, 1<<20)
	read := func(path string) {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		defer unix.Close(fd)
		for sum := 0; ; {
			n, err := unix.Read(fd, buf)
			if err != nil {
				b.Fatal(err)
			}
			if n == 0 {
				if sum != part*parts {
					b.Fatalf("%d bytes", sum)
				}
				return
			}
			sum += n
		}
	}
	for _, warm := range []bool{false, true} {
		b.Run(fmt.Sprintf("warm=%v", warm), func(b *testing.B) {
			b.SetBytes(part * parts)
			if warm {
				dir, unmount := fresh()
				defer unmount()
				read(dir + "/big")
				for b.Loop() {
					read(dir + "/big")
				}
				return
			}
			for b.Loop() {
				b.StopTimer()
				dir, unmount := fresh()
				b.StartTimer()
				read(dir + "/big")
				b.StopTimer()
				unmount()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkWalk is a find -ls over 500 directories of 100 files.
func BenchmarkWalk(b *testing.B) {
	const dirs, files = 500, 100
	root := dir("")
	for i := range dirs {
		d := dir(fmt.Sprintf("directory %d", i))
		for j := range files {
			d.children = append(d.children, text(fmt.Sprintf("file %d", j), "x"))
		}
		root.children = append(root.children, d)
	}
	fresh := remounted(b, root)
	walk := func(dir string) {
		count := 0
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Lstat(path)
			}
			count++
			return err
		})
		if err != nil || count != 1+dirs+dirs*files {
			b.Fatal(count, err)
		}
	}
	for _, warm := range []bool{false, true} {
		b.Run(fmt.Sprintf("warm=%v", warm), func(b *testing.B) {
			if warm {
				dir, unmount := fresh()
				defer unmount()
				walk(dir)
				for b.Loop() {
					walk(dir)
				}
				return
			}
			for b.Loop() {
				b.StopTimer()
				dir, unmount := fresh()
				b.StartTimer()
				walk(dir)
				b.StopTimer()
				unmount()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkSmallFiles reads 5,000 files of 4 KiB, all cold.
func BenchmarkSmallFiles(b *testing.B) {
	const count = 5000
	root := dir("")
	for i := range count {
		root.children = append(root.children, file(fmt.Sprintf("file %d", i), piece{data: noise(uint64(i), 4096)}))
	}
	fresh := remounted(b, root)
	for b.Loop() {
		b.StopTimer()
		dir, unmount := fresh()
		b.StartTimer()
		for _, child := range root.children {
			if _, err := os.ReadFile(dir + "/" + child.Name); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		unmount()
		b.StartTimer()
	}
	b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkMount is the time from nothing to the first listing.
func BenchmarkMount(b *testing.B) {
	fresh := remounted(b, dir("", text("f", "x")))
	for b.Loop() {
		dir, unmount := fresh()
		if _, err := os.ReadDir(dir); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		unmount()
		b.StartTimer()
	}
}
