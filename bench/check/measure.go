package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"garret/bench/internal/files"
)

// bench is one comparison.
type bench struct {
	dir  string // of everything
	runs int
}

// tool is a program to measure, with a repository of its own.
type tool struct {
	name, path string
	repo       string
	env        []string
	prepare    [][]string // makes the repository
	check      []string
	wall, cpu  []time.Duration
}

// compare stores the source with both, checks in turn, and returns how many
// times as fast garret is.
func (b *bench) compare(ctx context.Context, garret, restic, source string) (ratio float64, err error) {
	const passphrase = "a passphrase for the benchmark"
	tools := []*tool{
		{
			name: "garret", path: garret, repo: filepath.Join(b.dir, "garret"),
			env:     []string{"GARRET_REPO=" + filepath.Join(b.dir, "garret"), "GARRET_PASSPHRASE=" + passphrase},
			prepare: [][]string{{"init"}, {"snapshot", "--quiet", source}},
			check:   []string{"check", "--quiet", "--read-data"},
		},
		{
			name: "restic", path: restic, repo: filepath.Join(b.dir, "restic"),
			env:     []string{"RESTIC_REPOSITORY=" + filepath.Join(b.dir, "restic"), "RESTIC_PASSWORD=" + passphrase},
			prepare: [][]string{{"init"}, {"backup", "--quiet", source}},
			check:   []string{"check", "--quiet", "--read-data"},
		},
	}
	fmt.Printf("%s, load average %s\n", source, loadAverage())
	for _, t := range tools {
		t.env = append(b.environment(), t.env...)
		version, err := t.command(ctx, "version").Output()
		if err != nil {
			return 0, fmt.Errorf("%s version: %w", t.name, err)
		}
		for _, args := range t.prepare {
			if _, _, err := t.run(ctx, args); err != nil {
				return 0, err
			}
		}
		bytes, _, err := files.Count(t.repo)
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(version), "\n")
		fmt.Printf("%s: a repository of %.1f MB\n", first, float64(bytes)/1e6)
	}
	for n := range b.runs + 1 {
		for _, t := range tools {
			wall, cpu, err := t.run(ctx, t.check)
			if err != nil {
				return 0, err
			}
			if n > 0 { // the first warms up
				t.wall, t.cpu = append(t.wall, wall), append(t.cpu, cpu)
			}
		}
	}
	for _, t := range tools {
		fmt.Printf("%s check --read-data: %.2f s (%.2f to %.2f s), %.2f s of processor time\n", t.name, median(t.wall).Seconds(),
			slices.Min(t.wall).Seconds(), slices.Max(t.wall).Seconds(), median(t.cpu).Seconds())
	}
	ratio = median(tools[1].wall).Seconds() / median(tools[0].wall).Seconds()
	fmt.Printf("garret is %.2f times as fast (median of %d runs each, in turn; processor time: %.2f times as little; load average now %s)\n",
		ratio, b.runs, median(tools[1].cpu).Seconds()/median(tools[0].cpu).Seconds(), loadAverage())
	return ratio, nil
}

// environment is this one, without what belongs to the user's own repositories,
// and with caches and temporary files in the benchmark's directory.
func (b *bench) environment() (env []string) {
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GARRET_") && !strings.HasPrefix(e, "RESTIC_") && !strings.HasPrefix(e, "XDG_CACHE_HOME=") && !strings.HasPrefix(e, "TMPDIR=") {
			env = append(env, e)
		}
	}
	return append(env, "XDG_CACHE_HOME="+filepath.Join(b.dir, "cache"), "TMPDIR="+b.dir)
}

func (t *tool) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.path, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = t.env
	return cmd
}

// run runs a command that must succeed and returns what it took.
func (t *tool) run(ctx context.Context, args []string) (wall, cpu time.Duration, err error) {
	cmd := t.command(ctx, args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	err = cmd.Run()
	wall = time.Since(began)
	if err != nil {
		return 0, 0, fmt.Errorf("%s %s: %w\n%s", t.name, strings.Join(args, " "), err, said.String())
	}
	return wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// loadAverage is that of the last minute.
func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(data), " ")
	return one
}
