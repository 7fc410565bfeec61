package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/chunking"
	"garret/fs/source"
	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
)

var testParams = chunking.Params{Algorithm: "fastcdc", Min: 4 << 10, Avg: 16 << 10, Max: 64 << 10, Programs: 8 << 10}

func testChunker(t testing.TB, p chunking.Params) *chunking.Chunker {
	t.Helper()
	c, err := chunking.New(p, [32]byte{1}, [16]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// bench is a directory to snapshot and the store to snapshot it to.
type bench struct {
	t     testing.TB
	dir   string
	store *treetest.Store
	o     Options

	mu       sync.Mutex
	warnings []Warning
	items    []string
	opened   []string // names of files
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), store: treetest.New()}
	b.o = Options{
		Store: b.store, Chunker: testChunker(t, testParams),
		Sources: []string{b.dir}, Root: b.dir,
		Warn: func(w Warning) { b.warnings = append(b.warnings, w) },
		Item: func(i Item) { b.items = append(b.items, string(i.Status)+" "+i.Path) },
		openFile: func(name string, open func() (file, error)) (file, error) {
			b.mu.Lock()
			b.opened = append(b.opened, name)
			b.mu.Unlock()
			return open()
		},
	}
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name string, data []byte) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func noise(seed uint64, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 9})
	p := make([]byte, n)
	r.Read(p)
	return p
}

// run makes a snapshot that must succeed.
func (b *bench) run() *Result {
	b.t.Helper()
	b.warnings, b.items, b.opened = nil, nil, nil
	r, err := Run(context.Background(), b.o)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) tree(r *Result) *view.Tree { return view.New(b.store, r.Root, view.Options{}) }

// parent makes r the parent of the next run, as if it had begun a while after
// everything that exists was written.
func (b *bench) parent(r *Result) *Parent {
	p := &Parent{Tree: b.tree(r), Started: time.Now().Add(time.Minute), Devices: r.Devices}
	b.o.Parent = p
	return p
}

func (b *bench) noWarnings() {
	b.t.Helper()
	for _, w := range b.warnings {
		b.t.Errorf("warning: %s: %v", w.Path, w.Err)
	}
}

// warned checks that there is one warning, of that path and reason.
func (b *bench) warned(path string, reason error) {
	b.t.Helper()
	if len(b.warnings) != 1 || b.warnings[0].Path != path || !errors.Is(b.warnings[0].Err, reason) {
		b.t.Errorf("warnings %v, want one of %s: %v", b.warnings, path, reason)
	}
}

// paths returns the snapshot's paths in order.
func paths(t testing.TB, v *view.Tree) (all []string) {
	t.Helper()
	err := v.Walk(context.Background(), v.Root(), func(path string, e view.Entry) error {
		all = append(all, strings.TrimPrefix(path, "/"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func resolve(t testing.TB, v *view.Tree, path string) view.Entry {
	t.Helper()
	e, err := v.Resolve(context.Background(), path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return e
}

func content(t testing.TB, v *view.Tree, path string) []byte {
	t.Helper()
	data, err := io.ReadAll(v.Open(context.Background(), resolve(t, v, path)))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return data
}

// same checks the whole snapshot against the directory by other means than
// those that made it.
func (b *bench) same(v *view.Tree) {
	b.t.Helper()
	var want []string
	err := filepath.WalkDir(b.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(b.dir, path)
		if rel == "." {
			rel = ""
		}
		if d.Type()&fs.ModeSocket == 0 {
			want = append(want, rel)
			b.sameEntry(v, rel)
		}
		return nil
	})
	b.must(err)
	got := paths(b.t, v)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		b.t.Errorf("entries %q, want %q", got, want)
	}
}

func (b *bench) sameEntry(v *view.Tree, rel string) {
	b.t.Helper()
	e := resolve(b.t, v, rel)
	var k syscall.Stat_t
	b.must(syscall.Lstat(b.path(rel), &k))
	mode := map[tree.Type]uint32{tree.Regular: syscall.S_IFREG, tree.Directory: syscall.S_IFDIR, tree.Symlink: syscall.S_IFLNK,
		tree.FIFO: syscall.S_IFIFO, tree.CharDevice: syscall.S_IFCHR, tree.BlockDevice: syscall.S_IFBLK}[e.Type] | uint32(e.Mode)
	if mode != k.Mode || e.UID != k.Uid || e.GID != k.Gid || e.Inode != k.Ino || e.Links != uint64(k.Nlink) || e.Rdev != k.Rdev {
		b.t.Errorf("%s: node %+v, stat %+v", rel, e.Node, k)
	}
	if e.ModTime != (tree.Time{Sec: k.Mtim.Sec, Nsec: uint32(k.Mtim.Nsec)}) || e.ChangeTime != (tree.Time{Sec: k.Ctim.Sec, Nsec: uint32(k.Ctim.Nsec)}) {
		b.t.Errorf("%s: times %v %v, stat %v %v", rel, e.ModTime, e.ChangeTime, k.Mtim, k.Ctim)
	}
	switch e.Type {
	case tree.Regular:
		want, err := os.ReadFile(b.path(rel))
		b.must(err)
		if got := content(b.t, v, rel); !bytes.Equal(got, want) || e.Size != uint64(len(want)) {
			b.t.Errorf("%s: content of %d bytes differs from the file's %d", rel, len(got), len(want))
		}
	case tree.Symlink:
		if want, err := os.Readlink(b.path(rel)); err != nil || e.Target != want {
			b.t.Errorf("%s: target %q, want %q (%v)", rel, e.Target, want, err)
		}
	}
}

// root skips what only root may do.
func (b *bench) root() bool { return os.Geteuid() == 0 }

func fifo(t testing.TB, path string) {
	t.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

func statPath(path string, e *entry) error { return source.StatPath(path, false, &e.stat) }

func nameOf(i int) string { return fmt.Sprintf("f%04d", i) }
