package main

import (
	"fmt"
	"math"
	"strings"
)

// claim is a ratio that garret is to keep.
type claim struct {
	corpus, what string
	ratio        func(f *found) (float64, bool)
	limit        float64
	atLeast      bool // else at most
}

// claims are the limits that garret was built to.
var claims = []claim{
	{"linux", "first snapshot: times as fast as the fastest peer", fasterThanPeers(stepFirst), 1.82, true},
	{"linux", "repository, parity included: of the smallest peer's", ofSmallest(0), 0.87, false},
	{"linux", "unchanged: times as fast as the fastest peer", fasterThanPeers(stepSame), 1.2, true},
	{"linux", "restore: times as long as `cp -a`", timesNative(stepRestore, nativeCopy), 1.02, false},
	{"linux", "`cp -a` out of the mount: times as long as natively", timesNative(stepCopy, nativeCopy), 1.75, false},
	{"linux", "the same, of a native copy between two file systems", timesNative(stepCopy, nativeCross), 1.75, false},
	{"linux", "`find -ls` in the mount: times as long as natively", timesNative(stepFind, nativeLs), 2.2, false},
	{"linux", "every byte checked: times as fast as the fastest peer", fasterThanPeers(stepCheck), 2, true},
	{"linux", "peak memory of all steps, MiB", peakMemory, 150, false},
	{"go", "first snapshot: times as fast as the fastest peer", fasterThanPeers(stepFirst), 1.8, true},
	{"go", "repository, parity included: of the smallest peer's", ofSmallest(0), 0.98, false},
	{"go", "added by the second version: of the least", ofSmallest(1), 0.9, false},
	{"go", "restore: times as long as `cp -a`", timesNative(stepRestore, nativeCopy), 1, false},
	{"go", "restore: times as fast as the fastest peer", fasterThanPeers(stepRestore), 2, true},
	{"go", "peak memory of all steps, MiB", peakMemory, 150, false},
	{"image", "first snapshot: times as fast as the fastest peer", fasterThanPeers(stepFirst), 1.5, true},
	{"image", "added by the second version: of the least", ofSmallest(1), 0.9, false},
	{"image", "peak memory of all steps, MiB", peakMemory, 150, false},
	{"random", "first snapshot, MB/s", throughput, 700, true},
	{"random", "first snapshot: times as fast as the fastest peer", fasterThanPeers(stepFirst), 1, true},
	{"random", "peak memory of all steps, MiB", peakMemory, 150, false},
	{"many", "unchanged: times as long as `find -printf '%s %T@ %i'`", timesNative(stepSame, nativeFind), 2.5, false},
	{"many", "peak memory of all steps, MiB", peakMemory, 180, false},
	{"many", "memory of the mount after `find -ls`, its cache of 128 MiB included, MiB", mountMemory, 188, false},
}

func fasterThanPeers(step string) func(*found) (float64, bool) {
	return func(f *found) (float64, bool) {
		ours, ok := f.took("garret", step)
		best := math.Inf(1)
		for _, p := range f.peers() {
			if theirs, there := f.took(p, step); there {
				best = min(best, theirs.Wall)
			}
		}
		return best / ours.Wall, ok && !math.IsInf(best, 1)
	}
}

func ofSmallest(version int) func(*found) (float64, bool) {
	return func(f *found) (float64, bool) {
		ours, ok := f.Sizes["garret"]
		least := math.Inf(1)
		for _, p := range f.peers() {
			least = min(least, float64(f.Sizes[p][version]))
		}
		return float64(ours[version]) / least, ok && !math.IsInf(least, 1)
	}
}

func timesNative(step, floor string) func(*found) (float64, bool) {
	return func(f *found) (float64, bool) {
		ours, ok := f.took("garret", step)
		floor, there := f.took(native, floor)
		return ours.Wall / floor.Wall, ok && there
	}
}

func peakMemory(f *found) (peak float64, ok bool) {
	for step := range f.Costs["garret"] {
		c, _ := f.took("garret", step)
		if step != stepCopy && step != stepFind && step != stepHeld { // those are of cp, find and the mount
			peak = max(peak, c.Peak)
		}
	}
	return peak, peak > 0
}

