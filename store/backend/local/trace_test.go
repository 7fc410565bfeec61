package local_test

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"garret/store/backend"
	"garret/store/backend/local"
	"garret/store/backend/powercut"
)

// recorder writes down the calls that change a disk, and fails some of them.
type recorder struct {
	mu    sync.Mutex
	calls []string
	fail  func(powercut.Call) error
}

var random = regexp.MustCompile(`tmp-[0-9a-f]{16}`)

func (r *recorder) hook(c powercut.Call) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Op.Changes() || c.Op == powercut.Close {
		call := fmt.Sprint(c.Op, " ", c.Path)
		if c.Op == powercut.Rename {
			call += " " + c.To
		}
		if c.Op == powercut.Write {
			call += fmt.Sprint(" ", c.Bytes)
		}
		r.calls = append(r.calls, random.ReplaceAllString(call, "TEMP"))
	}
	if r.fail != nil {
		return r.fail(c)
	}
	return nil
}

// take returns the calls since the last time.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return strings.Join(calls, "\n")
}

// record returns an empty repository whose calls are recorded.
func record(t *testing.T) (*local.Backend, *recorder, *powercut.FS) {
	t.Helper()
	disk := powercut.New()
	b, err := local.CreateFS(disk, "/repo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	r := &recorder{}
	disk.SetHook(r.hook)
	return b, r, disk
}

func wantCalls(t *testing.T, what, got, want string) {
	t.Helper()
	want = strings.ReplaceAll(strings.TrimSpace(want), "\t", "")
	if got != want {
		t.Errorf("%s makes the calls\n%s\nwant\n%s", what, got, want)
	}
}

// TestOrder: each of these calls, and their order, is what keeps an object
// through a power cut.
func TestOrder(t *testing.T) {
	disk := powercut.New()
	r := &recorder{}
	disk.SetHook(r.hook)
	b, err := local.CreateFS(disk, "/srv/repo")
	if err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "Create", r.take(), `
		mkdir /srv/repo
		mkdir /srv
		syncdir /
		mkdir /srv/repo
		syncdir /srv`)

	putOf := func(folder, name string, n int) string {
		return fmt.Sprintf(`
		create %[1]s/TEMP
		write %[1]s/TEMP %[3]d
		sync %[1]s/TEMP
		close %[1]s/TEMP
		rename %[1]s/TEMP %[1]s/%[2]s
		syncdir %[1]s`, folder, name, n)
	}
	steps := []struct {
		name string
		want string
	}{
		{"config.1", putOf("/srv/repo", "config.1", 5)},
		{"packs/3f/3f09", `
		mkdir /srv/repo/packs
		syncdir /srv/repo
		mkdir /srv/repo/packs/3f
		syncdir /srv/repo/packs` + putOf("/srv/repo/packs/3f", "3f09", 5)},
		{"packs/3f/3f10", putOf("/srv/repo/packs/3f", "3f10", 5)},
		{"packs/40/4000", `
		mkdir /srv/repo/packs/40
		syncdir /srv/repo/packs` + putOf("/srv/repo/packs/40", "4000", 5)},
		{"packs/3f/3f09", putOf("/srv/repo/packs/3f", "3f09", 5)},
	}
	for _, s := range steps {
		if err := b.Put(t.Context(), s.name, []byte("bytes")); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, "Put "+s.name, r.take(), s.want)
	}

	if err := b.Delete(t.Context(), "packs/3f/3f09"); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "Delete", r.take(), `
		remove /srv/repo/packs/3f/3f09
		syncdir /srv/repo/packs/3f`)

	// Another process cannot know that the folders are durable; one sync of
	// their parent covers them all.
	b, err = local.OpenFS(disk, "/srv/repo")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "packs/3f/3f11", []byte("bytes")); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "the first Put of a process", r.take(), `
		mkdir /srv/repo/packs
		syncdir /srv/repo
		mkdir /srv/repo/packs/3f
		syncdir /srv/repo/packs`+putOf("/srv/repo/packs/3f", "3f11", 5))
	if err := b.Put(t.Context(), "packs/40/4001", []byte("bytes")); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, "a later Put", r.take(), putOf("/srv/repo/packs/40", "4001", 5))
}

