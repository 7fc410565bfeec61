package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestMain makes this test binary be garret, and some small programs, where
// the scripts call it by their names. It is copied under these names, so that
// garret finds itself again when a mount goes to the background.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"garret":       main,
		"unprivileged": unprivileged,
		"detached":     detached,
		"twin":         twin,
	})
}

// TestScripts runs what a person could type: testdata/*.txt, the commands of
// testscript (go doc github.com/rogpeppe/go-internal/testscript) and these:
//
//	fails CODE COMMAND…     ends with that exit code, nothing on stdout, and one sentence on stderr
//	code CODE COMMAND…      ends with that exit code
//	silent COMMAND…         succeeds and prints nothing
//	json [-count=N] COND…   stdout is one JSON object a line; some of them (N of them) fit all conditions
//	capture NAME            stdout, without white space around it, as an environment variable
//	types TEXT COMMAND…     on a terminal of its own, typing TEXT at each prompt; what it showed is in the file tty
//	random FILE SIZE        a file that cannot be compressed
//	waitfor REGEXP FILE     until a line of the file fits
//	damage HOW WHAT REPO    flips a bit in, cuts short, or empties all objects of a kind, or that match a glob
//	feature HOW REPO        sets an unknown read or write feature in the config, which stays authentic
//	tmpfs DIR SIZE          mounts a file system of its own, or changes its size
//	readonly DIR            mounts the directory on itself, read-only
//	killdaemon DIR          kill -9 of the process that serves a mount
//	twin REPO ID            adds a snapshot whose id begins with the same four digits
//	unprivileged COMMAND…   as nobody, if the tests are root's
//	detached COMMAND…       without a controlling terminal
//
// Whatever a script has mounted is unmounted at its end.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		Setup:              setUp,
		Condition:          condition,
		RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails":      cmdFails,
			"code":       cmdCode,
			"silent":     cmdSilent,
			"json":       cmdJSON,
			"capture":    cmdCapture,
			"types":      cmdTypes,
			"random":     cmdRandom,
			"waitfor":    cmdWaitFor,
			"damage":     cmdDamage,
			"feature":    cmdFeature,
			"tmpfs":      cmdTmpfs,
			"readonly":   cmdReadOnly,
			"killdaemon": cmdKillDaemon,
		},
	})
}

// setUp gives a script a home of its own, and lets the unprivileged program
// reach it.
func setUp(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, ".home")
	for _, dir := range []string{home, env.WorkDir} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			return err
		}
	}
	garret, err := exec.LookPath("garret")
	if err != nil {
		return err
	}
	for _, dir := range []string{filepath.Dir(env.WorkDir), filepath.Dir(filepath.Dir(garret))} {
		if err := os.Chmod(dir, 0o711); err != nil {
			return err
		}
	}
	env.Setenv("HOME", home)
	env.Setenv("XDG_CACHE_HOME", filepath.Join(home, ".cache"))
	env.Setenv("XDG_DATA_HOME", filepath.Join(home, ".local", "share"))
	env.Setenv("TZ", "UTC")
	env.Defer(func() { unmountBelow(env.WorkDir) })
	return nil
}

// condition knows [fuse], [root], and [mounts]: the right to mount. Where FUSE
// has to be there, in CI, it is not asked whether it is.
func condition(name string) (bool, error) {
	switch name {
	case "fuse":
		if _, err := os.Stat("/dev/fuse"); err == nil || os.Getenv("CI") != "" {
			return true, nil
		}
		return false, nil
	case "root":
		return os.Geteuid() == 0, nil
	case "mounts":
		return mayMount(), nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

func mayMount() bool {
	dir, err := os.MkdirTemp("", "garret-may-mount-*")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if err := unix.Mount("garret-test", dir, "tmpfs", 0, "size=4k"); err != nil {
		return false
	}
	return unix.Unmount(dir, 0) == nil
}

// unmountBelow lazily unmounts everything below a directory, the last first,
// which ends the processes that serve it.
func unmountBelow(dir string) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return
	}
	defer f.Close()
	var points []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			points = append(points, strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(fields[4]))
		}
	}
	for i := len(points) - 1; i >= 0; i-- {
		if unix.Unmount(points[i], unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) != nil {
			_ = exec.Command("fusermount3", "-uz", "--", points[i]).Run()
		}
	}
}

// nobody is the user that unprivileged becomes.
const nobody = 65534

// unprivileged runs a command as nobody, if it is root.
func unprivileged() {
	if os.Geteuid() == 0 {
		if err := syscall.Setgroups(nil); err != nil {
			fatal(err)
		}
		if err := syscall.Setgid(nobody); err != nil {
			fatal(err)
		}
		if err := syscall.Setuid(nobody); err != nil {
			fatal(err)
		}
	}
	become(os.Args[1:])
}

// detached runs a command in a session without a terminal.
func detached() {
	if _, err := syscall.Setsid(); err != nil {
		fatal(err)
	}
	become(os.Args[1:])
}

func become(args []string) {
	path, err := exec.LookPath(args[0])
	if err == nil {
		err = syscall.Exec(path, args, os.Environ())
	}
	fatal(err)
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(99)
}

// find returns the objects of a repository that are of a kind, or that match
// a glob.
func find(repo, what string) ([]string, error) {
	glob, kind := what, byte(0)
	switch what {
	case "config":
		glob = "config/*"
	case "key":
		glob = "keys/*"
	case "snapshot":
		glob = "history/*"
	case "segment":
		glob = "index/*"
	case "lease":
		glob = "leases/*"
	case "data":
		glob, kind = "packs/*/*", 1
	case "tree":
		glob, kind = "packs/*/*", 2
	}
	names, err := filepath.Glob(filepath.Join(repo, glob))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if kind == 0 || (len(data) > packKind && data[packKind] == kind) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no %s in it: %w", repo, what, fs.ErrNotExist)
	}
	return found, nil
}
