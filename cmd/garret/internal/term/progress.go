package term

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Counts is how far something is. The totals are estimates; 0 means unknown.
type Counts struct {
	Files, Bytes           uint64
	TotalFiles, TotalBytes uint64
}

// Progress keeps a line at the bottom of a terminal up to date:
//
//	12,345 files  1.23 of 4.56 GB  145 MB/s  ETA ~ 23.1 s (estimate)
//
// Whatever else is written to the terminal meanwhile has to go through Write.
// There is a library for such lines (schollz/progressbar), but it counts one
// thing only.
type Progress struct {
	out   io.Writer
	tty   *os.File // nil: nothing is shown
	count func() Counts
	stop  chan struct{}
	done  chan struct{}

	mu    sync.Mutex
	shown bool
	meter meter
}

const redraw = 200 * time.Millisecond

// StartProgress shows a line on w, which is asked of count five times a second,
// until Stop. When w is not a terminal nothing is shown.
func StartProgress(w io.Writer, count func() Counts) *Progress {
	p := &Progress{out: w, count: count}
	if f, ok := w.(*os.File); ok && IsTerminal(f) && os.Getenv("TERM") != "dumb" {
		p.tty, p.stop, p.done = f, make(chan struct{}), make(chan struct{})
		p.meter.add(time.Now(), count())
		go p.run()
	}
	return p
}

func (p *Progress) run() {
	defer close(p.done)
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-tick.C:
			c := p.count()
			p.mu.Lock()
			p.meter.add(now, c)
			p.draw()
			p.mu.Unlock()
		}
	}
}

// draw replaces the line. It leaves the last column free, where terminals wrap.
func (p *Progress) draw() {
	line := p.meter.line()
	if columns := width(p.tty); len(line) >= columns {
		line = line[:columns-1] // it is ASCII
	}
	fmt.Fprintf(p.tty, "\r%s\x1b[K", line)
	p.shown = true
}

// Write writes a message, whole lines, above the progress line.
func (p *Progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	return p.out.Write(b) // the line comes back with the next tick
}

func (p *Progress) clear() {
	if p.shown {
		io.WriteString(p.tty, "\r\x1b[K")
		p.shown = false
	}
}

// Stop removes the line. Write may still be called, Stop not again.
func (p *Progress) Stop() {
	if p.tty == nil {
		return
	}
	close(p.stop)
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// meter estimates the rate from the last ten seconds.
type meter struct {
	samples [50]sample // a ring
	n       int        // samples so far
}

type sample struct {
	at time.Time
	Counts
}

func (m *meter) add(at time.Time, c Counts) {
	m.samples[m.n%len(m.samples)] = sample{at, c}
	m.n++
}

// span returns the oldest sample and the newest.
func (m *meter) span() (old, now sample) {
	now = m.samples[(m.n-1)%len(m.samples)]
	if m.n > len(m.samples) {
		return m.samples[m.n%len(m.samples)], now
	}
	return m.samples[0], now
}

func (m *meter) line() string {
	old, now := m.span()
	parts := []string{Count(now.Files) + " files", Size(now.Bytes)}
	if now.TotalBytes >= now.Bytes && now.TotalBytes > 0 {
		parts[1] += " of " + Size(now.TotalBytes)
	}
	elapsed := now.at.Sub(old.at)
	if elapsed > 0 && now.Bytes >= old.Bytes {
		parts = append(parts, Rate(now.Bytes-old.Bytes, elapsed))
	}
	if eta, ok := m.eta(); ok {
		parts = append(parts, "ETA ~ "+Duration(eta)+" (estimate)")
	}
	return strings.Join(parts, "  ")
}

// eta estimates the time left: by files or by bytes, whichever takes longer, as
// many small files are slow and few bytes.
func (m *meter) eta() (left time.Duration, ok bool) {
	old, now := m.span()
	elapsed := now.at.Sub(old.at)
	if elapsed < time.Second {
		return 0, false
	}
	for _, c := range [...][3]uint64{{old.Files, now.Files, now.TotalFiles}, {old.Bytes, now.Bytes, now.TotalBytes}} {
		before, done, total := c[0], c[1], c[2]
		if total <= done || done <= before {
			continue
		}
		estimate := elapsed.Seconds() * float64(total-done) / float64(done-before)
		if estimate < float64(1000*time.Hour/time.Second) {
			left, ok = max(left, time.Duration(estimate*float64(time.Second)).Round(100*time.Millisecond)), true
		}
	}
	return left, ok
}
