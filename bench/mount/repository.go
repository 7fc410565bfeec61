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

// bench is one run of all measurements.
type bench struct {
	program string
	source  string
	dir     string // of everything
	runs    int
	image   int // MiB
	only    string
}

// prepared is a corpus with a repository that holds it.
type prepared struct {
	b      *bench
	native string // where the files are
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

// mounted calls measure with a fresh mount of the files.
func (p *prepared) mounted(ctx context.Context, measure func(dir string) error) (err error) {
	if err := p.garret(ctx, "mount", "latest:"+p.native, p.mount); err != nil {
		return err
	}
	defer func() {
		// Also when interrupted.
		if e := p.garret(context.WithoutCancel(ctx), "umount", p.mount); err == nil {
			err = e
		}
	}()
	return measure(p.mount)
}
