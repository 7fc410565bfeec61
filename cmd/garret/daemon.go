package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/syslog"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"garret/cmd/garret/internal/term"
	"garret/store"
)

// Descriptors of the background process.
const (
	passphraseFD = 3
	readyFD      = 4
)

// background runs this command again in a session of its own, and returns when
// that serves the mount, or with its exit code when it fails. The passphrase is
// asked for here, where the terminal is, and handed over through a pipe.
func (c *mountCmd) background(ctx context.Context, a *app) error {
	b, err := a.backend()
	if err != nil {
		return err
	}
	locked, err := store.Open(ctx, b)
	needs, place := err == nil && locked.NeedsPassphrase(), b.Location()
	b.Close() // what is wrong with it the other process says
	pass, given, err := term.Passphrase(ctx, term.Sources{Prompt: needs, What: "repository " + place})
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	passRead, passWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer passRead.Close()
	defer passWrite.Close()
	readyRead, readyWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer readyRead.Close()
	defer readyWrite.Close()

	// Before the rest: what follows "--" would be no option.
	args := append([]string{"mount", fmt.Sprintf("--ready-fd=%d", readyFD)}, withoutCommand(a.args)...)
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "garret" // not mount.fuse.garret, by which name it takes other arguments
	cmd.Env = environment(given)
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{passRead, readyWrite}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	passRead.Close()
	readyWrite.Close()
	if given {
		// A passphrase that does not fit a pipe's buffer is waited for; a child that
		// has failed closes its end.
		_, _ = passWrite.Write(pass)
	}
	passWrite.Close()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	if n, _ := io.ReadFull(readyRead, make([]byte, 1)); n == 1 {
		return cmd.Process.Release()
	}
	err = cmd.Wait()
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.ExitCode() > 0 {
		panic(exit(failed.ExitCode())) // it has said why
	}
	return fmt.Errorf("the process that should serve the mount ended: %w", err)
}

// withoutCommand removes the word "mount": the first that is neither an option
// nor the value of -r.
func withoutCommand(args []string) []string {
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-r" || args[i] == "--repo":
			i++
		case args[i] == "mount":
			return append(args[:i:i], args[i+1:]...)
		}
	}
	return args
}

// environment is that of the background process: the passphrase comes from the
// pipe and nowhere else.
func environment(given bool) []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GARRET_PASS") {
			env = append(env, e)
		}
	}
	if given {
		env = append(env, fmt.Sprintf("GARRET_PASSPHRASE_FD=%d", passphraseFD))
	}
	return env
}

// detach lets go of the terminal and says that the mount is ready.
func detach(fd int) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for std := range 3 {
		if err := unix.Dup3(int(null.Fd()), std, 0); err != nil {
			return err
		}
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	ready := os.NewFile(uintptr(fd), "ready")
	defer ready.Close()
	_, err = ready.Write([]byte{1})
	return err
}

// systemLog is syslog, or nothing where there is none.
func systemLog() io.Writer {
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_WARNING, "garret")
	if err != nil {
		return io.Discard
	}
	return w
}
