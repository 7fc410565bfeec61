package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"garret/fs/compare"
	"garret/keys"
	"garret/store"
	"garret/store/backend/local"
)

// The real program, killed at random moments while it stores the Go library:
// older snapshots stay whole, and so is the run that is left alone in the end.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds")
	}
	p := newProgram(t) // before the go command's cache is moved as well
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	small := crashSource(t, 256<<10)
	p.must(t, "snapshot", "--quiet", "--host", "host", "--root", small, small)
	first := crashCheck(t, p.storage)[0]

	large := filepath.Join(goroot(t), "src")
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	longest, killed := 1500*time.Millisecond, 0
	for i := range 8 {
		// Another host each time: no run takes over files from one before.
		cmd := p.command(t, "snapshot", "--quiet", "--host", fmt.Sprint("host", i), "--root", large, large)
		began := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		delay := time.Duration(random.Int64N(int64(longest)))
		alarm := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		alarm.Stop()
		if err == nil {
			longest = time.Since(began) // faster than thought
		} else if killed++; !strings.Contains(err.Error(), "killed") {
			t.Fatalf("after %v: %v", delay, err)
		}
		_, snaps := crashSnapshots(t, p.storage)
		if !slices.ContainsFunc(snaps, func(s *store.Snapshot) bool { return s.ID == first.ID }) {
			t.Fatalf("killed after %v: the first snapshot is gone", delay)
		}
	}
	if killed == 0 {
		t.Error("no run was killed")
	}
	crashCompare(t, p.storage, first.ID, small)

	id := strings.TrimSpace(p.must(t, "snapshot", "--quiet", "--host", "last", "--root", large, large))
	p.must(t, "check", "--quiet", "--read-data")
	dest := filepath.Join(t.TempDir(), "restored")
	p.must(t, "restore", "--quiet", id, dest)
	_, err := compare.Run(t.Context(), large, dest, compare.Options{IgnoreOwner: os.Getuid() != 0}, func(d compare.Difference) { t.Error(d) })
	if err != nil {
		t.Fatal(err)
	}
}

// program is the real program with a repository of its own.
type program struct {
	path, repo string
	storage    *local.Backend
}

func newProgram(t *testing.T) program {
	p := program{path: filepath.Join(t.TempDir(), "garret"), repo: filepath.Join(t.TempDir(), "repo")}
	build := exec.Command("go", "build", "-o", p.path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	var err error
	if p.storage, err = local.Create(p.repo); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.storage.Close() })
	err = crashInitWith(t.Context(), p.storage, store.InitOptions{
		Suite: keys.SuiteAES256GCM, Passphrase: crashPass, KDF: crashKDF, PackSize: 4 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p program) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), p.path, args...)
	cmd.Env = append(os.Environ(), "GARRET_REPO="+p.repo, "GARRET_PASSPHRASE="+string(crashPass))
	return cmd
}

// must runs a command that must succeed, and returns its output.
func (p program) must(t *testing.T, args ...string) string {
	t.Helper()
	cmd := p.command(t, args...)
	var messages strings.Builder
	cmd.Stderr = &messages
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("garret %s: %v: %s%s", strings.Join(args, " "), err, out, &messages)
	}
	return string(out)
}

func goroot(t *testing.T) string {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
