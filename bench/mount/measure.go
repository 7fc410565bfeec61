package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"garret/bench/internal/machine"
)

// measurement is something that a user does with a directory.
type measurement struct {
	name   string
	on     *corpus
	before string // a command that is not timed
	do     string // a command: $1 is the directory, $2 one that does not exist yet
	read   func(path string) (time.Duration, error)
	again  bool // read a second time, and time that
	random bool // a rate of reads, not of bytes
	all    bool // all snapshots are mounted, not one
	apart  bool // natively, $1 and $2 are on file systems of their own too
	limit  float64
}

// row is what a measurement found, in seconds of wall time.
type row struct {
	*measurement
	native, mounted []time.Duration
}

var measurements = []*measurement{
	{name: "`cp -a`", on: sources, do: `cp -a "$1" "$2"`, limit: 1.75},
	{name: "`cp -a`, all snapshots mounted", on: sources, do: `cp -a "$1" "$2"`, all: true},
	{name: "`cp -a`, natively between two tmpfs", on: sources, do: `cp -a "$1" "$2"`, apart: true},
	{name: "`cp -a`", on: small, do: `cp -a "$1" "$2"`},
	{name: "`tar cf - .` to `cat`", on: small, do: `tar cf - -C "$1" . | cat >/dev/null`, limit: 2},
	{name: "`find -ls`", on: many, do: `find "$1" -ls >/dev/null`, limit: 2.2},
	{name: "`ls -lR`", on: many, do: `ls -lR "$1" >/dev/null`, limit: 2.2},
	{name: "`du` after `find`", on: many, before: `find "$1" -ls >/dev/null`, do: `du -s "$1" >/dev/null`, limit: 1.5},
	{name: "`find -ls`", on: oneDir, do: `find "$1" -ls >/dev/null`, limit: 2.2},
	{name: "`ls -l`", on: oneDir, do: `ls -l "$1" >/dev/null`, limit: 2.2},
	{name: "first read", on: oneImage, read: readAll},
	{name: "second read", on: oneImage, read: readAll, again: true},
	{name: "random reads of 4 KiB, one at a time", on: oneImage, read: readRandom, random: true},
}

// all takes every measurement.
func (b *bench) all(ctx context.Context) (rows []*row, err error) {
	for _, c := range []*corpus{sources, small, many, oneDir, oneImage} {
		var wanted []*row
		for _, m := range measurements {
			if m.apart && os.Geteuid() != 0 {
				continue // only root may mount the other tmpfs
			}
			if m.on == c && strings.Contains(m.name+", "+c.what, b.only) {
				wanted = append(wanted, &row{measurement: m})
			}
		}
		if len(wanted) == 0 {
			continue
		}
		p, err := b.prepare(ctx, c)
		if err != nil {
			return nil, err
		}
		for _, r := range wanted {
			if err := b.take(ctx, p, r); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", r.name, c.what, err)
			}
			fmt.Fprintln(os.Stderr, r)
		}
		if err := p.remove(); err != nil {
			return nil, err
		}
		rows = append(rows, wanted...)
	}
	return rows, nil
}

// What takes less than shortRun is measured moreRuns times as often.
const (
	shortRun = time.Second
	moreRuns = 3
)

// take measures in turn, once more than counts: the first warms up, and tells how
// often it is to be done.
func (b *bench) take(ctx context.Context, p *prepared, r *row) (err error) {
	native := p.native
	if r.apart {
		var end func() error
		if native, end, err = p.elsewhere(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	once := func(dir string) (time.Duration, error) {
		if err := machine.Touch(b.dir, p.size*5/4+256<<20); err != nil {
			return 0, err
		}
		return r.once(ctx, p, dir)
	}
	runs := b.runs
	for n := 0; n <= runs; n++ {
		took, err := once(native)
		if err != nil {
			return err
		}
		err = p.mounted(ctx, r.all, func(dir string) error {
			d, err := once(dir)
			switch {
			case n > 0:
				r.native, r.mounted = append(r.native, took), append(r.mounted, d)
			case d < shortRun:
				runs *= moreRuns
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// once does it once.
func (m *measurement) once(ctx context.Context, p *prepared, dir string) (took time.Duration, err error) {
	if m.read != nil {
		path := filepath.Join(dir, "image")
		took, err = m.read(path)
		if err == nil && m.again {
			took, err = m.read(path)
		}
		return took, err
	}
	copied := filepath.Join(p.b.dir, "copied")
	defer func() {
		if e := os.RemoveAll(copied); err == nil {
			err = e
		}
	}()
	for i, script := range []string{m.before, m.do} {
		if script == "" {
			continue
		}
		cmd := exec.CommandContext(ctx, "sh", "-c", script, "sh", dir, copied)
		cmd.WaitDelay = 20 * time.Second
		began := time.Now()
		out, err := cmd.CombinedOutput()
		if i == 1 {
			took = time.Since(began)
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w\n%s", script, err, out)
		}
	}
	return took, nil
}

// readAll reads a file from its beginning to its end.
func readAll(path string) (time.Duration, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for began := time.Now(); ; {
		if _, err := f.Read(buf); err == io.EOF {
			return time.Since(began), nil
		} else if err != nil {
			return 0, err
		}
	}
}

// randomReads is how many reads readRandom times.
const randomReads = 2000

// readRandom reads pages here and there, one after another.
func readRandom(path string) (time.Duration, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	random := rand.New(rand.NewPCG(3, 4))
	buf := make([]byte, 4096)
	took := make([]time.Duration, randomReads)
	began := time.Now()
	for i := range took {
		each := time.Now()
		if _, err := f.ReadAt(buf, random.Int64N(info.Size()/4096)*4096); err != nil {
			return 0, err
		}
		took[i] = time.Since(each)
	}
	all := time.Since(began)
	slices.Sort(took)
	percentile99 = took[randomReads*99/100]
	return all, nil
}

// percentile99 is that of the last readRandom, which was on a mount.
var percentile99 time.Duration

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// middle returns the bounds of the middle half of the runs' ratios.
func (r *row) middle() (from, to float64) {
	ratios := make([]float64, len(r.mounted))
	for i, d := range r.mounted {
		ratios[i] = d.Seconds() / r.native[i].Seconds()
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/4], ratios[len(ratios)-1-len(ratios)/4]
}
