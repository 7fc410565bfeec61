package main

import (
	"fmt"
	"io/fs"
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

// A machine that loses power twenty times during its first backup: nothing that
// is there is damaged at any time, what a run has stored serves the next, and
// the backup that is left alone in the end is whole. With GARRET_BIG=1 it is 1
// GiB and 20 kills, with packs as large as they are by default.
func TestKillInARow(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds")
	}
	kills, size, options := 8, 128<<20, store.InitOptions{PackSize: 4 << 20}
	if os.Getenv("GARRET_BIG") != "" {
		kills, size, options = 20, 1<<30, store.InitOptions{PackSize: store.DefaultPackSize, FrameSize: store.DefaultFrameSize}
	}
	p, once := newProgramWith(t, options), newProgramWith(t, options)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := killSource(t, size)
	began := time.Now()
	once.must(t, "snapshot", "--quiet", "--root", source, source)
	whole, stored := time.Since(began), once.stored(t)
	once.remove(t)

	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	for i := range kills {
		cmd := p.command(t, "snapshot", "--quiet", "--root", source, source)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		delay := time.Duration(random.Int64N(int64(whole)))
		alarm := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		alarm.Stop()
		if err == nil {
			t.Logf("run %d was done before %v", i, delay) // the others have left little to it
		} else if !strings.Contains(err.Error(), "killed") {
			t.Fatalf("after %v: %v", delay, err)
		}
		p.must(t, "check", "--quiet")
		t.Logf("killed after %v; stored so far: %d of %d bytes", delay, p.stored(t), stored)
	}
	p.must(t, "snapshot", "--quiet", "--root", source, source)
	p.must(t, "check", "--quiet", "--read-data")
	dest := filepath.Join(t.TempDir(), "restored")
	p.must(t, "restore", "--quiet", "latest", dest)
	_, err := compare.Run(t.Context(), source, dest, compare.Options{IgnoreOwner: os.Getuid() != 0}, func(d compare.Difference) { t.Error(d) })
	if err != nil {
		t.Fatal(err)
	}
	if total := p.stored(t); total > stored+stored/5 {
		t.Errorf("%d kills: %d bytes are stored, one run in one go stores %d", kills, total, stored)
	} else {
		t.Logf("%d kills: %.1f %% more than the %d bytes of one run in one go, which took %v", kills, 100*float64(total-stored)/float64(stored), stored, whole)
	}
}

// killSource makes about size bytes that cannot be compressed: one file of a
// quarter of it, and the rest in files of up to 2 MiB.
func killSource(t *testing.T, size int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	g := sourceMaker{t, dir, rand.New(rand.NewPCG(3, 4))}
	noise := rand.NewChaCha8([32]byte{5})
	file := func(name string, size int) {
		data := make([]byte, size)
		_, _ = noise.Read(data) // it never fails
		g.dir(filepath.Dir(name))
		g.check(os.WriteFile(g.path(name), data, 0o644))
	}
	file("7/image", size/4)
	for rest, i := size-size/4, 0; rest > 0; i++ {
		n := min(rest, 1+g.rand.IntN(2<<20))
		if i%4 > 0 {
			n = min(rest, 1+g.rand.IntN(16<<10))
		}
		file(fmt.Sprintf("%d/%d", g.rand.IntN(16), i), n)
		rest -= n
	}
	settle()
	return dir
}

// program is the real program with a repository of its own.
type program struct {
	path, repo string
	storage    *local.Backend
}

func newProgram(t *testing.T) program { return newProgramWith(t, store.InitOptions{PackSize: 4 << 20}) }

func newProgramWith(t *testing.T, o store.InitOptions) program {
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
	o.Suite, o.Passphrase, o.KDF = keys.SuiteAES256GCM, crashPass, crashKDF
	err = crashInitWith(t.Context(), p.storage, o)
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

// stored returns the bytes of all the repository's files, what a process that
// was killed has left included.
func (p program) stored(t *testing.T) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(p.repo, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			info, infoErr := d.Info()
			err = infoErr
			if err == nil {
				bytes += info.Size()
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// remove makes room.
func (p program) remove(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(p.repo); err != nil {
		t.Fatal(err)
	}
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
