package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"garret/cmd/garret/internal/term"
	"garret/fs/snapshot"
	"garret/store"
)

// messages is where a run writes while its walk lasts. Lists are long, so they
// are buffered, but for people who watch.
type messages struct {
	*bufio.Writer
	watched bool
}

func newMessages(line shownProgress) messages {
	return messages{newListing(line.out), line.wantsTotals}
}

// itemJSON is one entry of --list with --json; kind and size are not there for
// entries that were not looked at.
type itemJSON struct {
	Event  string `json:"event"` // "item"
	Status string `json:"status"`
	term.Path
	Type string `json:"type,omitempty"`
	Size uint64 `json:"size,omitempty"`
}

// item gathers which kinds of extended attributes there are, and lists the
// entry.
func (j *snapshotJob) item(i snapshot.Item) {
	for _, x := range i.Node.Xattrs {
		family, _, _ := strings.Cut(x.Name, ".")
		if family == "security" || family == "system" {
			family = x.Name // ls and cp ask for certain ones at every file
		}
		j.families[family] = true
	}
	if !j.List || !j.Filter.has(byte(i.Status)) {
		return
	}
	if i.Path == "" {
		i.Path = "."
	}
	if j.JSON {
		e := itemJSON{Event: "item", Status: string(rune(i.Status)), Path: term.JSONPath(i.Path)}
		if i.Node.Type != 0 {
			e.Type, e.Size = i.Node.Type.String(), i.Node.Size
		}
		_ = printJSON(j.out, e) // that nobody listens is no reason to stop
	} else {
		fmt.Fprintf(j.out, "%c %s\n", i.Status, term.Name(i.Path))
	}
	if j.out.watched {
		j.out.Flush()
	}
}

// warn prints a warning and keeps it for the record.
func (j *snapshotJob) warn(w snapshot.Warning) {
	if w.Notice && j.Quiet {
		return
	}
	kind := "warning"
	if w.Notice {
		kind = "notice"
	}
	fmt.Fprintf(j.out, "garret: %s: %s: %v\n", kind, term.Name(w.Path), w.Err)
	j.out.Flush()
	if !w.Notice && len(j.warnings) < store.MaxWarnings {
		j.warnings = append(j.warnings, store.Warning{Path: []byte(w.Path), Reason: w.Err.Error()})
	}
}

func (j *snapshotJob) details(res *snapshot.Result) (*store.Details, error) {
	devices, err := json.Marshal(res.Devices)
	if err != nil {
		return nil, err
	}
	d := &store.Details{Root: appendRoot(res), Devices: devices, Warnings: slices.Clone(j.warnings)}
	if res.Unfinished != "" {
		d.Warnings = append(d.Warnings, store.Warning{
			Path:   []byte(res.UnfinishedSource),
			Reason: "was not read to its end; what there is of it stands as " + term.Name(res.Unfinished),
		})
	}
	return d, nil
}

// printStats prints what a run held, cost and left out.
func printStats(w io.Writer, t *store.Totals, took time.Duration) {
	fmt.Fprintf(w, "%d files (%d unchanged, not read), %d directories, %d others: %s\n",
		t.Files, t.Unmodified, t.Directories, t.Others, term.Size(t.Bytes))
	fmt.Fprintf(w, "read %s, new %s, stored %s, in %s; %d warnings\n",
		term.Size(t.BytesRead), term.Size(t.BytesAdded), term.Size(t.BytesStored), term.Duration(took), t.Warnings)
	for _, line := range []struct {
		what    string
		reasons []snapshot.Reason
	}{
		{"left out: ", []snapshot.Reason{snapshot.ByPattern, snapshot.ByTag, snapshot.ByNoDump, snapshot.BySize,
			snapshot.ByRepository, snapshot.ByFileSystem, snapshot.BySocket}},
		{"warnings: ", []snapshot.Reason{snapshot.WasChanged, snapshot.WasDeleted, snapshot.WasCut, snapshot.WasReplaced,
			snapshot.HasVanished, snapshot.NotAllowed, snapshot.Unreadable, snapshot.OfNoType, snapshot.LinkAsSource, snapshot.OtherProblems}},
	} {
		var parts []string
		for _, r := range line.reasons {
			if n := t.Reasons[string(r)]; n > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n, reasonWords[r]))
			}
		}
		if len(parts) > 0 {
			fmt.Fprintln(w, line.what+strings.Join(parts, ", "))
		}
	}
}

// reasonWords say for people what the record has in one word.
var reasonWords = map[snapshot.Reason]string{
	snapshot.ByPattern: "by patterns", snapshot.ByTag: "by tags", snapshot.ByNoDump: "marked as no dump", snapshot.BySize: "too large",
	snapshot.ByRepository: "of the repository or mounts of one", snapshot.ByFileSystem: "directories of other file systems", snapshot.BySocket: "sockets",
	snapshot.WasChanged: "changed while read", snapshot.WasDeleted: "deleted while read", snapshot.WasCut: "not read to the end",
	snapshot.WasReplaced: "replaced while read", snapshot.HasVanished: "not found", snapshot.NotAllowed: "not permitted to be read",
	snapshot.Unreadable: "unreadable", snapshot.OfNoType: "of a type that is not stored", snapshot.LinkAsSource: "symbolic links as sources",
	snapshot.OtherProblems: "others",
}
