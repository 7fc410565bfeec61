package restore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree/treetest"
	"garret/index"
)

// With Delete a directory becomes what was stored, and nothing outside it is
// touched: not what a symbolic link leads to, nor what stands beside it.
func TestDelete(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.Dir("dir", treetest.File("file", "x"), treetest.Dir("sub", treetest.File("y", "y"))), treetest.File("top", "z")))
	for _, as := range []string{"", "dir"} {
		dest, outside := t.TempDir(), t.TempDir()
		o, warnings := f.options(dest)
		root := f.view.Root()
		if as != "" {
			root = f.find(t, as)
		}
		o.From, o.As, o.Path, o.Overwrite, o.Delete = root, as, as, ReplaceChanged, true
		if _, err := Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		must(t, os.WriteFile(outside+"/kept", nil, 0o600))
		must(t, os.WriteFile(dest+"/beside", nil, 0o600))
		must(t, os.MkdirAll(dest+"/dir/extra/deep\n/er", 0o755))
		must(t, os.WriteFile(dest+"/dir/extra/deep\n/er/file", nil, 0))
		must(t, os.Chmod(dest+"/dir/extra/deep\n", 0))
		must(t, os.Symlink(outside, dest+"/dir/extra/link"))
		must(t, os.Symlink(outside, dest+"/dir/sub/link"))
		must(t, os.Remove(dest+"/dir/sub/y"))
		must(t, os.MkdirAll(dest+"/dir/sub/y/in the way", 0o755))
		want := []string{"dir/extra", "dir/sub/link", "dir/sub/y"}
		if as == "" {
			want = append(want, "beside")
		}

		for _, dry := range []bool{true, false} {
			var told []string
			o.DryRun, o.Deleted = dry, func(path string) { told = append(told, strings.TrimPrefix(path, dest+"/")) }
			stats, err := Run(context.Background(), o)
			if err != nil || len(*warnings) > 0 {
				t.Fatal(err, *warnings)
			}
			slices.Sort(told)
			slices.Sort(want)
			if !slices.Equal(told, want) || stats.Deleted != uint64(len(want)) {
				t.Errorf("dry %v: deleted %q (%d), want %q", dry, told, stats.Deleted, want)
			}
			for _, p := range want {
				_, err := os.Lstat(dest + "/" + p)
				if gone := errors.Is(err, os.ErrNotExist); gone == dry && !(p == "dir/sub/y" && !dry) {
					t.Errorf("dry %v: %s: %v", dry, p, err)
				}
			}
		}
		check(t, dest+"/dir", f.specOf("dir"))
		if _, err := os.Stat(outside + "/kept"); err != nil {
			t.Errorf("followed a link out: %v", err)
		}
		if _, err := os.Stat(dest + "/beside"); (err == nil) != (as != "") {
			t.Errorf("%q: beside: %v", as, err)
		}
	}
}

// What patterns leave out stays, as does what lies where it is not known what
// was stored.
func TestDeleteLeavesAlone(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.Dir("lost", treetest.File("file", "others")), treetest.Dir("dir", treetest.File("file", "x"))))
	dest := t.TempDir()
	f.restore(t, dest)
	for _, p := range []string{"lost/extra", "dir/extra", "dir/extra.o"} {
		must(t, os.WriteFile(dest+"/"+p, nil, 0o600))
	}
	f.store.Lose(index.Tree, f.find(t, "lost").Dir.ID)
	f.reopen()
	o, _ := f.options(dest)
	o.Overwrite, o.Delete = ReplaceChanged, true
	o.Select = func(path string) Verdict {
		if strings.HasSuffix(path, ".o") {
			return Prune
		}
		return Take
	}
	stats, err := Run(context.Background(), o)
	if err != nil || stats.Deleted != 1 {
		t.Errorf("%d deleted, %v", stats.Deleted, err)
	}
	for p, want := range map[string]bool{"lost/extra": true, "lost/file": true, "dir/extra": false, "dir/extra.o": true} {
		if _, err := os.Stat(dest + "/" + p); (err == nil) != want {
			t.Errorf("%s: %v", p, err)
		}
	}
	for _, how := range []Overwrite{Refuse, Keep} {
		o.Overwrite = how
		if _, err := Run(context.Background(), o); err == nil {
			t.Errorf("deleted with %v", how)
		}
	}
}

