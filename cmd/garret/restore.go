package main

import (
	"context"
	"fmt"
	"strings"

	"garret/cmd/garret/internal/term"
	"garret/fs/restore"
	"garret/fs/tree"
)

type restoreCmd struct {
	Target     string `arg:"" name:"SNAPSHOT[:PATH]" help:"What to restore: everything, PATH, or with PATH/ what is in it."`
	Dest       string `arg:"" name:"DEST" help:"Directory to write into. PATH becomes DEST/basename."`
	Overwrite  bool   `help:"Replace what is in the way."`
	NumericIDs bool   `name:"numeric-ids" help:"Take owners by number, not by name."`
	JSON       bool   `name:"json" help:"Print what was done as one JSON object; progress events to standard error."`
	Quiet      bool   `short:"q" help:"Print no progress and no summary."`
}

// readCache is the memory for decoded frames when files are read in order.
const readCache = 32 << 20

// restoreJSON is what a restore did, for programs.
type restoreJSON struct {
	Files       uint64            `json:"files"`
	Directories uint64            `json:"directories"`
	Symlinks    uint64            `json:"symlinks"`
	HardLinks   uint64            `json:"hard_links"`
	Others      uint64            `json:"others"`
	Bytes       uint64            `json:"bytes"`
	Written     uint64            `json:"bytes_written"` // without holes
	Lost        uint64            `json:"bytes_lost"`    // zeros now
	Warnings    uint64            `json:"warnings"`
	Denied      map[string]uint64 `json:"denied,omitempty"` // entries that lack what could not be set
}

func newRestoreJSON(s restore.Stats) restoreJSON {
	j := restoreJSON{
		Files: s.Files, Directories: s.Dirs, Symlinks: s.Symlinks, HardLinks: s.HardLinks, Others: s.Specials,
		Bytes: s.Bytes, Written: s.Written, Lost: s.Lost, Warnings: s.Warnings,
	}
	for _, d := range s.Denied {
		if j.Denied == nil {
			j.Denied = make(map[string]uint64)
		}
		j.Denied[d.What] = d.Entries
	}
	return j
}

func (c *restoreCmd) Run(ctx context.Context, a *app) (err error) {
	o, err := a.openReader(ctx, readCache)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, o.close(ctx)) }()
	t, from, path, err := a.resolve(ctx, o, c.Target)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, "/") && from.Type != tree.Directory {
		return fmt.Errorf("%q is a %s, and only a directory has content; name it without the slash at the end", path, typeName(from.Type))
	}
	progress := &restore.Progress{}
	line := startProgress(a.stderr, c.Quiet, c.JSON, func() term.Counts {
		return term.Counts{
			Files: progress.Entries.Load(), Bytes: progress.Bytes.Load(),
			TotalFiles: progress.TotalEntries.Load(), TotalBytes: progress.TotalBytes.Load(),
		}
	})
	warnings := 0
	stats, err := restore.Run(ctx, restore.Options{
		Tree: t, Loader: o.reader, From: from, Dest: c.Dest, As: restore.As(path, from),
		Overwrite: c.Overwrite, NumericIDs: c.NumericIDs, Progress: progress,
		Warn: func(path string, err error) {
			warnings++
			fmt.Fprintf(line.out, "garret: warning: %s: %v\n", term.Name(path), err)
		},
	})
	line.stop()
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		err = printJSON(a.stdout, newRestoreJSON(stats))
	case !c.Quiet:
		_, err = fmt.Fprintf(a.stderr, "restored %d files (%s), %d directories, %d symbolic links, %d hard links, %d others\n",
			stats.Files, term.Size(stats.Bytes), stats.Dirs, stats.Symlinks, stats.HardLinks, stats.Specials)
	}
	if err == nil && warnings > 0 {
		err = errWarnings
	}
	return err
}
