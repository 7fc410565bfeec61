package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"garret/bench/internal/files"
	"garret/bench/internal/machine"
)

// bench measures one corpus.
type bench struct {
	options
	corpus *corpus
	name   string
	dir    string // on the tmpfs
	tools  []*tool
	found  *found
}

// The steps, by the names that results have them under.
const (
	stepFirst   = "first"
	stepSame    = "unchanged"
	stepSecond  = "second"
	stepRestore = "restore"
	stepCheck   = "check"
	stepLook    = "first ls"
	stepFind    = "find in the mount"
	stepHeld    = "memory of the mount after find"
	stepCopy    = "copy out of the mount"
	nativeCopy  = "cp -a"
	nativeCross = "cp -a to another tmpfs"
	nativeFind  = "find -printf"
	nativeLs    = "find -ls"
)

const native = "native"

func (c command) run(ctx context.Context) error {
	_, err := measure(ctx, c)
	return err
}

func (b *bench) run(ctx context.Context) (_ *found, err error) {
	a, second := filepath.Join(b.dir, "a"), ""
	if b.corpus.second {
		second = filepath.Join(b.dir, "b")
	}
	for _, d := range []string{a, second, b.work(), b.spare()} {
		if d != "" {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return nil, err
			}
		}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.corpus.make(ctx, b, a, second); err != nil {
		return nil, err
	}
	b.found = &found{Name: b.name, What: b.corpus.what, Costs: map[string]map[string][]cost{}, Sizes: map[string][2]int64{}}
	if b.found.Bytes, b.found.Files, err = files.Count(a); err != nil {
		return nil, err
	}
	// Once more than counts: the first round warms up.
	for n := range b.runs + 1 {
		counts := n > 0
		fmt.Fprintf(os.Stderr, "%s, round %d of %d\n", b.name, n, b.runs)
		if err := b.natively(ctx, a, counts); err != nil {
			return nil, err
		}
		for _, t := range b.tools {
			if b.corpus.alone && t.name != "garret" {
				continue
			}
			if err := b.through(ctx, t, a, second, counts); err != nil {
				return nil, fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	return b.found, nil
}

// work is the directory in which tools run; spare is on the same tmpfs.
func (b *bench) work() string  { return filepath.Join(b.dir, "work") }
func (b *bench) spare() string { return filepath.Join(b.dir, "spare") }

// note keeps what a step took.
func (b *bench) note(who, step string, c cost, counts bool) {
	if !counts {
		return
	}
	if b.found.Costs[who] == nil {
		b.found.Costs[who] = map[string][]cost{}
	}
	b.found.Costs[who][step] = append(b.found.Costs[who][step], c)
	fmt.Fprintf(os.Stderr, "  %-8s %-22s %7.2f s  cpu %7.2f s  %4.0f MiB\n", who, step, c.Wall, c.CPU, c.Peak)
}

// timed runs a command with enough memory at hand for what it may write, and for
// itself.
func (b *bench) timed(ctx context.Context, c command) (cost, error) {
	if err := machine.Touch(b.dir, b.found.Bytes*5/4+1<<30); err != nil {
		return cost{}, err
	}
	return measure(ctx, c)
}

// natively measures the floors.
func (b *bench) natively(ctx context.Context, a string, counts bool) error {
	out := filepath.Join(b.spare(), "copy")
	for _, s := range []struct {
		step string
		args []string
	}{
		{nativeFind, []string{"find", a, "-printf", `%s %T@ %i\n`}},
		{nativeLs, []string{"find", a, "-ls"}},
		{nativeCopy, []string{"cp", "-a", a, out}},
	} {
		c, err := b.timed(ctx, command{args: s.args})
		if err != nil {
			return err
		}
		b.note(native, s.step, c, counts)
	}
	if err := os.RemoveAll(out); err != nil || !b.corpus.copied {
		return err
	}
	return b.across(ctx, a, counts)
}

// across measures what a copy takes whose source and destination are two file
// systems, as they are for one out of a mount: cp cannot have the kernel do it
// then. It needs root; without, it is left out.
func (b *bench) across(ctx context.Context, a string, counts bool) (err error) {
	at := filepath.Join(b.dir, "apart")
	end, err := machine.Tmpfs(at)
	if errors.Is(err, syscall.EPERM) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	c, err := b.timed(ctx, command{args: []string{"cp", "-a", a, filepath.Join(at, "copy")}})
	if err == nil {
		b.note(native, nativeCross, c, counts)
	}
	return err
}

// through takes a tool through all steps.
func (b *bench) through(ctx context.Context, t *tool, a, second string, counts bool) (err error) {
	repo, cache, out := filepath.Join(b.spare(), "repo"), filepath.Join(b.spare(), "tool"), filepath.Join(b.spare(), "restored")
	src := filepath.Join(b.work(), "src")
	for _, d := range []string{cache, out} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.spare()), os.Mkdir(b.spare(), 0o755)) }()
	env := t.env(cache)
	step := func(name, dir string, args []string) error {
		c, err := b.timed(ctx, command{dir: dir, env: env, args: args})
		if err == nil && name != "" {
			b.note(t.name, name, c, counts)
		}
		return err
	}
	if err := step("", b.work(), t.init(repo)); err != nil {
		return err
	}
	// Both versions are stored under one path, one after the other.
	if err := os.Rename(a, src); err != nil {
		return err
	}
	back := a
	defer func() { err = errors.Join(err, os.Rename(src, back)) }()
	if err := step(stepFirst, b.work(), t.snapshot(repo, "one")); err != nil {
		return err
	}
	first, _, err := files.Count(repo)
	if err != nil {
		return err
	}
	if !counts && t.name != "garret" {
		return nil // warm enough
	}
	if err := step(stepSame, b.work(), t.snapshot(repo, "two")); err != nil {
		return err
	}
	both, last := first, "two"
	if second != "" {
		before, _, err := files.Count(repo)
		if err != nil {
			return err
		}
		if err := errors.Join(os.Rename(src, a), os.Rename(second, src)); err != nil {
			return err
		}
		back = second
		last = "three"
		if err := step(stepSecond, b.work(), t.snapshot(repo, last)); err != nil {
			return err
		}
		if both, _, err = files.Count(repo); err != nil {
			return err
		}
		both -= before
	}
	b.found.Sizes[t.name] = [2]int64{first, both}
	if err := step(stepRestore, out, t.restore(repo, last)); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := step(stepCheck, b.work(), t.check(repo)); err != nil {
		return err
	}
	if b.corpus.mount {
		return b.mounted(ctx, t, env, repo, last, counts)
	}
	return nil
}

