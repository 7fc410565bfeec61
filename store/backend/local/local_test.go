package local_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"garret/store/backend"
	"garret/store/backend/backendtest"
	"garret/store/backend/local"
	"garret/store/backend/powercut"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend { return create(t, t.TempDir()) })
}

func create(t *testing.T, path string) *local.Backend {
	t.Helper()
	b, err := local.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestCreate(t *testing.T) {
	tests := []struct {
		name  string
		exist []string // below the temporary folder; a slash at the end makes it a folder
		want  error
	}{
		{"new", nil, nil},
		{"empty", []string{"a/b/repo/"}, nil},
		{"new disk", []string{"a/b/repo/lost+found/"}, nil},
		{"not empty", []string{"a/b/repo/file"}, backend.ErrNotEmpty},
		{"another repository", []string{"a/b/repo/packs/"}, backend.ErrNotEmpty},
		{"a file", []string{"a/b/repo"}, syscall.ENOTDIR},
		{"a file above", []string{"a/b"}, syscall.ENOTDIR},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range tt.exist {
				makePath(t, filepath.Join(dir, name), strings.HasSuffix(name, "/"))
			}
			path := filepath.Join(dir, "a/b/repo")
			b, err := local.Create(path)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Create: %v, want %v", err, tt.want)
			}
			if err != nil {
				return
			}
			defer b.Close()
			if err := b.Put(t.Context(), "packs/00/0", []byte("data")); err != nil {
				t.Fatal(err)
			}
			if list, err := backend.List(t.Context(), b, ""); err != nil || len(list) != 1 {
				t.Errorf("List: %v, %v", list, err)
			}
			if b.Location() != path {
				t.Errorf("Location is %q, want %q", b.Location(), path)
			}
			wantMode(t, path, "packs/00", 0o700|fs.ModeDir)
			wantMode(t, path, "packs/00/0", 0o600)
		})
	}
}

func makePath(t *testing.T, path string, folder bool) {
	t.Helper()
	parent := path
	if !folder {
		parent = filepath.Dir(path)
	}
	err := os.MkdirAll(parent, 0o700)
	if err == nil && !folder {
		err = os.WriteFile(path, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func wantMode(t *testing.T, root, name string, want fs.FileMode) {
	t.Helper()
	if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode() != want {
		t.Errorf("%s: %v, %v; want mode %v", name, info, err, want)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := local.Open(filepath.Join(dir, "missing")); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("opening a missing folder: %v", err)
	}
	makePath(t, filepath.Join(dir, "file"), false)
	if _, err := local.Open(filepath.Join(dir, "file")); !errors.Is(err, syscall.ENOTDIR) || errors.Is(err, backend.ErrNotExist) {
		t.Errorf("opening a file as a repository: %v", err)
	}
	t.Chdir(dir)
	create(t, "repo")
	b, err := local.Open("repo")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if !filepath.IsAbs(b.Location()) {
		t.Errorf("the location %q depends on the working directory", b.Location())
	}
}

// TestGone: a repository whose disk was unmounted is not an empty one, and is
// not made anew on the disk below.
func TestGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "repo")
	b := create(t, path)
	if err := b.Put(t.Context(), "packs/00/0", nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+"-gone"); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "packs", "index"} {
		if _, err := backend.List(t.Context(), b, prefix); !errors.Is(err, backend.ErrNotExist) {
			t.Errorf("List(%q): %v", prefix, err)
		}
	}
	for _, name := range []string{"config.1", "packs/00/1", "packs/01/1", "index/1"} {
		if err := b.Put(t.Context(), name, nil); err == nil {
			t.Errorf("Put(%q) succeeds", name)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made anew: %v", err)
	}
}

// TestForeignFiles: what other programs leave in the folder is not listed.
func TestForeignFiles(t *testing.T) {
	path := t.TempDir()
	b := create(t, path)
	if err := b.Put(t.Context(), "packs/00/0", nil); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lost+found/x", ".Trash-0/x", "packs/.nfs0001", "packs/00/tmp-0011223344556677", "packs/Thumbs.db", "a b", "tmp-1/x"} {
		makePath(t, filepath.Join(path, name), false)
	}
	if err := os.Symlink("dangling", filepath.Join(path, "packs/link")); err != nil {
		t.Fatal(err)
	}
	list, err := backend.List(t.Context(), b, "")
	if err != nil || len(list) != 1 || list[0].Name != "packs/00/0" {
		t.Errorf("List: %v, %v", list, err)
	}
}

// TestLinkedFolder: packs on another disk.
func TestLinkedFolder(t *testing.T) {
	path, elsewhere := t.TempDir(), t.TempDir()
	b := create(t, path)
	if err := os.Symlink(elsewhere, filepath.Join(path, "packs")); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "packs/00/0", []byte("data")); err != nil {
		t.Fatal(err)
	}
	wantMode(t, elsewhere, "00/0", 0o600)
	for _, prefix := range []string{"", "packs", "packs/00"} {
		list, err := backend.List(t.Context(), b, prefix)
		if err != nil || len(list) != 1 || list[0] != (backend.Entry{Name: "packs/00/0", Size: 4}) {
			t.Errorf("List(%q): %v, %v", prefix, list, err)
		}
	}
}

func TestCleanTemp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		disk := powercut.New()
		b, err := local.CreateFS(disk, "/repo")
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		touch := func(names ...string) {
			for _, name := range names {
				f, err := disk.Create("/repo/" + name)
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
			}
		}
		for _, name := range []string{"config.1", "packs/00/0"} {
			if err := b.Put(ctx, name, nil); err != nil {
				t.Fatal(err)
			}
		}
		touch("tmp-0000000000000000", "packs/00/tmp-0123456789abcdef", "tmp-notes", "tmp-00000000000000000")
		time.Sleep(23 * time.Hour)
		touch("packs/tmp-0000000000000001")
		if n, err := b.CleanTemp(ctx); n != 0 || err != nil {
			t.Errorf("after 23 hours, %d were removed, %v", n, err)
		}
		time.Sleep(2 * time.Hour)
		if n, _, err := b.OldTemp(ctx); n != 2 || err != nil {
			t.Errorf("after 25 hours, %d are old, %v; want 2", n, err)
		}
		if n, err := b.CleanTemp(ctx); n != 2 || err != nil {
			t.Errorf("after 25 hours, %d were removed, %v; want 2", n, err)
		}
		for _, name := range []string{"config.1", "packs/00/0", "tmp-notes", "tmp-00000000000000000", "packs/tmp-0000000000000001"} {
			if _, err := disk.Stat("/repo/" + name); err != nil {
				t.Errorf("%s was removed: %v", name, err)
			}
		}
	})
}

// An object is moved whole, in the place of what has the new name, and is
// served under that name only.
func TestMove(t *testing.T) {
	b, err := local.Create(filepath.Join(t.TempDir(), "repo"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx := t.Context()
	for name, data := range map[string]string{"packs/00/1": "one", "quarantine/packs/00/1": "old"} {
		if err := b.Put(ctx, name, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.ReadAt(ctx, "packs/00/1", make([]byte, 3), 0); err != nil { // an open file is not served on
		t.Fatal(err)
	}
	if err := b.Move(ctx, "packs/00/1", "quarantine/packs/00/1"); err != nil {
		t.Fatal(err)
	}
	if got, err := backend.ReadAll(ctx, b, "quarantine/packs/00/1", 10); err != nil || string(got) != "one" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := b.Size(ctx, "packs/00/1"); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("under its old name: %v", err)
	}
	if err := b.Move(ctx, "packs/00/1", "quarantine/x"); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}
