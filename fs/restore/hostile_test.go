package restore

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

// hookLoader calls hook before it loads the at-th data blob.
type hookLoader struct {
	tree.Loader
	n    atomic.Int64
	at   int64
	hook func()
}

func (l *hookLoader) Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error) {
	if kind == index.Data && l.n.Add(1) == l.at {
		l.hook()
	}
	return l.Loader.Blob(ctx, kind, id)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// empty reports an error if somebody wrote into the directory.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("something was written outside: %v, %v", entries, err)
	}
}

// A symbolic link that was planted in the destination is never followed: root
// who restores for a user would otherwise write where the user says.
func TestPlantedLinks(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.Dir("dir", treetest.File("file", "restored")), treetest.File("file", "restored")))
	for _, planted := range []string{"dir", "file", "dir/file"} {
		for _, overwrite := range []bool{false, true} {
			dest, outside := t.TempDir(), t.TempDir()
			if planted == "dir/file" {
				must(t, os.Mkdir(dest+"/dir", 0o755))
			}
			target := outside
			if planted != "dir" {
				target += "/new"
			}
			must(t, os.Symlink(target, dest+"/"+planted))
			o, warnings := f.options(dest)
			if overwrite {
				o.Overwrite = Replace
			}
			_, err := Run(context.Background(), o)
			empty(t, outside)
			if !overwrite {
				if !errors.Is(err, ErrExists) || err.Error() != dest+"/"+planted+": already exists" {
					t.Errorf("%s planted: %v, %v", planted, err, *warnings)
				}
				continue
			}
			if err != nil || len(*warnings) > 0 {
				t.Errorf("%s planted, to be replaced: %v, %v", planted, err, *warnings)
			}
			check(t, dest+"/file", f.specOf("file"))
			check(t, dest+"/dir", f.specOf("dir"))
		}
	}
}

// specOf returns the specification of an entry of the root.
func (f *fixture) specOf(name string) treetest.Spec {
	for _, s := range f.spec.Children {
		if s.Name == name {
			return s
		}
	}
	panic("no " + name)
}

// Somebody swaps a directory for a symbolic link while it is being filled.
func TestSwappedDirectory(t *testing.T) {
	spec := treetest.Dir("dir")
	for i := range 300 {
		spec.Children = append(spec.Children, treetest.File(string(rune('a'+i%26))+string(rune('a'+i/26)), string(noise(byte(i), 1000))))
	}
	f := build(t, treetest.Dir("", spec))
	dest, outside := t.TempDir(), t.TempDir()
	o, _ := f.options(dest)
	o.Loader = &hookLoader{Loader: f.store, at: 100, hook: func() {
		if err := errors.Join(os.Rename(dest+"/dir", dest+"/moved"), os.Symlink(outside, dest+"/dir")); err != nil {
			t.Error(err)
		}
	}}
	if _, err := Run(context.Background(), o); err != nil {
		t.Error(err)
	}
	empty(t, outside)
	if entries, err := os.ReadDir(dest + "/moved"); err != nil || len(entries) != 300 {
		t.Errorf("%d files in the directory that was moved, %v", len(entries), err)
	}
	var st unix.Stat_t
	if err := unix.Stat(outside, &st); err != nil || st.Mtim.Sec == f.spec.Children[0].ModTime.Sec {
		t.Errorf("metadata went outside: %+v, %v", st, err)
	}
}

// Names that lead out of the destination come from whoever had a key.
func TestHostileNames(t *testing.T) {
	const name = "AAAevil"
	for _, hostile := range []string{"../evil", "/tmp/ev", "a/../.."} {
		f := build(t, treetest.Dir("", treetest.Dir("sub", treetest.File(name, "x")), treetest.File("good", "x")))
		page := f.find(t, "sub").Dir.ID
		f.store.Forge(index.Tree, page, bytes.ReplaceAll(f.store.Page(page), []byte(name), []byte(hostile)))
		f.reopen()
		top := t.TempDir()
		o, warnings := f.options(top + "/dest")
		if _, err := Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		if len(*warnings) != 1 || !errors.Is((*warnings)[0].err, tree.ErrInvalid) || (*warnings)[0].path != top+"/dest/sub" {
			t.Errorf("%q: warnings %v", hostile, *warnings)
		}
		if got, err := os.ReadFile(top + "/dest/good"); string(got) != "x" {
			t.Errorf("the rest was not restored: %v", err)
		}
		if entries, _ := os.ReadDir(top); len(entries) != 1 {
			t.Errorf("%q: outside: %v", hostile, entries)
		}
		empty(t, top+"/dest/sub")
	}
	f := build(t, treetest.Dir("", treetest.File("file", "x")))
	for _, as := range []string{"..", ".", "a/b", "/etc", "a\x00b"} {
		o, _ := f.options(t.TempDir())
		o.As = as
		if _, err := Run(context.Background(), o); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("restore as %q: %v", as, err)
		}
	}
}

// Existing files are never touched without Overwrite; with it they are replaced
// and not written through: another name of the old file keeps the old content.
func TestExistingFiles(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.File("file", "new"), treetest.Symlink("link", "new"),
		linked(treetest.File("one", "n"), 4, 2), linked(treetest.File("two", "n"), 4, 2)))
	for _, name := range []string{"file", "link", "one", "two"} {
		dest := t.TempDir()
		must(t, os.WriteFile(dest+"/"+name, []byte("old"), 0o600))
		must(t, os.Link(dest+"/"+name, dest+"/kept"))
		o, _ := f.options(dest)
		if _, err := Run(context.Background(), o); !errors.Is(err, ErrExists) || err.Error() != dest+"/"+name+": already exists" {
			t.Errorf("%s is in the way: %v", name, err)
		}
		for _, p := range []string{name, "kept"} {
			if got, err := os.ReadFile(dest + "/" + p); string(got) != "old" {
				t.Errorf("%s changed to %q, %v", p, got, err)
			}
		}
		o.Overwrite = Replace
		if _, err := Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(dest + "/kept"); string(got) != "old" {
			t.Errorf("another name of %s has now %q, %v", name, got, err)
		}
		must(t, os.Remove(dest+"/kept"))
		for _, s := range f.spec.Children {
			check(t, dest+"/"+s.Name, f.specOf(s.Name))
		}
	}
}

// A directory with something in it is never removed for a file.
func TestDirectoryInTheWay(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.File("file", "new"), treetest.File("other", "new")))
	dest := t.TempDir()
	must(t, os.MkdirAll(dest+"/file/kept", 0o755))
	o, warnings := f.options(dest)
	o.Overwrite = Replace
	if _, err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if len(*warnings) != 1 || (*warnings)[0].path != dest+"/file" || !errors.Is((*warnings)[0].err, ErrExists) {
		t.Errorf("warnings %v", *warnings)
	}
	if _, err := os.Stat(dest + "/file/kept"); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(dest + "/other"); string(got) != "new" {
		t.Errorf("the rest was not restored: %v", err)
	}
}
