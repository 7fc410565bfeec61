package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Peaks of memory that is the program's own (RssAnon), MiB.
const (
	sourceTreePeak   = 150
	millionFilesPeak = 180
)

// TestMemory bounds what the first and the second snapshot of the Go source
// take at their peak, the key derivation included.
func TestMemory(t *testing.T) {
	u := newUser(t, memoryDir(t))
	u.run("init")
	source := filepath.Join(goRoot(t), "src")
	for _, what := range []string{"first", "second"} {
		if peak := peakMemory(t, u, "snapshot", "--quiet", source); peak > sourceTreePeak {
			t.Errorf("%s snapshot of the Go source: %d MiB, want %d at most", what, peak, sourceTreePeak)
		} else {
			t.Logf("%s snapshot of the Go source: %d MiB", what, peak)
		}
	}
}

// TestMillionFiles does the same with 1,000,000 files of 0 to 3 KiB. It takes
// 6 GB of a tmpfs and minutes, so it runs only with GARRET_BIG=1.
func TestMillionFiles(t *testing.T) {
	if os.Getenv("GARRET_BIG") != "1" {
		t.Skip("GARRET_BIG=1 makes it run")
	}
	dir := memoryDir(t)
	source := filepath.Join(dir, "source")
	text := letters16(8 << 20)
	for d := range 1000 {
		sub := filepath.Join(source, fmt.Sprintf("d%03d", d))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		for f := range 1000 {
			n := (d*1000 + f) * 7919 // spreads sizes and contents
			at := n % (len(text) - 3<<10)
			if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("f%03d", f)), text[at:at+n%(3<<10+1)], 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	u := newUser(t, dir)
	u.run("init")
	for _, what := range []string{"first", "second"} {
		started := time.Now()
		if peak := peakMemory(t, u, "snapshot", "--quiet", source); peak > millionFilesPeak {
			t.Errorf("%s snapshot of 1,000,000 files: %d MiB, want %d at most", what, peak, millionFilesPeak)
		} else {
			t.Logf("%s snapshot of 1,000,000 files: %d MiB, %.1f s", what, peak, time.Since(started).Seconds())
		}
	}
}

// peakMemory runs a command and returns the most memory of its own that it was
// seen to have, MiB.
func peakMemory(t *testing.T, u *user, args ...string) int {
	t.Helper()
	cmd := u.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	status := fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	peak, samples := 0, 0
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("garret %q: %v\n%s", args, err, stderr.String())
			}
			if samples < 10 {
				t.Fatalf("its memory was seen %d times only", samples)
			}
			return (peak + 1023) / 1024
		case <-tick.C:
		}
		text, err := os.ReadFile(status)
		if err != nil {
			continue // it has just ended
		}
		_, rest, ok := strings.Cut(string(text), "\nRssAnon:")
		if fields := strings.Fields(rest); ok && len(fields) > 0 {
			if kib, err := strconv.Atoi(fields[0]); err == nil {
				samples++
				peak = max(peak, kib)
			}
		}
	}
}
