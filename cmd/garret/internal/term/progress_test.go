package term

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The line is there while work goes on, messages scroll above it, and at the end
// nothing of it is left.
func TestProgressOnTerminal(t *testing.T) {
	t.Setenv("TERM", "xterm")
	s := newScreen(t, 40)
	var files atomic.Uint64
	p := StartProgress(s.tty, func() Counts {
		n := files.Add(1)
		return Counts{Files: n, Bytes: 1000 * n, TotalFiles: 1000, TotalBytes: 1e6}
	})
	s.wait("3 files", 1)
	fmt.Fprintln(p, "garret: warning: something")
	s.wait("5 files", 1)
	for _, line := range visible(s.String()) {
		if len(line) > 39 {
			t.Errorf("line longer than the terminal: %q", line)
		}
	}
	if lines := visible(s.String()); len(lines) != 2 || lines[0] != "garret: warning: something" || !strings.HasPrefix(lines[1], "5 files  5.00 kB of 1.00 MB") {
		t.Errorf("the screen shows %q", lines)
	}
	p.Stop()
	fmt.Fprintln(p, "done")
	s.wait("done", 1)
	if lines := visible(s.String()); len(lines) != 3 || lines[1] != "done" || lines[2] != "" {
		t.Errorf("after the end the screen shows %q", lines)
	}
}

// On anything but a terminal there is no line: logs of cron jobs stay clean.
func TestProgressElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var b strings.Builder
	dumb := newScreen(t, 80)
	t.Setenv("TERM", "dumb")
	for _, p := range []*Progress{StartProgress(log, nil), StartProgress(&b, nil), StartProgress(dumb.tty, nil)} {
		time.Sleep(redraw + redraw/2)
		fmt.Fprintln(p, "message")
		p.Stop()
	}
	if got, err := os.ReadFile(path); string(got) != "message\n" || b.String() != "message\n" || err != nil {
		t.Errorf("written: %q, %q, %v", got, b.String(), err)
	}
	dumb.wait("message\r\n", 1)
	if dumb.String() != "message\r\n" {
		t.Errorf("the simple terminal shows %q", dumb)
	}
}

func TestMeter(t *testing.T) {
	begin := time.Unix(1000, 0)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	line := func(samples ...sample) string {
		var m meter
		for _, s := range samples {
			m.add(s.at, s.Counts)
		}
		return m.line()
	}
	for _, c := range []struct {
		name string
		got  string
		want string
	}{
		{"start", line(sample{begin, Counts{}}), "0 files  0 B"},
		{"no totals", line(sample{begin, Counts{}}, sample{at(2000), Counts{Files: 1234, Bytes: 3e6}}), "1,234 files  3.00 MB  1.50 MB/s"},
		{"too early for an estimate", line(sample{begin, Counts{}}, sample{at(500), Counts{10, 1e6, 100, 1e7}}), "10 files  1.00 MB of 10.0 MB  2.00 MB/s"},
		{"by bytes", line(sample{begin, Counts{}}, sample{at(2000), Counts{10, 1e6, 20, 1e7}}),
			"10 files  1.00 MB of 10.0 MB  500 kB/s  ETA ~ 18.0 s (estimate)"},
		{"by files", line(sample{begin, Counts{}}, sample{at(2000), Counts{10, 9e6, 1000, 1e7}}),
			"10 files  9.00 MB of 10.0 MB  4.50 MB/s  ETA ~ 3 min 18 s (estimate)"},
		{"more than estimated", line(sample{begin, Counts{}}, sample{at(2000), Counts{10, 2e7, 10, 1e7}}), "10 files  20.0 MB  10.0 MB/s"},
		{"stalled", line(sample{begin, Counts{5, 1e6, 10, 1e7}}, sample{at(2000), Counts{5, 1e6, 10, 1e7}}), "5 files  1.00 MB of 10.0 MB  0 B/s"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	// Ten seconds ago counts, an hour ago does not.
	var m meter
	for i := range 200 {
		bytes := uint64(i) * 1e6
		if i < 100 {
			bytes = 0
		}
		m.add(at(200*i), Counts{Bytes: bytes, TotalBytes: 2e9})
	}
	if got := m.line(); !strings.Contains(got, " 5.00 MB/s ") {
		t.Errorf("the old rate counts: %q", got)
	}
}
