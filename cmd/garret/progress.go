package main

import (
	"encoding/json"
	"io"
	"os"
	"time"

	"garret/cmd/garret/internal/term"
	"garret/fs/snapshot"
)

// progressEvery is how often programs get a progress event.
const progressEvery = time.Second

// shownProgress is a progress line for people, events for programs, or
// neither.
type shownProgress struct {
	out         io.Writer // for messages meanwhile
	stop        func()
	wantsTotals bool // somebody looks at the estimate
}

func (j *snapshotJob) showProgress(p *snapshot.Progress) shownProgress {
	count := func() term.Counts {
		return term.Counts{
			Files: p.Files.Load(), Bytes: p.Bytes.Load(),
			TotalFiles: p.TotalFiles.Load(), TotalBytes: p.TotalBytes.Load(),
		}
	}
	return startProgress(j.stderr, j.Quiet, j.JSON, count)
}

func startProgress(stderr io.Writer, quiet, events bool, count func() term.Counts) shownProgress {
	f, isFile := stderr.(*os.File)
	switch {
	case events:
		return progressEvents(stderr, count)
	case quiet || !isFile || !term.IsTerminal(f):
		return shownProgress{out: stderr, stop: func() {}}
	}
	line := term.StartProgress(stderr, count)
	return shownProgress{out: line, stop: line.Stop, wantsTotals: true}
}

// progressEvent is one line on standard error with --json.
type progressEvent struct {
	Event      string `json:"event"` // "progress"
	Files      uint64 `json:"files"`
	Bytes      uint64 `json:"bytes"`
	TotalFiles uint64 `json:"total_files,omitempty"` // estimates
	TotalBytes uint64 `json:"total_bytes,omitempty"`
}

func progressEvents(w io.Writer, count func() term.Counts) shownProgress {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		e := json.NewEncoder(w)
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				c := count()
				// Nobody may be listening any more: that is no reason to stop.
				_ = e.Encode(progressEvent{"progress", c.Files, c.Bytes, c.TotalFiles, c.TotalBytes})
			}
		}
	}()
	return shownProgress{out: w, wantsTotals: true, stop: func() {
		close(stop)
		<-done
	}}
}
