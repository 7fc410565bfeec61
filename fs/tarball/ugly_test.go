package tarball

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"garret/chunking"
	"garret/fs/compare"
	"garret/fs/compare/uglytest"
	"garret/fs/pattern"
	"garret/fs/snapshot"
	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
)

// stored is a tree in a store.
type stored struct {
	*treetest.Store
	root *tree.Node
}

func (s *stored) view() *view.Tree { return view.New(s, s.root, view.Options{}) }

// export writes an archive of what is at a path, and returns the warnings.
func (s *stored) export(t testing.TB, w io.Writer, path string, exclude ...string) (ExportStats, map[string]error) {
	t.Helper()
	v := s.view()
	from, err := v.Resolve(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	var patterns pattern.List
	for _, p := range exclude {
		if err := patterns.Exclude(p); err != nil {
			t.Fatal(err)
		}
	}
	warnings := make(map[string]error)
	stats, err := Export(t.Context(), w, ExportOptions{Tree: v, Loader: s, From: from, Path: path, Patterns: &patterns,
		Warn: func(path string, err error) { warnings[path] = err }})
	if err != nil {
		t.Fatal(err)
	}
	if stats.Warnings != uint64(len(warnings)) {
		t.Errorf("%d warnings counted, %d given", stats.Warnings, len(warnings))
	}
	return stats, warnings
}

func testChunker(t testing.TB) *chunking.Chunker {
	t.Helper()
	c, err := chunking.New(chunking.Default(), [32]byte{1}, [16]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// snapshotOf stores a directory of this machine.
func snapshotOf(t testing.TB, dir string) *stored {
	t.Helper()
	s := &stored{Store: treetest.New()}
	r, err := snapshot.Run(t.Context(), snapshot.Options{Store: s, Chunker: testChunker(t), Sources: []string{dir}, Root: dir, Started: time.Now(),
		Warn: func(w snapshot.Warning) {
			if !w.Notice {
				t.Errorf("%s: %v", w.Path, w.Err)
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	s.root = r.Root
	return s
}

// needTar skips where GNU tar is not there, and has to be in CI.
func needTar(t testing.TB) {
	t.Helper()
	out, err := exec.Command("tar", "--version").Output()
	if err == nil && bytes.Contains(out, []byte("GNU tar")) {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no GNU tar")
	}
	t.Skip("there is no GNU tar")
}

// extract has GNU tar write a tree's archive back. That times are odd, and that
// it need not be told that a name is bytes, it says of each entry.
func (s *stored) extract(t testing.TB, to string, exclude ...string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tar", "--xattrs", "--acls", "--xattrs-include=*", "--warning=no-timestamp", "--warning=no-unknown-keyword", "-xpSf", "-", "-C", to)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, warnings := s.export(t, in, "", exclude...); len(warnings) > 0 {
		t.Errorf("export: %v", warnings)
	}
	in.Close()
	if err := cmd.Wait(); err != nil || said.Len() > 0 {
		t.Errorf("tar: %v\n%s", err, said.String())
	}
}

// What GNU tar extracts is what was there, in all that an archive can hold: a
// user who gives the archive to somebody without garret loses nothing.
func TestUglyTreeThroughTar(t *testing.T) {
	needTar(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give files away")
	}
	dir := uglytest.TempDir(t)
	ugly, err := uglytest.BuildFew(filepath.Join(dir, "source"), 300)
	if err != nil {
		t.Fatal(err)
	}
	s := snapshotOf(t, ugly.Root)
	to := filepath.Join(dir, "extracted")
	// Programs like tar name files from one directory, and get no further than
	// PATH_MAX.
	s.extract(t, to, "pp:"+ugly.TooDeep)
	o := compare.Options{IgnoreRoot: true, IgnoreFlags: true, IgnoreSockets: true, LinkCounts: true, Holes: true}
	stats, err := compare.Run(context.Background(), ugly.Root, to, o, func(d compare.Difference) {
		if !strings.HasPrefix(d.Path, ugly.TooDeep) {
			t.Error(d)
		}
	})
	if err != nil || stats.Entries < 900 {
		t.Errorf("%d entries compared: %v", stats.Entries, err)
	}
}
