package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"garret/bench/internal/machine"
)

// options is what the command line says.
type options struct {
	program string // garret's
	dir     string // on a tmpfs
	runs    int
	only    string // corpora, with commas between
	tools   string
	linux   string // source tree, or ""
	scale   int    // divides the sizes of what is generated
	render  bool
	asFound bool   // the machine's settings stay
	data    string // results as JSON
	out     string // directory of RESULTS.md and plots
}

func main() {
	var o options
	flag.StringVar(&o.program, "garret", "bin/garret", "the `program` to measure")
	flag.StringVar(&o.dir, "dir", "/dev/shm", "where everything goes: a `directory` on a tmpfs with 12 GiB to spare")
	flag.IntVar(&o.runs, "runs", 3, "how `often` each is run")
	flag.StringVar(&o.only, "only", "linux,go,image,random,many", "`corpora` to use")
	flag.StringVar(&o.tools, "tools", "garret,borg,restic", "`tools` to use")
	flag.StringVar(&o.linux, "linux", "", "a large source `tree`; without it Debian's linux-source-6.1, if it is installed")
	flag.IntVar(&o.scale, "scale", 1, "make what is generated so many `times` smaller")
	flag.BoolVar(&o.asFound, "as-found", false, "do not change the machine's settings, which slow some virtual ones down")
	flag.BoolVar(&o.render, "render", false, "measure nothing, make tables and plots from what was measured last")
	flag.StringVar(&o.data, "data", "bench/results.json", "the results' `file`")
	flag.StringVar(&o.out, "out", "bench", "the `directory` of RESULTS.md and plots")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "bench-peers: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if !o.render {
		if err := measureAll(ctx, o); err != nil {
			return err
		}
	}
	r, err := readResults(o.data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(o.out, "plots"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "RESULTS.md"), []byte(r.markdown()), 0o644); err != nil {
		return err
	}
	return r.plots(filepath.Join(o.out, "plots"))
}

// measureAll measures what is wanted, and keeps the results after each corpus.
func measureAll(ctx context.Context, o options) (err error) {
	if o.runs < 1 || o.scale < 1 {
		return errors.New("-runs and -scale must be at least 1")
	}
	if o.program, err = filepath.Abs(o.program); err != nil {
		return err
	}
	if _, err := os.Stat(o.program); err != nil {
		return fmt.Errorf("%w; `make build` builds it", err)
	}
	dir, err := os.MkdirTemp(o.dir, "garret-peers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &results{Machine: describeMachine(ctx), Runs: o.runs, Scale: o.scale}
	if !o.asFound {
		changed, end := machine.Steady()
		defer end()
		r.Machine.Changed = changed
	}
	tools := r.installed(ctx, strings.Split(o.tools, ","), o.program)
	for _, name := range strings.Split(o.only, ",") {
		c := corpora[name]
		if c == nil {
			return fmt.Errorf("there is no corpus %q", name)
		}
		b := &bench{options: o, corpus: c, name: name, dir: filepath.Join(dir, name), tools: tools}
		found, err := b.run(ctx)
		var missing *missingError
		switch {
		case errors.As(err, &missing):
			r.Notes = append(r.Notes, fmt.Sprintf("%s was left out: %v.", name, missing))
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		}
		r.Corpora = append(r.Corpora, found)
		if err := r.write(o.data); err != nil {
			return err
		}
	}
	return r.write(o.data)
}

// missingError says what a corpus lacks on this machine.
type missingError struct{ what string }

func (e *missingError) Error() string { return e.what }
