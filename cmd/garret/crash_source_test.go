package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// crashSource fills a new directory with entries of all kinds and files of all
// kinds of sizes, about as many bytes as said (at least 64 KiB). One file in
// each is a quarter of it and many chunks long, and stands there twice.
func crashSource(t testing.TB, bytes int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	g := sourceMaker{t, dir, rand.New(rand.NewPCG(uint64(bytes), 1))}
	g.dir("empty")
	g.dir("first")
	g.dir("small/deep/er")
	g.dir("zz-last")
	g.file("first/image", bytes/4)
	for i, size := range []int{0, 1, 128, 129, 4095, 16<<10 - 1, 16 << 10, 16<<10 + 1} {
		g.file(fmt.Sprintf("small/%d", i), size)
	}
	for rest, i := bytes/2, 0; rest > 0; i++ {
		size := min(rest, 1+g.rand.IntN(2*crashAverage))
		if i%3 == 0 {
			size = min(rest, 1+g.rand.IntN(4<<10))
		}
		g.file(fmt.Sprintf("small/deep/%02x/%d", g.rand.IntN(8), i), size)
		rest -= size
	}
	g.file("small/name\xff \n", 700)
	g.sparse("zz-last/sparse", 3<<20)
	g.check(os.Link(g.path("small/4"), g.path("zz-last/hard link")))
	g.check(os.Symlink("../small/\xfe", g.path("zz-last/link")))
	g.check(unix.Mkfifo(g.path("zz-last/fifo"), 0o640))
	g.check(os.Chmod(g.path("small/5"), 0o4751))
	g.check(os.Chmod(g.path("small/deep"), 0o1777))
	if err := unix.Setxattr(g.path("small/4"), "user.garret", []byte("value\x00"), 0); !errors.Is(err, unix.ENOTSUP) {
		g.check(err)
	}
	data, err := os.ReadFile(g.path("first/image"))
	g.check(err)
	g.check(os.WriteFile(g.path("zz-last/again"), data, 0o600))
	g.old("small/2", "small/deep", "zz-last/link")
	settle()
	return dir
}

// changeSource makes the next state of a source: files that are new, gone,
// longer, renamed, and otherwise only in their metadata.
func changeSource(t testing.TB, dir string) {
	t.Helper()
	g := sourceMaker{t, dir, rand.New(rand.NewPCG(9, 9))}
	g.file("first/new", 50_000)
	g.check(os.Rename(g.path("small/6"), g.path("small/moved")))
	g.check(os.Remove(g.path("small/1")))
	g.check(os.Chmod(g.path("small/3"), 0o600))
	g.file("small/7", 20_000)
	f, err := os.OpenFile(g.path("first/image"), os.O_WRONLY, 0)
	g.check(err)
	_, err = f.WriteAt([]byte("changed in place"), 1000)
	g.check(err)
	g.check(f.Close())
	settle()
}

// settle waits until files that were written just now count as old: their
// time stamps cannot be given again.
func settle() { time.Sleep(50 * time.Millisecond) }

type sourceMaker struct {
	t    testing.TB
	base string
	rand *rand.Rand
}

func (g sourceMaker) check(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g sourceMaker) path(name string) string { return filepath.Join(g.base, name) }

func (g sourceMaker) dir(name string) { g.check(os.MkdirAll(g.path(name), 0o755)) }

// file writes data of which about half compresses.
func (g sourceMaker) file(name string, size int) {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(g.rand.Uint32())
		if i/512%2 == 0 {
			data[i] &= 3
		}
	}
	g.dir(filepath.Dir(name))
	g.check(os.WriteFile(g.path(name), data, 0o644))
}

// sparse writes three bytes into holes.
func (g sourceMaker) sparse(name string, size int64) {
	f, err := os.Create(g.path(name))
	g.check(err)
	g.check(f.Truncate(size))
	for _, at := range []int64{0, size / 2, size - 1} {
		_, err := f.WriteAt([]byte{1}, at)
		g.check(err)
	}
	g.check(f.Close())
}

func (g sourceMaker) old(names ...string) {
	for i, name := range names {
		at := []unix.Timespec{{Sec: 1, Nsec: 1}, {Sec: -1_000_000_000 * int64(i), Nsec: 999_999_999}}
		g.check(unix.UtimesNanoAt(unix.AT_FDCWD, g.path(name), at, unix.AT_SYMLINK_NOFOLLOW))
	}
}
