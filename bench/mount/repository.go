package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"garret/bench/internal/files"
	"garret/bench/internal/machine"
)

// bench is one run of all measurements.
type bench struct {
	program string
	source  string
	dir     string // of everything
	runs    int
	image   int // MiB
	only    string
	sources int64    // files of the source tree
	changed []string // of the machine, while it measures
}

// prepared is a corpus with a repository that holds it.
type prepared struct {
	b      *bench
	native string // where the files are
	size   int64  // of the files, bytes
	mount  string // where they are mounted
	env    []string
}

// prepare makes a corpus and stores it.
func (b *bench) prepare(ctx context.Context, c *corpus) (*prepared, error) {
	p := &prepared{b: b, native: filepath.Join(b.dir, c.name, "native"), mount: filepath.Join(b.dir, c.name, "mount")}
	for _, d := range []string{p.native, p.mount} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := c.make(ctx, b, p.native); err != nil {
		return nil, err
	}
	var err error
	if p.size, _, err = files.Count(p.native); err != nil {
		return nil, err
	}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GARRET_") && !strings.HasPrefix(e, "XDG_CACHE_HOME=") {
			p.env = append(p.env, e)
		}
	}
	p.env = append(p.env, "GARRET_REPO="+filepath.Join(b.dir, c.name, "repo"), "GARRET_PASSPHRASE=a passphrase for the benchmark",
		"XDG_CACHE_HOME="+filepath.Join(b.dir, c.name, "cache"))
	if err := p.garret(ctx, "init"); err != nil {
		return nil, err
	}
	return p, p.garret(ctx, "snapshot", "--quiet", p.native)
}

// remove frees the corpus's memory.
func (p *prepared) remove() error { return os.RemoveAll(filepath.Dir(p.native)) }

func (p *prepared) garret(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, p.b.program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = p.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("garret %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// elsewhere copies the files to a tmpfs of their own, until end is called.
func (p *prepared) elsewhere(ctx context.Context) (dir string, end func() error, err error) {
	at := filepath.Join(filepath.Dir(p.native), "apart")
	if end, err = machine.Tmpfs(at); err != nil {
		return "", nil, err
	}
	dir = filepath.Join(at, "native")
	if out, err := exec.CommandContext(ctx, "cp", "-a", p.native, dir).CombinedOutput(); err != nil {
		return "", nil, errors.Join(fmt.Errorf("cp: %w\n%s", err, out), end())
	}
	return dir, end, nil
}

// mounted calls measure with the files in a fresh mount, of their snapshot or
// of all.
func (p *prepared) mounted(ctx context.Context, all bool, measure func(dir string) error) (err error) {
	args, dir := []string{"mount", "latest:" + p.native, p.mount}, p.mount
	if all {
		args, dir = []string{"mount", p.mount}, filepath.Join(p.mount, "latest", p.native)
	}
	if err := p.garret(ctx, args...); err != nil {
		return err
	}
	defer func() {
		// Also when interrupted.
		if e := p.garret(context.WithoutCancel(ctx), "umount", p.mount); err == nil {
			err = e
		}
	}()
	return measure(dir)
}
