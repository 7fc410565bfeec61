package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"garret/chunking"
	"garret/fs/tree"
	"garret/index"
	"garret/keys"
	"garret/store"
	"garret/store/backend/local"
	"garret/store/codec"
)

// putter stores trees in a session.
type putter struct{ *store.Session }

func (p putter) PutTree(ctx context.Context, page []byte) (index.ID, error) {
	id := p.ID(index.Tree, page)
	_, err := p.Put(ctx, index.Tree, id, page)
	return id, err
}

// manySnapshots makes a repository of tiny snapshots: a directory of ten files,
// one of which changes each time. Each is a session of its own that stores so
// many blobs besides.
func manySnapshots(tb testing.TB, dir string, count, blobs int) {
	tb.Helper()
	ctx := tb.Context()
	b, err := local.Create(dir)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = store.Init(ctx, b, store.InitOptions{
		Suite: keys.SuiteNone, KDF: keys.KDFParams{KDF: keys.KDFNone}, Chunker: chunking.Default(), Compression: codec.Default,
	})
	if err != nil {
		tb.Fatal(err)
	}
	locked, err := store.Open(ctx, b)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := locked.Unlock(nil)
	if err != nil {
		tb.Fatal(err)
	}
	var s *store.Session
	var blob [8]byte
	noise := rand.New(rand.NewPCG(1, 1))
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range count {
		if s, err = r.NewSession(ctx); err != nil {
			tb.Fatal(err)
		}
		for range blobs {
			binary.LittleEndian.PutUint64(blob[:], noise.Uint64())
			if _, err := s.Put(ctx, index.Data, s.ID(index.Data, blob[:]), blob[:]); err != nil {
				tb.Fatal(err)
			}
		}
		root := &tree.Node{Type: tree.Directory, Mode: 0o755, Dir: tinyTree(tb, putter{s}, i)}
		d := &store.Details{Root: tree.AppendNode(nil, root)}
		snap := &store.Snapshot{Time: begin.Add(time.Duration(i) * time.Hour), Host: "host", Sources: [][]byte{[]byte("/d")}, XattrFamilies: []string{}}
		if err := s.Commit(ctx, snap, d); err != nil {
			tb.Fatal(err)
		}
		if err := s.Close(ctx); err != nil {
			tb.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		tb.Fatal(err)
	}
}

func tinyTree(tb testing.TB, p putter, turn int) tree.Dir {
	tb.Helper()
	files := tree.NewDirBuilder(p)
	for i := range 10 {
		text := []byte(strconv.Itoa(i))
		if i == turn%10 {
			text = []byte(fmt.Sprint("changed in ", turn))
		}
		n := &tree.Node{Name: fmt.Sprintf("file%d.txt", i), Type: tree.Regular, Mode: 0o644, Size: uint64(len(text)), Content: tree.Content{Inline: text}}
		if err := files.Add(tb.Context(), n); err != nil {
			tb.Fatal(err)
		}
	}
	below, err := files.Finish(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	root := tree.NewDirBuilder(p)
	if err := root.Add(tb.Context(), &tree.Node{Name: "d", Type: tree.Directory, Mode: 0o755, Dir: below}); err != nil {
		tb.Fatal(err)
	}
	d, err := root.Finish(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// BenchmarkMountManySnapshots measures from exec to the end of the first ls of
// latest, with a warm local cache, and of a directory in the versions view. With
// GARRET_BIG the 1,000 snapshots have 5 million blobs, which takes minutes to
// make.
func BenchmarkMountManySnapshots(b *testing.B) {
	garret, err := realProgram()
	if err != nil {
		b.Fatal(err)
	}
	sizes := []struct{ count, blobs int }{{1, 0}, {1000, 0}}
	if os.Getenv("GARRET_BIG") != "" {
		sizes = append(sizes, struct{ count, blobs int }{1000, 5000})
	}
	for _, size := range sizes {
		count := size.count
		work := b.TempDir()
		repo, mnt := filepath.Join(work, "repo"), filepath.Join(work, "mnt")
		manySnapshots(b, repo, count, size.blobs)
		if err := os.Mkdir(mnt, 0o700); err != nil {
			b.Fatal(err)
		}
		env := append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(work, "cache"))
		run := func(b *testing.B, program string, args ...string) []byte {
			cmd := exec.Command(program, args...)
			cmd.Env = env
			out, err := cmd.CombinedOutput()
			if err != nil {
				b.Fatalf("%s %v: %v: %s", program, args, err, out)
			}
			return out
		}
		for _, mode := range []string{"latest", "versions"} {
			b.Run(fmt.Sprintf("%d/%dblobs/%s", count, count*size.blobs, mode), func(b *testing.B) {
				run(b, garret, "-r", repo, "mount", mnt) // reads all records
				run(b, "ls", mnt+"/snapshots")
				run(b, garret, "umount", mnt)
				waitForMerge(b, filepath.Join(work, "cache"))
				for b.Loop() {
					args, dir, want := []string{"-r", repo, "mount", mnt}, mnt+"/latest/d", 10
					if mode == "versions" {
						args, dir, want = append(args, "--versions"), mnt+"/d/file0.txt", (count+9)/10+min(count-1, 1)
					}
					run(b, garret, args...)
					if got := bytes.Count(run(b, "ls", dir), []byte("\n")); got != want {
						b.Fatalf("%d names, want %d", got, want)
					}
					b.StopTimer()
					run(b, garret, "umount", mnt)
					b.StartTimer()
				}
			})
		}
	}
}

// waitForMerge waits until a process that goes on beside has merged the cached
// index.
func waitForMerge(b *testing.B, cache string) {
	b.Helper()
	const few = 20 // segments
	for range 1000 {
		loose, err := filepath.Glob(filepath.Join(cache, "garret", "*", "index", "*"))
		if err != nil {
			b.Fatal(err)
		}
		if len(loose) <= few {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatal("the index was not merged")
}
