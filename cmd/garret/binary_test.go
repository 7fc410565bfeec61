package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"garret/chunking"
	"garret/keys"
	"garret/store"
	"garret/store/backend"
	"garret/store/backend/local"
	"garret/store/codec"
)

// realProgram is garret, built once. It lies beside this test program, in
// the directory that go test removes at its end.
var realProgram = sync.OnceValues(func() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), "garret-under-test")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "garret/cmd/garret").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

const testPassphrase = "correct horse battery staple"

// cheapKDF is for repositories that are opened many times.
var cheapKDF = keys.KDFParams{KDF: keys.KDFArgon2id, Time: 1, Memory: 64, Threads: 1}

// user runs the real program as a person would: with a repository, a
// passphrase, and a cache of its own.
type user struct {
	testing.TB
	repo, cache string
}

// newUser returns a user of a repository that is not made yet.
func newUser(t testing.TB, dir string) *user {
	t.Helper()
	return &user{t, filepath.Join(dir, "repo"), filepath.Join(dir, "cache")}
}

// initCheap makes the user's repository with a key derivation that costs
// nothing, and otherwise the defaults.
func (u *user) initCheap() {
	u.Helper()
	b, err := local.Create(u.repo)
	if err != nil {
		u.Fatal(err)
	}
	defer b.Close()
	initRepository(u, b, store.DefaultParity)
}

func initRepository(t testing.TB, b backend.Backend, parity int) {
	t.Helper()
	if _, err := store.Init(t.Context(), b, store.InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: chunking.Default(), Compression: codec.Default,
		Passphrase: keys.Passphrase(testPassphrase), KDF: cheapKDF, Parity: parity,
	}); err != nil {
		t.Fatal(err)
	}
}

// of is the same user with another repository.
func (u *user) of(repo string) *user { return &user{u.TB, repo, u.cache} }

func (u *user) command(args ...string) *exec.Cmd {
	u.Helper()
	path, err := realProgram()
	if err != nil {
		u.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GARRET_") && !strings.HasPrefix(e, "XDG_CACHE_HOME=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "GARRET_REPO="+u.repo, "GARRET_PASSPHRASE="+testPassphrase, "XDG_CACHE_HOME="+u.cache)
	return cmd
}

// run runs a command that must succeed and returns what it prints.
func (u *user) run(args ...string) string {
	u.Helper()
	cmd := u.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		u.Fatalf("garret %q: %v\n%s", args, err, stderr.String())
	}
	return stdout.String()
}

// record is what snapshot --json says.
type record struct {
	ID     string
	Totals store.Totals
}

func (u *user) snapshot(args ...string) record {
	u.Helper()
	var r record
	out := u.run(append([]string{"snapshot", "--json", "--quiet"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		u.Fatalf("%v in %q", err, out)
	}
	return r
}

// restore restores below out. Only root can give files to others, and make
// devices where that is allowed: what the rest may not is warned of.
func (u *user) restore(target, out string, options ...string) {
	u.Helper()
	cmd := u.command(append([]string{"restore", "--quiet", target, out}, options...)...)
	text, err := cmd.CombinedOutput()
	if err != nil && (cmd.ProcessState.ExitCode() != exitWarnings || os.Geteuid() == 0 && makeDevices(u.TempDir())) {
		u.Fatalf("restore %s: %v\n%s", target, err, text)
	}
}

// mount mounts in the background, until the test ends or the returned function
// is called.
func (u *user) mount(target ...string) (dir string, unmount func()) {
	u.Helper()
	dir = u.TempDir()
	u.run(append(append([]string{"mount"}, target...), dir)...)
	once := sync.OnceFunc(func() {
		u.Helper()
		if out, err := u.command("umount", dir).CombinedOutput(); err != nil {
			_ = unix.Unmount(dir, unix.MNT_DETACH)
			u.Errorf("umount: %v: %s", err, out)
		}
	})
	u.Cleanup(once)
	return dir, once
}

// memoryDir returns a directory on a tmpfs where there is one with room, which
// is some ten times faster than a disk that must sync.
func memoryDir(t testing.TB) string {
	t.Helper()
	const shm, room = "/dev/shm", 1 << 30
	var st unix.Statfs_t
	if err := unix.Statfs(shm, &st); err != nil || st.Type != unix.TMPFS_MAGIC || st.Bavail*uint64(st.Bsize) < room {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(shm, "garret-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// goRoot is a real tree of more than 10,000 files.
func goRoot(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.EvalSymlinks(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// repositoryBytes adds up the sizes of a repository's objects.
func repositoryBytes(t testing.TB, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		n += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