// A file system that is mounted in the destination is not emptied.
func TestDeleteStaysOnFileSystem(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.File("file", "x")))
	dest := t.TempDir()
	mnt := dest + "/extra/mnt"
	must(t, os.MkdirAll(mnt, 0o755))
	if err := unix.Mount("garret-test", mnt, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(mnt, unix.MNT_DETACH) })
	must(t, os.WriteFile(mnt+"/kept", nil, 0o600))
	o, warnings := f.options(dest)
	o.Overwrite, o.Delete = Replace, true
	if _, err := Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	if len(*warnings) != 1 || !errors.Is((*warnings)[0].err, errOtherFileSystem) {
		t.Errorf("warnings %v", fmt.Sprint(*warnings))
	}
	if _, err := os.Stat(mnt + "/kept"); err != nil {
		t.Error(err)
	}
}

// A snapshot that was made with --one-file-system holds the directory that
// another file system is mounted on, empty. To restore it does not mean to
// delete that file system.
func TestDeleteInMountedDirectory(t *testing.T) {
	for _, as := range []string{"", "top"} {
		f := build(t, treetest.Dir("", treetest.Dir("mnt"), treetest.File("file", "x")))
		dest := t.TempDir()
		mnt := filepath.Join(dest, as, "mnt")
		must(t, os.MkdirAll(mnt, 0o755))
		if err := unix.Mount("garret-test", mnt, "tmpfs", 0, "size=64k"); err != nil {
			t.Skipf("needs the right to mount: %v", err)
		}
		t.Cleanup(func() { unix.Unmount(mnt, unix.MNT_DETACH) })
		must(t, os.WriteFile(mnt+"/kept", nil, 0o600))
		must(t, os.WriteFile(filepath.Join(dest, as, "extra"), nil, 0o600))
		for _, dry := range []bool{true, false} {
			o, warnings := f.options(dest)
			o.As, o.Overwrite, o.Delete, o.DryRun = as, Replace, true, dry
			stats, err := Run(context.Background(), o)
			if err != nil || stats.Deleted != 1 {
				t.Fatalf("%+v, %v", stats, err)
			}
			if len(*warnings) != 1 || !errors.Is((*warnings)[0].err, errOtherFileSystem) {
				t.Errorf("warnings %v", fmt.Sprint(*warnings))
			}
		}
		if _, err := os.Stat(mnt + "/kept"); err != nil {
			t.Error(err)
		}
	}
}

// The repository is in no snapshot, as it is left out. When the source is made
// what it was it must not go.
func TestDeleteSparesRepository(t *testing.T) {
	f := build(t, treetest.Dir("", treetest.File("file", "x")))
	dest := t.TempDir()
	for _, repo := range []string{"repo", "backups/here/repo"} {
		must(t, os.MkdirAll(dest+"/"+repo, 0o755))
		must(t, os.WriteFile(dest+"/"+repo+"/pack", nil, 0o600))
		var st unix.Stat_t
		must(t, unix.Stat(dest+"/"+repo, &st))
		o, warnings := f.options(dest)
		o.Overwrite, o.Delete = Replace, true
		o.Spare = func(dev, ino uint64) bool { return dev == st.Dev && ino == st.Ino }
		if _, err := Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		if len(*warnings) != 1 || !errors.Is((*warnings)[0].err, errSpared) {
			t.Errorf("%s: warnings %v", repo, fmt.Sprint(*warnings))
		}
		if _, err := os.Stat(dest + "/" + repo + "/pack"); err != nil {
			t.Error(err)
		}
	}
}
