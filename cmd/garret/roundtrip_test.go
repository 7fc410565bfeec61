package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"garret/fs/compare"
)

// same fails the test for each way in which b is not the same as a.
func same(t testing.TB, a, b string, o compare.Options) compare.Stats {
	t.Helper()
	stats, err := compare.Run(t.Context(), a, b, o, func(d compare.Difference) {
		t.Errorf("%s: %v", filepath.Base(b), d)
	})
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

// TestRoundTrip takes a whole Go distribution and a tree of everything that is
// unusual through the repository: what a user sees in the mount, and gets back
// by a restore, is what was there. The same holds for a copy of the repository,
// also for one that was made while a client wrote to it.
func TestRoundTrip(t *testing.T) {
	dir, source := memoryDir(t), goRoot(t)
	ugly := filepath.Join(t.TempDir(), "ugly")
	if err := os.Mkdir(ugly, 0o755); err != nil {
		t.Fatal(err)
	}
	uglyTree(t, ugly, makeDevices(t.TempDir()))
	u := newUser(t, dir)
	u.run("init")
	r := u.snapshot(source, ugly)
	if r.Totals.Files < 10000 || r.Totals.Warnings != 0 {
		t.Errorf("snapshot: %+v", r.Totals)
	}

	mounted := func(t *testing.T, u *user, whole bool) {
		t.Helper()
		mnt, unmount := (&user{t, u.repo, u.cache}).mount()
		defer unmount()
		tree := filepath.Join(mnt, "ids", r.ID[:8])
		same(t, ugly, tree+ugly, exact)
		if whole {
			stats := same(t, source, tree+source, compare.Options{})
			if stats.Files < 10000 || stats.Bytes < 100<<20 {
				t.Errorf("only %+v compared", stats)
			}
		}
	}
	t.Run("mount", func(t *testing.T) { mounted(t, u, true) })
	t.Run("restore", func(t *testing.T) {
		out := filepath.Join(dir, "restored")
		defer os.RemoveAll(out)
		u := &user{t, u.repo, u.cache}
		u.restore(r.ID, out)
		others := os.Geteuid() != 0 // only root can give files to somebody
		same(t, source, out+source, compare.Options{IgnoreOwner: others})
		// On a file system that keeps all: a tmpfs may have no user attributes.
		out = filepath.Join(t.TempDir(), "restored")
		u.restore(r.ID+":"+ugly+"/", out)
		o := exact
		o.IgnoreRoot, o.IgnoreOwner = true, others
		same(t, ugly, out, o)
	})
	t.Run("copied with cp", func(t *testing.T) {
		to := filepath.Join(dir, "cp")
		defer os.RemoveAll(to)
		if out, err := exec.Command("cp", "-a", u.repo, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		mounted(t, u.of(to), true)
	})
	t.Run("copied meanwhile", func(t *testing.T) { copiedMeanwhile(t, u, dir, mounted) })
	if _, err := exec.LookPath("rsync"); err == nil {
		t.Run("rsync", func(t *testing.T) { rsyncMeanwhile(t, u, dir, mounted) })
	}
}

// busyTree is a source that takes a while to store: some packs.
func busyTree(t *testing.T, source string) string {
	t.Helper()
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(source, name), noise(source+name, 40<<20), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return source
}

// copiedMeanwhile copies the repository file by file in the order of the
// names, as rsync does, while a snapshot runs. The snapshot is held in its
// midst while history and index are copied and then ends, so that the copy
// gets packs of which it has no index, and, had the order of the names been
// another one, a snapshot without its packs.
func copiedMeanwhile(t *testing.T, u *user, dir string, mounted func(*testing.T, *user, bool)) {
	source, to := busyTree(t, filepath.Join(dir, "busy")), filepath.Join(dir, "copied")
	defer os.RemoveAll(to)
	before := packNames(t, u.repo)
	writer := u.command("snapshot", "--host", "busy", source)
	writer.Stderr = os.Stderr
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- writer.Wait() }()
	defer writer.Process.Signal(syscall.SIGCONT)
	for deadline := time.Now().Add(30 * time.Second); len(packNames(t, u.repo)) == len(before); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no pack is stored")
		}
	}
	if err := writer.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	copyInOrder(t, u.repo, to, func(name string) {
		if name == "packs" {
			if err := writer.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		}
	})
	if n := len(packNames(t, to)); n < len(before)+3 {
		t.Errorf("%d packs before, %d copied: nothing was written meanwhile", len(before), n)
	}
	copied := &user{t, to, u.cache}
	mounted(t, copied, false)
	copied.run("check", "--read-data") // all that its snapshots need is there
	// The copy is a repository like others: the next snapshot stores what was
	// not in it yet.
	r := copied.snapshot("--host", "busy", source)
	out := filepath.Join(dir, "busy-restored")
	defer os.RemoveAll(out)
	copied.restore(r.ID+":"+source, out)
	same(t, source, filepath.Join(out, "busy"), compare.Options{})
}

// rsyncMeanwhile does the same with the real program, as it happens to go.
func rsyncMeanwhile(t *testing.T, u *user, dir string, mounted func(*testing.T, *user, bool)) {
	source, to := busyTree(t, filepath.Join(dir, "more")), filepath.Join(dir, "rsync")
	defer os.RemoveAll(to)
	writer := u.command("snapshot", "--host", "rsync", source)
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	// 24: files vanished meanwhile, a lease for instance.
	out, err := exec.Command("rsync", "-a", u.repo+"/", to).CombinedOutput()
	var failed *exec.ExitError
	if err != nil && !(errors.As(err, &failed) && failed.ExitCode() == 24) {
		t.Errorf("rsync: %v: %s", err, out)
	}
	if err := writer.Wait(); err != nil {
		t.Fatal(err)
	}
	mounted(t, u.of(to), false)
	u.of(to).run("check", "--read-data")
}

// copyInOrder copies a directory file by file in the order of the names. It
// calls reached before each entry of the topmost directory. Files that vanish
// meanwhile (leases, temporary files) are left out.
func copyInOrder(t *testing.T, from, to string, reached func(name string)) {
	t.Helper()
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from) // sorted
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		reached(e.Name())
		a, b := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if e.IsDir() {
			copyInOrder(t, a, b, func(string) {})
			continue
		}
		in, err := os.Open(a)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.OpenFile(b, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_, err = io.Copy(out, in)
		}
		if err := errors.Join(err, in.Close(), out.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func packNames(t *testing.T, repo string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(repo, "packs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var packs []string
	for _, name := range names {
		if !strings.HasPrefix(filepath.Base(name), "tmp") {
			packs = append(packs, name)
		}
	}
	return packs
}