// mountPatience is how long a mount may take to be there.
const mountPatience = 2 * time.Minute

// mounted measures what a user does with a mount. A tool that cannot mount here
// is left out of it.
func (b *bench) mounted(ctx context.Context, t *tool, env []string, repo, last string, counts bool) (err error) {
	at, out := filepath.Join(b.dir, "mount"), filepath.Join(b.spare(), "copied")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	cmd := command{dir: b.work(), env: env, args: t.mount(repo, at)}.cmd(ctx)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	defer func() {
		// borg's ends only when it is unmounted; one that is not there yet only by a signal.
		if exec.Command("fusermount3", "-u", at).Run() != nil {
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			err = errors.Join(err, fmt.Errorf("%s does not end its mount", t.name))
		}
	}()
	inside := t.inside(at, last)
	for {
		if _, err := os.ReadDir(inside); err == nil {
			break
		}
		select {
		case <-ended:
			fmt.Fprintf(os.Stderr, "  %s cannot mount here\n", t.name)
			return nil
		case <-time.After(time.Millisecond):
		}
		if time.Since(began) > mountPatience || ctx.Err() != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("%s: the mount does not show %s", t.name, inside))
		}
	}
	b.note(t.name, stepLook, cost{Wall: time.Since(began).Seconds()}, counts)
	c, err := b.timed(ctx, command{args: []string{"find", inside, "-ls"}})
	if err != nil {
		return err
	}
	b.note(t.name, stepFind, c, counts)
	b.note(t.name, stepHeld, cost{Peak: float64(ownMemory(cmd.Process.Pid)) / (1 << 20)}, counts)
	if !b.corpus.copied {
		return nil
	}
	if c, err = b.timed(ctx, command{args: []string{"cp", "-a", inside, out}}); err != nil {
		return err
	}
	b.note(t.name, stepCopy, c, counts)
	return nil
}
