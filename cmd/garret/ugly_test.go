package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"garret/fs/compare"
	"garret/fs/compare/uglytest"
)

// exact compares all that there is to compare; backups leave sockets out.
var exact = compare.Options{LinkCounts: true, Holes: true, Blocks: true, IgnoreSockets: true}

// few leaves out the directory of 20,000 entries, which takes seconds on a mount.
var few = func() compare.Options {
	o := exact
	o.Skip = func(path string) bool { return strings.HasPrefix(path, "many/") }
	return o
}()

// TestUglyTree takes a tree of everything that a file system can hold through
// the repository: neither our own comparison nor rsync finds a difference
// between the source, the mount, and what is restored, in the C locale.
func TestUglyTree(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	if os.Geteuid() != 0 {
		t.Skip("TestUglyTreeOfOrdinaryUser needs no root")
	}
	dir := uglytest.TempDir(t)
	ugly, err := uglytest.Build(filepath.Join(dir, "source"))
	if err != nil {
		t.Fatal(err)
	}
	u := newUser(t, dir)
	u.initCheap()
	r := u.snapshot("--root", dir, ugly.Root)
	if r.Totals.Warnings != 0 {
		t.Errorf("%d warnings", r.Totals.Warnings)
	}
	mounted := func(t *testing.T, u *user, o compare.Options) compare.Stats {
		mnt, unmount := (&user{t, u.repo, u.cache}).mount("latest:source")
		defer unmount()
		rsyncFindsNothing(t, ugly, mnt, "many/*")
		return same(t, ugly.Root, mnt, o)
	}
	t.Run("mount", func(t *testing.T) {
		if stats := mounted(t, u, exact); stats.Entries != ugly.Entries+1 {
			t.Errorf("%d entries compared, want %d", stats.Entries, ugly.Entries+1)
		}
	})
	t.Run("restore", func(t *testing.T) {
		u, out := &user{t, u.repo, u.cache}, filepath.Join(dir, "restored")
		u.run("restore", "--quiet", "latest", out)
		same(t, ugly.Root, out+"/source", exact)
		rsyncFindsNothing(t, ugly, out+"/source")
		// Once more over itself, and over what is immutable.
		u.run("restore", "--quiet", "--overwrite", "latest", out)
		same(t, ugly.Root, out+"/source", exact)
	})
	t.Run("copied repository", func(t *testing.T) {
		to := filepath.Join(dir, "copied")
		if out, err := exec.Command("cp", "-a", u.repo, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		mounted(t, u.of(to), few)
	})
}

// rsyncFindsNothing asks rsync what it would change in a copy. Paths that are
// too long for it, and files of terabytes, are left to our own comparison.
func rsyncFindsNothing(t *testing.T, ugly *uglytest.Tree, copied string, except ...string) {
	t.Helper()
	if _, err := exec.LookPath("rsync"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Log("there is no rsync")
		return
	}
	args := []string{"-aHAXS", "--checksum", "--itemize-changes", "--dry-run", "--delete", "--modify-window=-1",
		"--exclude=/" + ugly.TooDeep + "/*"}
	for _, path := range slices.Concat(ugly.Huge, ugly.Sockets, except) {
		args = append(args, "--exclude=/"+path)
	}
	out, err := exec.Command("rsync", append(args, ugly.Root+"/", copied+"/")...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("rsync: %v\n%s", err, out)
	}
}

// uglyHelper has TestUglyTreeOfOrdinaryUser do one step in a process of its own
// that is an ordinary user's.
const uglyHelper = "GARRET_TEST_UGLY"

// TestUglyTreeOfOrdinaryUser does the same without root's rights: what the user
// cannot read is warned of, everything else is in the mount and comes back.
func TestUglyTreeOfOrdinaryUser(t *testing.T) {
	if step := os.Getenv(uglyHelper); step != "" {
		uglyStep(t, strings.Split(step, ":"))
		return
	}
	t.Setenv("LC_ALL", "C")
	o := newOrdinary(t)
	o.step("build", o.dir)
	warnings := o.garret("snapshot", "--root", o.dir, o.dir+"/source")
	unreadable := readLines(t, o.dir+"/unreadable")
	for _, path := range unreadable {
		if !strings.Contains(warnings, "source/"+path) {
			t.Errorf("no warning names %q", path)
		}
	}
	// Two of a directory that can be listed and not be entered.
	if n := strings.Count(warnings, "garret: warning: "); n > 2*len(unreadable) {
		t.Errorf("%d warnings for %d entries:\n%s", n, len(unreadable), warnings)
	}
	o.mountStep("mount", o.dir, o.bin)
	o.garret("restore", "--quiet", "latest", o.dir+"/restored")
	o.step("compare", o.dir, o.dir+"/restored/source")
	if o.root { // who sees what the user does not
		compareReadable(t, exact, o.dir+"/source", o.dir+"/restored/source", unreadable)
	}
}

// ordinary runs programs as a user who is not root.
type ordinary struct {
	*user
	dir, bin   string // his, and where he finds programs
	root       bool   // the tests are root's
	credential *syscall.Credential
}

func newOrdinary(t *testing.T) *ordinary {
	t.Helper()
	dir := uglytest.TempDir(t)
	o := &ordinary{user: newUser(t, dir), dir: dir, bin: t.TempDir(), root: os.Geteuid() == 0}
	program, err := realProgram()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// He cannot get to where they were built.
	for name, from := range map[string]string{"garret": program, "helper": self, "unprivileged": self} {
		o.must(exec.Command("cp", from, filepath.Join(o.bin, name)))
	}
	for d := o.bin; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o.initCheap()
	if o.root {
		o.credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		o.must(exec.Command("chown", "-R", "65534:65534", dir))
	}
	return o
}

func (o *ordinary) must(cmd *exec.Cmd) string {
	o.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState.ExitCode() != exitWarnings {
		o.Fatalf("%q: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// garret may end with warnings, and returns them.
func (o *ordinary) garret(args ...string) string {
	o.Helper()
	cmd := o.command(args...)
	cmd.Path = o.bin + "/garret"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: o.credential}
	cmd.Dir = o.dir
	return o.must(cmd)
}

// helper has uglyStep called in a process of its own.
func (o *ordinary) helper(cmd *exec.Cmd, step []string) {
	o.Helper()
	cmd.Env = append(o.command().Env, uglyHelper+"="+strings.Join(step, ":"), "HOME="+o.dir, "TMPDIR="+o.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		o.Errorf("%q: %v\n%s", step, err, out)
	}
}

const thisTest = "-test.run=^TestUglyTreeOfOrdinaryUser$"

func (o *ordinary) step(step ...string) {
	o.Helper()
	cmd := exec.Command(o.bin+"/helper", thisTest)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: o.credential}
	o.helper(cmd, step)
}

// mountStep is a step that mounts: where not everybody may, root makes a
// /dev/fuse for everybody in a mount namespace.
func (o *ordinary) mountStep(step ...string) {
	o.Helper()
	if !o.root || !mayMount() {
		o.step(step...)
		return
	}
	o.helper(exec.Command("unshare", "--mount", "sh", "-c", `cd "$1" && mknod fuse c 10 229 && chmod 666 fuse &&
		mount --bind fuse /dev/fuse && exec ./unprivileged ./helper "$2"`, "sh", o.bin, thisTest), step)
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

func uglyStep(t *testing.T, args []string) {
	dir := args[1]
	switch args[0] {
	case "build":
		ugly, err := uglytest.BuildFew(dir+"/source", 300)
		if err == nil {
			err = os.WriteFile(dir+"/unreadable", []byte(strings.Join(ugly.Unreadable, "\n")), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	case "compare":
		compareReadable(t, exact, dir+"/source", args[2], readLines(t, dir+"/unreadable"))
	case "mount":
		mnt := t.TempDir()
		if out, err := exec.Command(args[2]+"/garret", "mount", "latest:source", mnt).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		compareReadable(t, few, dir+"/source", mnt, readLines(t, dir+"/unreadable"))
		if out, err := exec.Command(args[2]+"/garret", "umount", mnt).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// compareReadable compares what the user who made the first tree can read of it:
// not the content of unreadable files, nor what is in unreadable directories.
func compareReadable(t *testing.T, o compare.Options, a, b string, unreadable []string) {
	t.Helper()
	skip := o.Skip
	o.Skip = func(path string) bool {
		for _, u := range unreadable {
			if path == u || strings.HasPrefix(path, u+"/") {
				return true
			}
		}
		return skip != nil && skip(path)
	}
	if stats := same(t, a, b, o); stats.Entries < 700 {
		t.Errorf("only %d entries compared", stats.Entries)
	}
}