func mountMemory(f *found) (float64, bool) {
	c, ok := f.took("garret", stepHeld)
	return c.Peak, ok
}

func throughput(f *found) (float64, bool) {
	c, ok := f.took("garret", stepFirst)
	return float64(f.Bytes) / 1e6 / c.Wall, ok
}

func (c *claim) kept(ratio float64) string {
	if c.atLeast == (ratio >= c.limit) || ratio == c.limit {
		return "yes"
	}
	return "no"
}

// markdown is RESULTS.md.
func (r *results) markdown() string {
	var t strings.Builder
	m := &r.Machine
	t.WriteString("# garret beside its peers\n\nWritten by `make bench-peers`; [`peers/doc.go`](peers/doc.go) says what is measured.\n\n")
	fmt.Fprintf(&t, "%s, %d processors, %.0f GiB, Linux %s, %s; %s.\n", m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel, m.Go, strings.Join(m.Tools, ", "))
	fmt.Fprintf(&t, "Medians of %d rounds in turn, after one that does not count; everything on a tmpfs, encrypted, zstd; garret with parity of 5 %%.\n", r.Runs)
	if len(m.Changed) > 0 {
		fmt.Fprintf(&t, "While it was measured, %s.\n", strings.Join(m.Changed, ", and "))
	}
	if r.Scale > 1 {
		fmt.Fprintf(&t, "\n**Generated files were made %d times smaller than they should be.**\n", r.Scale)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&t, "\n%s\n", n)
	}
	t.WriteString("\n## Ratios\n\n| files | what | measured | limit | kept |\n|---|---|---|---|---|\n")
	for _, f := range r.Corpora {
		for _, c := range claims {
			if c.corpus != f.Name {
				continue
			}
			ratio, ok := c.ratio(f)
			if !ok {
				continue
			}
			bound := "≤"
			if c.atLeast {
				bound = "≥"
			}
			fmt.Fprintf(&t, "| %s | %s | %s | %s %s | %s |\n", f.Name, c.what, number(ratio), bound, number(c.limit), c.kept(ratio))
		}
	}
	for _, f := range r.Corpora {
		f.table(&t)
	}
	t.WriteString("\n![wall time](plots/time.svg)\n\n![size](plots/size.svg)\n")
	return t.String()
}

func number(v float64) string { return fmt.Sprintf("%.3g", v) }

// steps are the rows of a corpus's table.
var steps = []string{stepFirst, stepSame, stepSecond, stepRestore, stepCheck, stepLook, stepFind, stepHeld, stepCopy, nativeCopy, nativeCross, nativeFind, nativeLs}

// table writes what a corpus took, absolutely.
func (f *found) table(t *strings.Builder) {
	columns := append(append([]string{"garret"}, f.peers()...), native)
	fmt.Fprintf(t, "\n## %s: %s\n\n%d files, %.0f MB. Seconds of wall time / of processor time, MiB at the peak.\n\n| step |", f.Name, f.What, f.Files, float64(f.Bytes)/1e6)
	for _, c := range columns {
		fmt.Fprintf(t, " %s |", c)
	}
	t.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, step := range steps {
		row, any := "| "+step+" |", false
		for _, who := range columns {
			cell := ""
			if c, ok := f.took(who, step); ok {
				any = true
				switch {
				case step == stepHeld:
					cell = fmt.Sprintf("%.0f", c.Peak)
				case c.CPU > 0:
					cell = fmt.Sprintf("%.2f / %.2f, %.0f", c.Wall, c.CPU, c.Peak)
				default:
					cell = fmt.Sprintf("%.2f", c.Wall)
				}
			}
			row += " " + cell + " |"
		}
		if any {
			t.WriteString(row + "\n")
		}
	}
	for i, what := range []string{"repository, MB", "added by the second version, MB"} {
		if i == 1 && f.Costs["garret"][stepSecond] == nil {
			continue
		}
		row := "| " + what + " |"
		for _, who := range columns {
			cell := ""
			if s, ok := f.Sizes[who]; ok {
				cell = fmt.Sprintf("%.2f", float64(s[i])/1e6)
			}
			row += " " + cell + " |"
		}
		t.WriteString(row + "\n")
	}
}
