package tarball

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"garret/fs/compare/uglytest"
	"garret/fs/diff"
	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
)

// importTo imports an archive into a store and returns the warnings.
func importTo(t testing.TB, s *treetest.Store, archive io.Reader) (*stored, *ImportResult, map[string]error) {
	t.Helper()
	warnings := make(map[string]error)
	r, err := Import(t.Context(), archive, ImportOptions{Store: s, Chunker: testChunker(t), Started: time.Unix(1e9, 0),
		Warn: func(path string, err error) { warnings[path] = err }})
	if err != nil {
		t.Fatal(err)
	}
	if r.Warnings < uint64(len(warnings)) {
		t.Errorf("%d warnings counted, %d given", r.Warnings, len(warnings))
	}
	return &stored{s, r.Root}, r, warnings
}

// An export that is imported is the tree that it was, but for what an archive
// cannot hold; and of its content nothing is stored again.
func TestUglyTreeThereAndBack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to read all of the tree")
	}
	ugly, err := uglytest.BuildFew(filepath.Join(uglytest.TempDir(t), "source"), 300)
	if err != nil {
		t.Fatal(err)
	}
	s := snapshotOf(t, ugly.Root)
	archive, w := io.Pipe()
	go func() {
		// archive/tar cannot tell of holes: terabytes of zeros take minutes.
		_, warnings := s.export(t, w, "", "pp:"+ugly.Huge[0], "pp:"+ugly.Huge[1])
		if len(warnings) > 0 {
			t.Errorf("export: %v", warnings)
		}
		w.Close()
	}()
	back, result, warnings := importTo(t, s.Store, archive)
	if len(warnings) > 0 {
		t.Errorf("%v", warnings)
	}
	_, err = diff.Run(t.Context(), s, s.root, back.root, diff.Options{}, func(d diff.Difference) error {
		if d.B == nil && (d.Path == ugly.Huge[0] || d.Path == ugly.Huge[1]) || d.Path == "" {
			return nil
		}
		for _, k := range d.Kinds {
			if k != diff.Flags {
				t.Errorf("%q: %v, %+v", d.Path, d.Kinds, d.Bytes)
				return nil
			}
		}
		if d.A == nil || d.B == nil {
			t.Errorf("%q: %v, %v", d.Path, d.A, d.B)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n := result.Files + result.Dirs + result.Others; n != s.root.Dir.Total-2+1 {
		t.Errorf("%d entries, want %d", n, s.root.Dir.Total-1)
	}
}

// archive makes one with Go's writer, which shares no code with the reader of
// attributes.
func archive(t testing.TB, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		data := ""
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			data = "data of " + h.Name
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// Archives of anybody's: entries in any order, directories that are not there,
// paths that lead out, names that come twice. What can be stored is, and nothing
// that is left out goes untold.
func TestAnyArchive(t *testing.T) {
	when := time.Unix(5, 0)
	file := func(name string) tar.Header { return tar.Header{Name: name, Mode: 0o600, ModTime: when} }
	dir := func(name string, mode int64) tar.Header {
		return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, ModTime: when}
	}
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to}
	}
	symlink := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	for _, c := range []struct {
		name    string
		headers []tar.Header
		want    string // paths, of directories with a mode
		warn    map[string]error
	}{
		{"any order", []tar.Header{file("z/b"), file("a"), dir("z", 0o711), file("z/a")}, "a z:711 z/a z/b", nil},
		{"no directories", []tar.Header{file("x/y/z")}, "x:755 x/y:755 x/y/z", nil},
		{"dots and slashes", []tar.Header{dir("./", 0o700), file("./a"), file("/b//./c")}, "a b:755 b/c", nil},
		{"out of the tree", []tar.Header{file("../a"), file("b/../../c"), file("d")}, "d", map[string]error{"../a": ErrPath, "b/../../c": ErrPath}},
		{"twice", []tar.Header{file("a"), symlink("a", "x")}, "a", map[string]error{"a": ErrDoubled}},
		{"directory twice", []tar.Header{dir("a", 0o700), file("a/b"), dir("a", 0o711)}, "a:711 a/b", map[string]error{"a": ErrDoubled}},
		{"file for a directory", []tar.Header{file("a/b"), file("a")}, "a:755 a/b", map[string]error{"a": ErrInTheWay}},
		{"through a link", []tar.Header{symlink("a", "/etc"), file("a/b")}, "a", map[string]error{"a/b": ErrInTheWay}},
		{"hard link", []tar.Header{file("a"), link("b/c", "./a")}, "a b:755 b/c", nil},
		{"hard link to nothing", []tar.Header{link("b", "a"), file("a")}, "a", map[string]error{"b": ErrNoTarget}},
		{"hard link to a directory", []tar.Header{dir("a", 0o700), link("b", "a")}, "a:700", map[string]error{"b": ErrNoTarget}},
		{"hard link to itself", []tar.Header{file("a"), link("a", "a")}, "a", nil},
	} {
		s, _, warnings := importTo(t, treetest.New(), archive(t, c.headers...))
		var got []string
		v := s.view()
		if err := v.Walk(t.Context(), v.Root(), func(path string, e view.Entry) error {
			switch {
			case path == "":
				return nil
			case e.Type == tree.Directory:
				path += ":" + string("01234567"[e.Mode>>6]) + string("01234567"[e.Mode>>3&7]) + string("01234567"[e.Mode&7])
			}
			got = append(got, path)
			return nil
		}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		for path, err := range warnings {
			path = strings.TrimSuffix(path, "/")
			if !errors.Is(err, c.warn[path]) || c.warn[path] == nil {
				t.Errorf("%s: %s: %v", c.name, path, err)
			}
		}
		if len(warnings) != len(c.warn) {
			t.Errorf("%s: %v", c.name, warnings)
		}
	}
}

// A link has the content and the count of its file.
func TestImportedLinks(t *testing.T) {
	s, r, _ := importTo(t, treetest.New(), archive(t, tar.Header{Name: "a", Mode: 0o640}, tar.Header{Typeflag: tar.TypeLink, Name: "b", Linkname: "a"}))
	v := s.view()
	a, _ := v.Resolve(t.Context(), "a")
	b, err := v.Resolve(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	group, ok := a.HardLink()
	if other, same := b.HardLink(); !ok || !same || group != other || a.Links != 2 || b.Mode != 0o640 || b.Size != a.Size || r.Files != 2 {
		t.Errorf("%+v, %+v", a.Node, b.Node)
	}
}

// Half an archive, or what is none, makes no tree.
func TestNoArchive(t *testing.T) {
	whole := archive(t, tar.Header{Name: "a"}, tar.Header{Name: "b"}).Bytes()
	for name, data := range map[string][]byte{
		"nothing": nil, "zeros": make([]byte, 1024), "text": []byte(strings.Repeat("It was a dark and stormy night. ", 100)),
		"cut in a header": whole[:1024+100], "cut in a file": whole[:512+3],
	} {
		r, err := Import(t.Context(), bytes.NewReader(data), ImportOptions{Store: treetest.New(), Chunker: testChunker(t)})
		if err == nil || r != nil {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// ACLs are understood in all the forms that programs write.
func TestACLTexts(t *testing.T) {
	want := "user::rwx\nuser:0:r-x\nuser:1000:---\ngroup::r--\ngroup:12:rw-\nmask::rwx\nother::--x\n"
	for _, text := range []string{
		want,
		"other::--x,group:12:rw-,user:1000:---,user::rwx,user:root:r-x,mask::rwx,group::r--",
		"u::rwx\nu:nosuchuser:---:1000\nu:root:r-x:0\ng::r--\ng:12:rw- # comment\nm:rwx\no:x\n",
	} {
		value, err := parseACL(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got, ok := aclText(value); !ok || got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for _, text := range []string{"user", "user:x", "everybody::rwx", "user:nosuchuser:rwx", "mask:1:rwx", "user::rwz"} {
		if _, err := parseACL(text); !errors.Is(err, ErrACL) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
