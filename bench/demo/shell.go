package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// shell runs commands and shows them as if they had been typed.
type shell struct {
	ctx    context.Context
	garret string // the program's path; shown as "garret"
	dir    string // the directory of everything; commands run in it
	env    []string
}

// variables are what a user would have in the environment. The cache goes with
// the rest: the demo leaves the user's own alone.
func variables(dir string) []string {
	return []string{
		"GARRET_REPO=" + filepath.Join(dir, "repo"),
		"GARRET_PASSPHRASE=a passphrase for the demo",
		"XDG_CACHE_HOME=" + filepath.Join(dir, "cache"),
	}
}

func newShell(ctx context.Context, garret, dir string) *shell {
	s := &shell{ctx: ctx, garret: garret, dir: dir}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GARRET_") && !strings.HasPrefix(e, "XDG_CACHE_HOME=") {
			s.env = append(s.env, e)
		}
	}
	s.env = append(s.env, variables(dir)...)
	return s
}

func (s *shell) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}

// short is a path as seen from the directory that commands run in.
func (s *shell) short(path string) string { return strings.TrimPrefix(path, s.dir+"/") }

// say prints a remark.
func (s *shell) say(format string, args ...any) { fmt.Printf("\n# "+format+"\n", args...) }

// typed prints a command line.
func (s *shell) typed(args ...string) {
	quoted := make([]string, len(args))
	for i, a := range args {
		if quoted[i] = a; strings.ContainsAny(a, " $'\"*?\\") {
			quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	fmt.Println("$ " + strings.Join(quoted, " "))
}

// run shows a command, runs it, and returns how long it took.
func (s *shell) run(args ...string) (time.Duration, error) {
	s.typed(args...)
	cmd := s.command(s.ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	started := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return time.Since(started), nil
}

// command is one that ends with the context: by itself, if it can.
func (s *shell) command(ctx context.Context, args ...string) *exec.Cmd {
	name := args[0]
	if name == "garret" {
		name = s.garret
	}
	cmd := exec.CommandContext(ctx, name, args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}
