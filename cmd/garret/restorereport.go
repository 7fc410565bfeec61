package main

import (
	"errors"
	"fmt"

	"garret/cmd/garret/internal/term"
	"garret/fs/restore"
	"garret/fs/tree"
)

// summary says for people what was done.
func (c *restoreCmd) summary(a *app, s restore.Stats) error {
	verb := "restored"
	if c.DryRun {
		verb = "would restore"
	}
	_, err := fmt.Fprintf(a.stderr, "%s %d files (%s), %d directories, %d symbolic links, %d hard links, %d others\n",
		verb, s.Files, term.Size(s.Bytes), s.Dirs, s.Symlinks, s.HardLinks, s.Specials)
	line := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(a.stderr, format+"\n", args...)
		}
	}
	if s.Deleted > 0 && c.DryRun {
		line("would delete %d that were not stored", s.Deleted)
	} else if s.Deleted > 0 {
		line("deleted %d that were not stored", s.Deleted)
	}
	if s.Kept > 0 {
		line("kept %d that were there", s.Kept)
	}
	for _, d := range s.Denied {
		line("not restored, as this user may not or the file system cannot: %s, of %d", d.What, d.Entries)
	}
	if s.Damaged > 0 {
		line("lost: %d bytes in %d files", s.Lost, s.Damaged)
	}
	if s.Missing > 0 {
		line("lost: %d entries or more of directories that cannot be read", s.Missing)
	}
	return err
}

// restoreReport prints what happens while a restore runs, and gathers what is
// lost. Its methods are called one at a time.
type restoreReport struct {
	messages
	json    bool
	files   []lostFileJSON
	entries []lostEntriesJSON
}

// restoreItemJSON is one entry of --list with --json. One that is deleted has
// no type and size.
type restoreItemJSON struct {
	Event string `json:"event"` // "item", "delete"
	term.Path
	Type string `json:"type,omitempty"`
	Size uint64 `json:"size"`
}

func (r *restoreReport) item(path string, n *tree.Node) {
	if r.json {
		_ = printJSON(r.messages, restoreItemJSON{"item", term.JSONPath(path), typeName(n.Type), n.Size})
	} else {
		fmt.Fprintln(r.messages, term.Name(path))
	}
	if r.watched {
		r.Flush()
	}
}

func (r *restoreReport) deleted(path string) {
	if r.json {
		_ = printJSON(r.messages, restoreItemJSON{Event: "delete", Path: term.JSONPath(path)})
	} else {
		fmt.Fprintf(r.messages, "deleting %s\n", term.Name(path))
	}
	if r.watched {
		r.Flush()
	}
}

func (r *restoreReport) warn(path string, err error) {
	fmt.Fprintf(r.messages, "garret: warning: %s: %v\n", term.Name(path), err)
	r.Flush()
	if file := (*restore.LostError)(nil); r.json && errors.As(err, &file) {
		r.files = append(r.files, newLostFileJSON(path, file))
	}
	if list := (*restore.LostEntriesError)(nil); r.json && errors.As(err, &list) {
		r.entries = append(r.entries, lostEntriesJSON{term.JSONPath(path), list.Entries, list.Of, list.Total, list.Bytes})
	}
}

// restoreJSON is what a restore did, for programs.
type restoreJSON struct {
	Files       uint64            `json:"files"`
	Directories uint64            `json:"directories"`
	Symlinks    uint64            `json:"symlinks"`
	HardLinks   uint64            `json:"hard_links"`
	Others      uint64            `json:"others"`
	Kept        uint64            `json:"kept"`    // that were there
	Deleted     uint64            `json:"deleted"` // that were not stored; directories as one
	Bytes       uint64            `json:"bytes"`
	Written     uint64            `json:"bytes_written"`          // without holes
	Lost        uint64            `json:"bytes_lost"`             // that could not be read
	Missing     uint64            `json:"entries_lost"`           // with directories that could not be read
	LostFiles   []lostFileJSON    `json:"lost_files,omitempty"`   // every one
	LostLists   []lostEntriesJSON `json:"lost_entries,omitempty"` // every directory
	Warnings    uint64            `json:"warnings"`
	Denied      map[string]uint64 `json:"denied,omitempty"` // entries that lack what could not be set
}

// lostFileJSON is a file that has lost some ranges.
type lostFileJSON struct {
	term.Path
	Restored bool        `json:"restored"`       // with zeros in their place
	Kept     bool        `json:"kept,omitempty"` // not with zeros, but with what was there
	Bytes    uint64      `json:"bytes"`          // lost
	Ranges   []rangeJSON `json:"ranges"`
	More     bool        `json:"more_ranges,omitempty"`
}

type rangeJSON struct {
	Offset uint64 `json:"offset"`
	Length uint64 `json:"length"`
}

// lostEntriesJSON is a directory of which entries are lost.
type lostEntriesJSON struct {
	term.Path
	Lost    uint64 `json:"lost"`
	Entries uint64 `json:"entries"`
	Total   uint64 `json:"entries_below,omitempty"` // when all of it is lost
	Bytes   uint64 `json:"bytes_below,omitempty"`
}

func newLostFileJSON(path string, e *restore.LostError) lostFileJSON {
	j := lostFileJSON{Path: term.JSONPath(path), Restored: e.Restored(), Kept: e.Damaged == restore.KeepOld, Bytes: e.Bytes, More: e.Cut}
	for _, r := range e.Ranges {
		j.Ranges = append(j.Ranges, rangeJSON{r.Offset, r.Length})
	}
	return j
}

func (r *restoreReport) result(s restore.Stats) restoreJSON {
	j := restoreJSON{
		Files: s.Files, Directories: s.Dirs, Symlinks: s.Symlinks, HardLinks: s.HardLinks, Others: s.Specials, Kept: s.Kept, Deleted: s.Deleted,
		Bytes: s.Bytes, Written: s.Written, Lost: s.Lost, Missing: s.Missing, LostFiles: r.files, LostLists: r.entries, Warnings: s.Warnings,
	}
	for _, d := range s.Denied {
		if j.Denied == nil {
			j.Denied = make(map[string]uint64)
		}
		j.Denied[d.What] = d.Entries
	}
	return j
}
