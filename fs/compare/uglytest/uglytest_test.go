package uglytest

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/compare"
)

func build(t *testing.T, root string) *Tree {
	t.Helper()
	tree, err := Build(root)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// Two of them are the same: what a comparison of a copy finds is the copy's
// fault. And the comparison itself gets through.
func TestBuild(t *testing.T) {
	dir := TempDir(t)
	a, b := build(t, dir+"/a"), build(t, dir+"/b")
	stats, err := compare.Run(t.Context(), a.Root, b.Root, compare.Options{LinkCounts: true, Holes: true, Blocks: true},
		func(d compare.Difference) {
			if os.Geteuid() == 0 || d.Kind != compare.Unreadable {
				t.Error(d)
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	if want := a.Entries + uint64(len(a.Sockets)) + 1; os.Geteuid() == 0 && stats.Entries != want {
		t.Errorf("%d entries compared, want %d", stats.Entries, want)
	}
	if os.Geteuid() == 0 && os.Getenv("CI") == "true" {
		// Not every file system has these.
		some := []string{"nocow", "sync", "noatime"}
		if lacks := slices.DeleteFunc(a.Lacks, func(what string) bool { return slices.Contains(some, what) }); len(lacks) > 0 {
			t.Errorf("the tree lacks %q", lacks)
		}
	}
	t.Logf("%d entries without %q", a.Entries, a.Lacks)
}

// An ordinary user can build its part of the tree.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("TestBuild does it")
	}
	const nobody = 65534
	dir := TempDir(t)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	// The saved user stays root, so that there is a way back.
	for _, err := range []error{syscall.Setresgid(-1, nobody, -1), syscall.Setresuid(-1, nobody, -1),
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	back := func() {
		for _, err := range []error{syscall.Setresuid(-1, 0, -1), syscall.Setresgid(-1, 0, -1)} {
			if err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(back)
	tree, err := BuildFew(dir+"/tree", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range tree.Unreadable {
		if f, err := os.Open(filepath.Join(tree.Root, path)); err == nil {
			_, err = f.Readdirnames(1)
			f.Close()
			if err == nil {
				_, err = os.Lstat(filepath.Join(tree.Root, path, "file"))
			}
			if err == nil {
				t.Errorf("%q can be read", path)
			}
		}
	}
	if err := Remove(tree.Root); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(tree.Root); !os.IsNotExist(err) {
		t.Errorf("removed, but there: %v", err)
	}
}
