package mount

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helpers are what this test program does when it is started again as another
// process, by the name in helperVariable.
var helpers = map[string]func() error{
	"serve":        helpServe,
	"hold":         helpHold,
	"unprivileged": helpUnprivileged,
	"nodevice":     helpNoDevice,
	"visitor":      helpVisitor,
	"forbidden":    helpForbidden,
	"mapped":       helpMapped,
}

const (
	helperVariable = "GARRET_MOUNT_TEST_HELPER"
	dirVariable    = "GARRET_MOUNT_TEST_DIR"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVariable); name != "" {
		if err := helpers[name](); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if _, err := os.Stat(device); err != nil || os.Geteuid() != 0 {
		fmt.Println("these tests mount: they need root and", device)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// helper starts this program again.
func helper(name, dir string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), helperVariable+"="+name, dirVariable+"="+dir,
		"GORACE=atexit_sleep_ms=0") // the race detector would wait a second at each exit
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// startHelper starts a helper that prints "ready" and then waits for its
// standard input to end. Kill it or let it go on its own.
func startHelper(t *testing.T, name, dir string) (cmd *exec.Cmd, stop func()) {
	t.Helper()
	cmd = helper(name, dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	stop = func() {
		in.Close()
		cmd.Wait()
	}
	if line != "ready\n" {
		stop()
		t.Fatalf("helper %s: %q", name, line)
	}
	return cmd, stop
}

// runHelper runs a helper to its end; what it prints is its verdict.
func runHelper(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func sayReadyAndWait() {
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}

// helpServe serves the ugly tree until it is killed.
func helpServe() error {
	opened, err := buildForHelper(uglyTree())
	if err != nil {
		return err
	}
	s, err := MountTree(os.Getenv(dirVariable), opened, opened.Root(), Options{})
	if err != nil {
		return err
	}
	sayReadyAndWait()
	return s.Unmount()
}

// helpHold keeps a directory busy.
func helpHold() error {
	if err := os.Chdir(os.Getenv(dirVariable)); err != nil {
		return err
	}
	sayReadyAndWait()
	return nil
}

// logBuffer collects log lines.
type logBuffer struct {
	lines chan string
}

func newLogBuffer() *logBuffer { return &logBuffer{make(chan string, 1000)} }

func (l *logBuffer) Write(p []byte) (int, error) {
	l.lines <- string(p)
	return len(p), nil
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// take returns the lines so far.
func (l *logBuffer) take() (lines []string) {
	for {
		select {
		case line := <-l.lines:
			lines = append(lines, strings.TrimSpace(line))
		default:
			return lines
		}
	}
}

// eventually waits for a condition that shall come true soon.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("in vain: %s", what)
}
