package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"garret/store/backend"
	"garret/store/backend/local"
)

// mount mounts a tmpfs of 1 MiB for the test and returns its folder. Who may
// not mount tests the same on a file system in memory (TestFailingCalls).
func mount(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		if os.Geteuid() == 0 && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EACCES) {
			t.Fatalf("mounting a tmpfs: %v", err)
		}
		t.Skipf("no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := mount(t)
	b := create(t, filepath.Join(dir, "repo"))
	ctx := t.Context()
	big := make([]byte, 600<<10)
	if err := b.Put(ctx, "packs/00/0", big); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(ctx, "packs/00/1", big); !errors.Is(err, backend.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Put on a full disk: %v", err)
	}
	if err := b.Put(ctx, "packs/00/0", big); !errors.Is(err, backend.ErrFull) {
		t.Errorf("replacing on a full disk: %v", err)
	}
	files, err := os.ReadDir(filepath.Join(dir, "repo/packs/00"))
	if err != nil || len(files) != 1 {
		t.Errorf("the disk holds %v, %v; want the one object", files, err)
	}
	if size, err := b.Size(ctx, "packs/00/0"); err != nil || size != int64(len(big)) {
		t.Errorf("the object that was there has %d bytes, %v", size, err)
	}
	// Deleting makes room again, which is what a user with a full disk needs.
	if err := b.Delete(ctx, "packs/00/0"); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(ctx, "packs/00/1", big); err != nil {
		t.Errorf("after deleting: %v", err)
	}
}

func TestReadOnlyDisk(t *testing.T) {
	dir := mount(t)
	b := create(t, filepath.Join(dir, "repo"))
	ctx := t.Context()
	if err := b.Put(ctx, "packs/00/0", []byte("data")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	b, err := local.Open(filepath.Join(dir, "repo"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for what, err := range map[string]error{
		"Put":                 b.Put(ctx, "packs/00/1", nil),
		"Put in a new folder": b.Put(ctx, "packs/01/1", nil),
		"Put at the root":     b.Put(ctx, "config.1", nil),
		"Delete":              b.Delete(ctx, "packs/00/0"),
	} {
		if !errors.Is(err, backend.ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", what, err)
		}
	}
	if _, err := local.Create(filepath.Join(dir, "other")); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("Create: %v, want ErrReadOnly", err)
	}
	wantRead(t, b, "packs/00/0", "data")
	if list, err := backend.List(ctx, b, ""); err != nil || len(list) != 1 {
		t.Errorf("List: %v, %v", list, err)
	}
	if n, err := b.CleanTemp(ctx); n != 0 || err != nil {
		t.Errorf("CleanTemp with nothing to clean: %d, %v", n, err)
	}
}

// TestReadOnlyFolder: a repository of another user's can be read, where the
// permissions allow, and says why it is not written.
func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere; TestFailingCalls has EACCES for root")
	}
	dir := filepath.Join(t.TempDir(), "repo")
	b := create(t, dir)
	if err := b.Put(t.Context(), "packs/00/0", []byte("data")); err != nil {
		t.Fatal(err)
	}
	folders := []string{dir, filepath.Join(dir, "packs"), filepath.Join(dir, "packs/00")}
	for _, f := range folders {
		if err := os.Chmod(f, 0o500); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(f, 0o700) })
	}
	if err := b.Put(t.Context(), "packs/00/1", nil); !errors.Is(err, backend.ErrPermission) {
		t.Errorf("Put: %v, want ErrPermission", err)
	}
	if err := b.Delete(t.Context(), "packs/00/0"); !errors.Is(err, backend.ErrPermission) {
		t.Errorf("Delete: %v, want ErrPermission", err)
	}
	wantRead(t, b, "packs/00/0", "data")
}
