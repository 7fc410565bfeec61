package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// ratio is how many times as long it takes on the mount.
func (r *row) ratio() float64 { return median(r.mounted).Seconds() / median(r.native).Seconds() }

func (r *row) String() string {
	return fmt.Sprintf("%s, %s: %.2f (%v, native %v)", r.name, r.on.what, r.ratio(),
		median(r.mounted).Round(time.Millisecond), median(r.native).Round(time.Millisecond))
}

// rate says what the mount did in a second.
func (b *bench) rate(r *row) string {
	seconds := median(r.mounted).Seconds()
	switch {
	case r.random:
		return fmt.Sprintf("%.0f/s, 99 %% within %.1f ms", randomReads/seconds, percentile99.Seconds()*1000)
	case r.on == oneImage:
		return fmt.Sprintf("%.0f MB/s", float64(b.image<<20)/1e6/seconds)
	case r.on == small:
		return fmt.Sprintf("%.1f k files/s", smallFiles/1e3/seconds)
	case r.on == many || r.on == oneDir:
		return fmt.Sprintf("%.0f k files/s", manyDirs*filesPerDir/1e3/seconds)
	}
	return ""
}

// table is all of it in Markdown.
func (b *bench) table(rows []*row) string {
	var t strings.Builder
	t.WriteString("# A mount beside the files themselves\n\nWritten by `make bench-mount`.\n\n")
	fmt.Fprintf(&t, "Median of %d runs each, of %d where one takes less than a second, in turn: natively on a tmpfs with warm caches,\n", b.runs, moreRuns*b.runs)
	t.WriteString("and on a fresh mount. The middle half of the runs' ratios stands beside the ratio of the medians.\n")
	fmt.Fprintf(&t, "%d processors, Linux %s, load average %s at the end.\n", runtime.NumCPU(), release(), loadAverage())
	if b.sources > 0 {
		fmt.Fprintf(&t, "The source tree has %d files.\n", b.sources)
	}
	if len(b.changed) > 0 {
		fmt.Fprintf(&t, "While it was measured, %s.\n", strings.Join(b.changed, ", and "))
	}
	t.WriteByte('\n')
	t.WriteString("| what | of | ratio | middle half | at most | mount, s | native, s | rate |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		limit := ""
		if r.limit > 0 {
			limit = fmt.Sprintf("%.2f", r.limit)
		}
		from, to := r.middle()
		fmt.Fprintf(&t, "| %s | %s | %.2f | %.2f to %.2f | %s | %.3f | %.3f | %s |\n", r.name, r.on.what, r.ratio(), from, to, limit,
			median(r.mounted).Seconds(), median(r.native).Seconds(), b.rate(r))
	}
	return t.String()
}

// release is the kernel's version without what a distribution adds.
func release() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of an unknown version"
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(data)), "-")
	return version
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
