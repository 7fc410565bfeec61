package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"garret/cmd/garret/internal/speed"
	"garret/cmd/garret/internal/term"
	"garret/store/backend"
)

type benchmarkCmd struct {
	Data string        `arg:"" optional:"" placeholder:"PATH" help:"File or directory to take a sample of for the machine's part; without it, text is made up."`
	What string        `default:"all" enum:"all,machine,repository" help:"machine, repository, or all: the machine, and the repository if one is named with -r or GARRET_REPO."`
	Time time.Duration `default:"250ms" placeholder:"DURATION" help:"How long each measurement takes."`
	JSON bool          `name:"json" help:"Print one JSON object a line."`
}

// Help is the longer text of `garret benchmark --help`.
func (c *benchmarkCmd) Help() string {
	return `Measures what snapshots and restores are made of: how fast this machine cuts, hashes, compresses, encrypts and checks, by one thread and by all, and how fast the repository's storage puts, reads, lists and deletes objects. It needs no passphrase, changes no snapshot, and removes the objects (256 MiB at most, in the folder "benchmark") that it puts into the repository.`
}

func (c *benchmarkCmd) Run(ctx context.Context, a *app) error {
	if c.Time <= 0 {
		return fmt.Errorf("--time %v: it has to be more than nothing", c.Time)
	}
	var place backend.Backend
	if c.What == "repository" || c.What == "all" && a.repo != "" {
		b, err := a.backend() // first of all: it may not be there
		if err != nil {
			return err
		}
		defer b.Close()
		place = b
	}
	if c.What != "repository" {
		if err := c.machine(ctx, a); err != nil {
			return err
		}
	} else if c.Data != "" {
		return fmt.Errorf("%s: storage is measured with random bytes, not with a sample", term.Name(c.Data))
	}
	if place == nil {
		return nil
	}
	if c.What == "all" && !c.JSON {
		fmt.Fprintln(a.stdout)
	}
	return c.repository(ctx, a, place)
}

func (c *benchmarkCmd) machine(ctx context.Context, a *app) error {
	sample, of := speed.Generate(), "made-up text"
	if c.Data != "" {
		var err error
		if sample, err = speed.Load(ctx, c.Data); err != nil {
			return err
		}
		of = fmt.Sprintf("%s (from %s)", term.Name(c.Data), plural(sample.Files, "file"))
	}
	if c.JSON {
		return speed.Machine(ctx, sample, c.Time, func(s speed.Stage) error { return printJSON(a.stdout, s) })
	}
	// Lines come as they are measured, so the columns are as wide as they may be.
	const line = "%-30s %10s %10s %12s %10s %7s\n"
	all := fmt.Sprintf("%d THREADS", runtime.GOMAXPROCS(0))
	fmt.Fprintf(a.stdout, "This machine, with %s of %s:\n\n", term.Size(uint64(len(sample.Data))), of)
	fmt.Fprintf(a.stdout, line, "STAGE", "WRITE ONE", all, "READ ONE", all, "RATIO")
	return speed.Machine(ctx, sample, c.Time, func(s speed.Stage) error {
		w, r := speedCells(s.Writing), speedCells(s.Reading)
		ratio := "-"
		if s.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f", s.Ratio)
		}
		_, err := fmt.Fprintf(a.stdout, line, s.Name, w[0], w[1], r[0], r[1], ratio)
		return err
	})
}

// speedCells writes the speed of one thread and that of all: bytes a second, or
// the time of one operation.
func speedCells(speeds []speed.Speed) (cells [2]string) {
	cells = [2]string{"-", "-"}
	for i, s := range speeds {
		if s.Bytes > 0 {
			cells[i] = term.Size(uint64(s.Rate())) + "/s"
		} else {
			cells[i] = term.Latency(s.Seconds / float64(s.Operations))
		}
	}
	return cells
}

func (c *benchmarkCmd) repository(ctx context.Context, a *app, b backend.Backend) error {
	if c.JSON {
		return speed.Backend(ctx, b, c.Time, func(o speed.Operation) error { return printJSON(a.stdout, o) })
	}
	const line = "%-24s %10s %8s %7s %10s %10s %12s\n"
	fmt.Fprintf(a.stdout, "%s:\n\n", term.Name(b.Location()))
	fmt.Fprintf(a.stdout, line, "OPERATION", "SIZE", "AT ONCE", "TIMES", "MEDIAN", "99 %", "IN ALL")
	return speed.Backend(ctx, b, c.Time, func(o speed.Operation) error {
		size, rate := "-", term.Count(uint64(float64(o.Operations)/o.Seconds))+"/s"
		if o.Size > 0 {
			size, rate = term.Size(uint64(o.Size)), term.Size(uint64(o.Rate()))+"/s"
		}
		_, err := fmt.Fprintf(a.stdout, line, o.Name, size, fmt.Sprint(o.Threads), fmt.Sprint(o.Operations), term.Latency(o.Median), term.Latency(o.P99), rate)
		return err
	})
}
