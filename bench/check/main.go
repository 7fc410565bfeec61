// Command check compares `garret check --read-data` with restic's: the same
// files, both encrypted and compressed as they are by default, both on a tmpfs,
// in turn. It prints medians and ranges, and their ratio. Without restic it says
// so and does nothing. It leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	b := &bench{}
	program := flag.String("garret", "bin/garret", "the `program` to measure")
	source := flag.String("source", "", "the `directory` to store; without it Go's distribution")
	flag.StringVar(&b.dir, "dir", "/dev/shm", "where the repositories go: a `directory` on a tmpfs with room for them")
	flag.IntVar(&b.runs, "runs", 5, "how `often` each is run")
	atLeast := flag.Float64("at-least", 1.5, "end with code 1 if garret is not so many times as fast; 0: only tell")
	flag.Parse()
	os.Exit(run(b, *program, *source, *atLeast))
}

func run(b *bench, program, source string, atLeast float64) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the program at once

	fail := func(err error) int {
		fmt.Fprintf(os.Stderr, "bench-check: %v\n", err)
		return 2
	}
	restic, err := exec.LookPath("restic")
	if errors.Is(err, exec.ErrNotFound) {
		fmt.Println("skipped: there is no restic here to compare with (apt-get install restic)")
		return 0
	}
	if err != nil {
		return fail(err)
	}
	if program, err = filepath.Abs(program); err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		return fail(fmt.Errorf("%w; `make build` builds it", err))
	}
	if source == "" {
		if source, err = goRoot(ctx); err != nil {
			return fail(err)
		}
	}
	if b.runs < 1 {
		return fail(errors.New("-runs must be at least 1"))
	}
	if b.dir, err = os.MkdirTemp(b.dir, "garret-bench-"); err != nil {
		return fail(err)
	}
	defer func() {
		if err := os.RemoveAll(b.dir); err != nil {
			code = fail(err)
		}
	}()
	ratio, err := b.compare(ctx, program, restic, source)
	switch {
	case ctx.Err() != nil:
		return fail(errors.New("interrupted"))
	case err != nil:
		return fail(err)
	case ratio < atLeast:
		fmt.Printf("that is less than the %.2f that is asked for\n", atLeast)
		return 1
	}
	return 0
}

func goRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w; or choose a directory with -source", err)
	}
	return filepath.EvalSymlinks(strings.TrimSpace(string(out)))
}
