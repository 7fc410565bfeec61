package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/fs/restore"
	"garret/fs/view"
	"garret/store"
	"garret/store/backend"
	"garret/store/backend/local"
	"garret/store/backend/mem"
)

// These measure the whole way of a real tree, Go's own source, between the
// file system and a repository in memory or on a tmpfs; MB/s count the files'
// bytes. The chunker alone is measured in chunking, hashes and ciphers in keys.

// BenchmarkSnapshot is a first snapshot into an empty repository.
func BenchmarkSnapshot(b *testing.B) {
	for _, kind := range []struct {
		name string
		open func() (backend.Backend, error)
	}{
		{"mem", func() (backend.Backend, error) { return mem.New(), nil }},
		{"local", func() (backend.Backend, error) { return local.Create(filepath.Join(memoryDir(b), "repo")) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			source := filepath.Join(goRoot(b), "src")
			for b.Loop() {
				b.StopTimer()
				back, err := kind.open()
				if err != nil {
					b.Fatal(err)
				}
				r := newMemoryRepository(b, back)
				runtime.GC()
				b.StartTimer()
				res := r.snapshot(source)
				b.SetBytes(int64(res.Stats.BytesTotal))
			}
		})
	}
}

// BenchmarkSnapshotParity shows what parity costs: first snapshots with and
// without it, taken in turn. The process's CPU time counts, since what runs
// beside the rest on an idle core costs those who have none.
func BenchmarkSnapshotParity(b *testing.B) {
	source := filepath.Join(goRoot(b), "src")
	var cpu [2]time.Duration
	for b.Loop() {
		for i, percent := range []int{0, store.DefaultParity} {
			r := newRepositoryWithParity(b, mem.New(), percent)
			runtime.GC()
			before := cpuTime(b)
			r.snapshot(source)
			cpu[i] += cpuTime(b) - before
		}
	}
	b.ReportMetric(100*(cpu[1].Seconds()/cpu[0].Seconds()-1), "%cpu-more")
}

// cpuTime is what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkUnchanged is a snapshot of what the one before it has already.
func BenchmarkUnchanged(b *testing.B) {
	source := filepath.Join(goRoot(b), "src")
	r := newMemoryRepository(b, mem.New())
	r.snapshot(source)
	entries := uint64(0)
	for b.Loop() {
		entries += 1 + r.snapshot(source).Root.Dir.Total
	}
	b.ReportMetric(float64(entries)/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkRestore writes the files to a tmpfs, from a repository in memory.
func BenchmarkRestore(b *testing.B) {
	r := newMemoryRepository(b, mem.New())
	r.snapshot(filepath.Join(goRoot(b), "src"))
	dir := memoryDir(b)
	for b.Loop() {
		reader, err := r.NewReader(b.Context(), 0)
		if err != nil {
			b.Fatal(err)
		}
		t := view.New(reader, r.parent.Tree.Root().Node, view.Options{})
		out := filepath.Join(dir, "out")
		stats, err := restore.Run(b.Context(), restore.Options{Tree: t, Loader: reader, From: t.Root(), Dest: out,
			Warn: func(path string, err error) { b.Errorf("%s: %v", path, err) }})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(stats.Bytes))
		b.StopTimer()
		if err := reader.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := os.RemoveAll(out); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkMountRead reads every file of a mount in order, each time through
// a new mount, so that neither the kernel nor the server has anything cached.
func BenchmarkMountRead(b *testing.B) {
	u := newUser(b, memoryDir(b))
	u.initCheap()
	source := filepath.Join(goRoot(b), "src")
	u.snapshot("--root", source, source)
	buf := make([]byte, 1<<20)
	for b.Loop() {
		b.StopTimer()
		mnt, unmount := u.mount("latest")
		b.StartTimer()
		bytes, files := readAll(b, mnt, buf)
		b.StopTimer()
		unmount()
		b.StartTimer()
		b.SetBytes(bytes)
		b.ReportMetric(float64(files), "files/op")
	}
}

func readAll(b *testing.B, root string, buf []byte) (bytes, files int64) {
	b.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf)
		bytes, files = bytes+n, files+1
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes, files
}
