package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A process's memory is seen, and its children's.
func TestMeasureSeesMemory(t *testing.T) {
	// The shell's child holds 40 MB in a variable.
	script := `sh -c 'x=$(head -c 40000000 /dev/zero | tr "\0" x); sleep 0.3; test ${#x} = 40000000'; true`
	c, err := measure(t.Context(), command{args: []string{"sh", "-c", script}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Peak < 35 || c.Wall < 0.3 || c.CPU <= 0 || c.CPU > c.Wall*8 {
		t.Errorf("%+v", c)
	}
	if _, err := measure(t.Context(), command{args: []string{"sh", "-c", "echo why >&2; exit 3"}}); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("a command that fails: %v", err)
	}
}

func TestMedian(t *testing.T) {
	got := median([]cost{{3, 10, 1}, {1, 30, 2}, {2, 20, 9}})
	if got != (cost{2, 20, 2}) {
		t.Errorf("%+v", got)
	}
	if got := median([]cost{{1, 1, 1}, {2, 4, 3}}); got != (cost{1.5, 2.5, 2}) {
		t.Errorf("of two: %+v", got)
	}
}

func sample() *results {
	once := func(wall float64) []cost { return []cost{{wall, wall, 100}} }
	f := &found{Name: "go", What: "sample", Bytes: 1e9, Files: 10, Costs: map[string]map[string][]cost{
		"garret": {stepFirst: once(2), stepSecond: once(1), stepRestore: once(1)},
		"borg":   {stepFirst: once(6), stepSecond: once(3), stepRestore: once(3)},
		"restic": {stepFirst: once(4), stepSecond: once(2), stepRestore: once(5)},
		native:   {nativeCopy: once(2)},
	}, Sizes: map[string][2]int64{"garret": {90e6, 50e6}, "borg": {100e6, 40e6}, "restic": {120e6, 60e6}}}
	return &results{Runs: 1, Scale: 1, Corpora: []*found{f}}
}

// Ratios are of the best peer, and say whether the limit is kept.
func TestRatios(t *testing.T) {
	r := sample()
	for _, want := range []struct {
		what  string
		ratio float64
		kept  string
	}{
		{"first snapshot: times as fast", 2, "yes"}, {"repository, parity included", 0.9, "yes"}, {"added by the second", 1.25, "no"},
		{"restore: times as long", 0.5, "yes"}, {"restore: times as fast", 3, "yes"}, {"peak memory", 100, "yes"},
	} {
		found := false
		for _, c := range claims {
			if c.corpus != "go" || !strings.HasPrefix(c.what, want.what) {
				continue
			}
			found = true
			ratio, ok := c.ratio(r.Corpora[0])
			if !ok || math.Abs(ratio-want.ratio) > 1e-9 || c.kept(ratio) != want.kept {
				t.Errorf("%s: %v, %v, %s", want.what, ratio, ok, c.kept(ratio))
			}
		}
		if !found {
			t.Errorf("there is no claim %q", want.what)
		}
	}
	delete(r.Corpora[0].Costs, "borg")
	delete(r.Corpora[0].Costs, "restic")
	if table := r.markdown(); strings.Contains(table, "peer's") || strings.Contains(table, "NaN") || strings.Contains(table, "Inf") {
		t.Errorf("without peers:\n%s", table)
	}
}

// What was measured can be read again, and makes a table and plots.
func TestRender(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "results.json")
	if err := sample().write(data); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), options{render: true, data: data, out: dir}); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil || !strings.Contains(string(table), "| first | 2.00 / 2.00, 100 | 6.00") {
		t.Errorf("%v\n%s", err, table)
	}
	for _, name := range []string{"time.svg", "size.svg"} {
		svg, err := os.ReadFile(filepath.Join(dir, "plots", name))
		if err != nil || !strings.Contains(string(svg), ">garret<") {
			t.Errorf("%s: %v, %d bytes", name, err, len(svg))
		}
		for d := xml.NewDecoder(bytes.NewReader(svg)); err == nil; {
			_, err = d.Token()
		}
		if err != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The generated files are the same each time.
func TestGenerated(t *testing.T) {
	b := &bench{options: options{scale: 1000}}
	for name, make := range map[string]*corpus{"random": corpora["random"], "many": corpora["many"]} {
		var sums [2]int64
		for i := range sums {
			dir := t.TempDir()
			if err := make.make(t.Context(), b, dir, ""); err != nil {
				t.Fatal(err)
			}
			err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				content, err := os.ReadFile(path)
				for j, c := range content {
					sums[i] = sums[i]*31 + int64(c) + int64(j)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if sums[0] == 0 || sums[0] != sums[1] {
			t.Errorf("%s: %x", name, sums)
		}
	}
}