// TestFailingCalls: whichever call fails, Put says so, the old object stays
// or the new one is there, and no temporary file is left behind.
func TestFailingCalls(t *testing.T) {
	errnos := []struct {
		errno syscall.Errno
		want  error
	}{
		{syscall.ENOSPC, backend.ErrFull},
		{syscall.EDQUOT, backend.ErrFull},
		{syscall.EROFS, backend.ErrReadOnly},
		{syscall.EACCES, backend.ErrPermission},
		{syscall.EPERM, backend.ErrPermission},
		{syscall.EIO, syscall.EIO},
	}
	for _, op := range []powercut.Op{powercut.Mkdir, powercut.Create, powercut.Write, powercut.Sync, powercut.Close, powercut.Rename, powercut.SyncDir} {
		for _, e := range errnos {
			t.Run(fmt.Sprint(op, " ", e.errno), func(t *testing.T) {
				b, r, disk := record(t)
				r.fail = failing(op, e.errno)
				err := b.Put(t.Context(), "packs/00/0", []byte("data"))
				if !errors.Is(err, e.want) || !errors.Is(err, e.errno) {
					t.Errorf("Put: %v, want %v", err, e.want)
				}
				r.fail = nil
				wantWhole(t, b, disk)
				if err := b.Put(t.Context(), "packs/00/0", []byte("data")); err != nil {
					t.Errorf("trying again: %v", err)
				}
			})
		}
	}
}

func failing(op powercut.Op, errno syscall.Errno) func(powercut.Call) error {
	return func(c powercut.Call) error {
		if c.Op == op {
			return &fs.PathError{Op: string(op), Path: c.Path, Err: errno}
		}
		return nil
	}
}

// wantWhole fails if the folder holds anything but the object, whole.
func wantWhole(t *testing.T, b *local.Backend, disk *powercut.FS) {
	t.Helper()
	entries, err := disk.ReadDir("/repo/packs/00")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for _, e := range entries {
		data, err := backend.ReadAll(t.Context(), b, "packs/00/"+e.Name(), 100)
		if e.Name() != "0" || err != nil || string(data) != "data" {
			t.Errorf("left behind: %s with %q, %v", e.Name(), data, err)
		}
	}
}

// TestUnsupportedSync: sshfs, SMB and FAT do not know a folder's fsync, and
// some network file systems none at all.
func TestUnsupportedSync(t *testing.T) {
	for _, op := range []powercut.Op{powercut.SyncDir, powercut.Sync} {
		for _, errno := range []syscall.Errno{syscall.EINVAL, syscall.ENOTSUP, syscall.ENOSYS} {
			b, r, _ := record(t)
			r.fail = failing(op, errno)
			if err := b.Put(t.Context(), "packs/00/0", []byte("data")); err != nil {
				t.Errorf("Put where %s is %v: %v", op, errno, err)
			}
			if err := b.Delete(t.Context(), "packs/00/0"); err != nil {
				t.Errorf("Delete where %s is %v: %v", op, errno, err)
			}
		}
	}
}

// TestDeleteFails: what is not durably gone is not reported gone.
func TestDeleteFails(t *testing.T) {
	for _, op := range []powercut.Op{powercut.Remove, powercut.SyncDir} {
		b, r, _ := record(t)
		if err := b.Put(t.Context(), "config.1", nil); err != nil {
			t.Fatal(err)
		}
		r.fail = failing(op, syscall.EROFS)
		if err := b.Delete(t.Context(), "config.1"); !errors.Is(err, backend.ErrReadOnly) {
			t.Errorf("Delete with a failing %s: %v", op, err)
		}
	}
}

// TestUnreadableFolder: a folder that cannot be listed is not an empty one;
// a collector would take its packs for lost.
func TestUnreadableFolder(t *testing.T) {
	b, r, _ := record(t)
	if err := b.Put(t.Context(), "packs/00/0", nil); err != nil {
		t.Fatal(err)
	}
	r.fail = func(c powercut.Call) error {
		if c.Op == powercut.ReadDir && c.Path == "/repo/packs/00" {
			return syscall.EACCES
		}
		return nil
	}
	if _, err := backend.List(t.Context(), b, ""); !errors.Is(err, backend.ErrPermission) {
		t.Errorf("List: %v", err)
	}
}
