package main

import (
	"context"
	"fmt"

	"garret/cmd/garret/internal/term"
	"garret/fs/restore"
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
		err = printJSON(a.stdout, stats)
	case !c.Quiet:
		_, err = fmt.Fprintf(a.stderr, "restored %d files (%s), %d directories, %d symbolic links, %d hard links, %d others\n",
			stats.Files, term.Size(stats.Bytes), stats.Dirs, stats.Symlinks, stats.HardLinks, stats.Specials)
	}
	if err == nil && warnings > 0 {
		err = errWarnings
	}
	return err
}
