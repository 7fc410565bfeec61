package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// patience is how long a script waits for something to happen.
const patience = 20 * time.Second

func noise(seed string, size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(seed))).Read(data)
	return data
}

func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor REGEXP FILE")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(ts.MkAbs(args[1])); err == nil && pattern.Match(text) {
			return
		}
	}
	ts.Fatalf("%s: no line fits %q", args[1], args[0])
}

func cmdTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tmpfs DIR SIZE")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	flags := uintptr(0)
	if mounted(dir) {
		flags = unix.MS_REMOUNT
	}
	ts.Check(unix.Mount("garret-test", dir, "tmpfs", flags, "size="+args[1]))
}

// mounted reports whether dir is on another device than its parent.
func mounted(dir string) bool {
	var d, parent unix.Stat_t
	return unix.Stat(dir, &d) == nil && unix.Stat(filepath.Dir(dir), &parent) == nil && d.Dev != parent.Dev
}

func cmdReadOnly(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: readonly DIR")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(unix.Mount(dir, dir, "", unix.MS_BIND, ""))
	ts.Check(unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
}

// cmdKillDaemon looks for the background process by its arguments: its last
// one is the directory below this script's own.
func cmdKillDaemon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: killdaemon DIR")
	}
	dir := ts.MkAbs(args[0])
	processes, err := filepath.Glob("/proc/[0-9]*")
	ts.Check(err)
	for _, p := range processes {
		line, err := os.ReadFile(filepath.Join(p, "cmdline"))
		words := strings.Split(string(line), "\x00")
		if err != nil || !slices.Contains(words, dir) || !slices.Contains(words, fmt.Sprintf("--ready-fd=%d", readyFD)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(p))
		ts.Check(err)
		ts.Check(syscall.Kill(pid, syscall.SIGKILL))
		for end := time.Now().Add(patience); syscall.Kill(pid, 0) == nil && !zombie(p) && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		return
	}
	ts.Fatalf("no process serves %s", dir)
}

func zombie(process string) bool {
	stat, err := os.ReadFile(filepath.Join(process, "stat"))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(rest, "Z")
}

// cmdTypes runs a command on a terminal, as openpty(3) makes it.
func cmdTypes(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] types TEXT COMMAND…")
	}
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	ts.Check(err)
	defer master.Close()
	ts.Check(unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	ts.Check(err)
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	ts.Check(err)
	cmd := exec.Command("env", append([]string{"-i"}, append(environ(ts), args[1:]...)...)...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, ts.Stdout(), ts.Stderr()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(cmd.Start())
	terminal.Close()
	shown := make(chan []byte)
	go func() {
		var all []byte
		buf := make([]byte, 1024)
		for {
			n, err := master.Read(buf) // EIO when nobody has the terminal open any more
			all = append(all, buf[:n]...)
			if bytes.HasSuffix(all, []byte(": ")) {
				_, _ = master.WriteString(args[0] + "\n")
			}
			if err != nil {
				shown <- all
				return
			}
		}
	}()
	err = cmd.Wait()
	ts.Check(os.WriteFile(ts.MkAbs("tty"), <-shown, 0o600))
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		ts.Check(err)
	}
	if (err != nil) != neg {
		ts.Fatalf("%v: %v", args[1:], err)
	}
}

// environ returns what garret looks at of a script's environment.
func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TMPDIR", "GARRET_REPO"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}
