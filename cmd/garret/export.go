package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"garret/cmd/garret/internal/term"
	"garret/fs/tarball"
)

type exportCmd struct {
	Target string `arg:"" name:"SNAPSHOT[:PATH]" help:"What to write: everything, or PATH with all below it."`
	File   string `arg:"" name:"FILE" help:"The archive, which must not exist; - is standard output."`
	patternFlags
}

// Help is what `export --help` has below the options' short texts.
func (exportCmd) Help() string {
	return `The archive is a pax one (POSIX.1-2001). GNU tar brings all of it back with tar --xattrs --xattrs-include='*' --acls -xpSf FILE, as root. Names are the paths in the snapshot. Inode flags, birth and change times have no place in an archive; nor has the snapshot's root itself. That GNU tar ignores hdrcharset, as it says of names that are not UTF-8, does no harm: it takes names as the bytes that they are.

Parts of files that are lost become zeros, with a warning and exit code 12.`
}

func (c *exportCmd) Run(ctx context.Context, a *app) (err error) {
	patterns, err := c.selection(nil)
	if err != nil {
		return err
	}
	if c.File == "-" && term.IsTerminal(a.stdout) {
		return errors.New("an archive is not written to a terminal; name a FILE, or send the output to a program")
	}
	o, err := a.openReader(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, o.close(ctx)) }()
	t, from, _, err := a.resolve(ctx, o, c.Target)
	if err != nil {
		return err
	}
	path, err := t.Path(ctx, from)
	if err != nil {
		return err
	}
	options := tarball.ExportOptions{Tree: t, Loader: o.reader, From: from, Path: path, Warn: func(path string, err error) {
		fmt.Fprintf(a.stderr, "garret: warning: %s: %v\n", term.Name(path), err)
	}}
	if !patterns.Empty() {
		options.Patterns = patterns
	}
	var stats tarball.ExportStats
	until, why := o.untilRefused(ctx)
	err = why(c.to(a, func(w io.Writer) (err error) {
		stats, err = tarball.Export(until, w, options)
		return err
	}))
	if err != nil {
		return err
	}
	unmatched := a.warnUnmatched(patterns)
	switch {
	case stats.Lost > 0 || stats.Missing > 0:
		return errDamaged
	case stats.Warnings > 0:
		return errWarnings
	}
	return unmatched
}

// to has the archive written. A file that is not whole is removed.
func (c *exportCmd) to(a *app, write func(io.Writer) error) error {
	if c.File == "-" {
		return write(a.stdout)
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = firstError(err, f.Close()); err != nil {
		return firstError(err, os.Remove(c.File))
	}
	return nil
}
