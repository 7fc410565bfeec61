package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"garret/cmd/garret/internal/term"
	"garret/fs/pattern"
	"garret/fs/restore"
	"garret/fs/tree"
)

type restoreCmd struct {
	Target string `arg:"" name:"SNAPSHOT[:PATH]" help:"What to restore: everything, PATH, or with PATH/ what is in it."`
	Dest   string `arg:"" name:"DEST" help:"Directory to write into. PATH becomes DEST/basename."`

	Include []string `placeholder:"PATTERN" sep:"none" help:"Restore only what matches, with all below it. Style pp, a path in the snapshot, unless it begins with fm:, sh:, re: or pf:. Can be repeated."`
	patternFlags

	Strip int `name:"strip-components" placeholder:"N" help:"Leave out the N topmost directories of each path, and what lies in those alone."`

	Overwrite overwriteFlag `help:"Replace what is in the way: =always; =changed, unless its metadata are those that were stored, so that an interrupted restore goes on; =newer, if what was stored is newer; =never, keep it. Without a value: always. Directories are merged. Of a file of more than 16 MiB only what differs is written, into the file that is there, unless it has other names or is open, or with --damaged=skip, --damaged=fail or --no-sparse: if that is interrupted, the file is neither the old one nor the new one, until a restore goes on with it."`
	Delete    bool          `help:"Delete what is in directories that are restored and was not stored, so that they become exactly what they were; asks before. That includes what --exclude and other options left out when the snapshot was made. What patterns leave out here, other file systems, and the repository are not deleted. Goes with --overwrite."`
	Yes       bool          `short:"y" help:"Do not ask."`
	Damaged   string        `enum:"keep,zero,skip,fail" default:"keep" placeholder:"HOW" help:"Files of which a part is lost: zero writes the rest, and zeros for what is lost; skip leaves them out; fail stops at the first; keep is zero, but a file that is there already stays as it is (one of more than 16 MiB in the lost parts). Default: ${default}."`
	Sparse    bool          `default:"true" negatable:"" help:"Restore holes as holes; with --no-sparse blocks are allocated for them."`

	NumericIDs bool `name:"numeric-ids" help:"Take owners by number, not by name."`
	NoXattrs   bool `name:"no-xattrs" help:"Leave out extended attributes, capabilities among them, but not ACLs."`
	NoACLs     bool `name:"no-acls" help:"Leave out ACLs."`
	NoFlags    bool `name:"no-flags" help:"Leave out inode flags, such as immutable."`

	DryRun bool `short:"n" help:"Write nothing; with --list tell what would be written."`
	List   bool `help:"List what is written on standard error."`
	JSON   bool `name:"json" help:"Print what was done, and what is lost, as one JSON object. Progress events go to standard error, entries of --list as well, one object a line: event (item, delete), path (path_base64 when it is not UTF-8), type, size."`
	Quiet  bool `short:"q" help:"Print no progress and no summary."`
}

// overwriteFlag is --overwrite, which needs no value.
type overwriteFlag restore.Overwrite

var overwriteValues = map[string]restore.Overwrite{
	"always": restore.Replace, "changed": restore.ReplaceChanged, "newer": restore.ReplaceOlder, "never": restore.Keep,
}

// IsBool tells kong that the flag may stand alone.
func (*overwriteFlag) IsBool() bool { return true }

// Decode takes the value behind "=".
func (o *overwriteFlag) Decode(ctx *kong.DecodeContext) error {
	value := "always"
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		value = fmt.Sprint(ctx.Scan.Pop().Value)
	}
	how, ok := overwriteValues[value]
	if !ok {
		return fmt.Errorf("%q is none of always, changed, newer, never", value)
	}
	*o = overwriteFlag(how)
	return nil
}

var damagedValues = map[string]restore.Damaged{"keep": restore.KeepOld, "zero": restore.Zero, "skip": restore.Skip, "fail": restore.Fail}

// check refuses what does not go together.
func (c *restoreCmd) check() error {
	how := restore.Overwrite(c.Overwrite)
	switch {
	case c.Strip < 0:
		return fmt.Errorf("--strip-components=%d: give a number of directories", c.Strip)
	case c.Delete && (how == restore.Refuse || how == restore.Keep):
		return errors.New("--delete makes DEST what was stored; it needs --overwrite, or --overwrite=changed")
	case c.Delete && c.Strip > 0:
		return errors.New("--delete and --strip-components do not go together")
	case c.Delete && !c.Yes && !c.DryRun && !term.HasTerminal():
		return errors.New("--delete asks before, and there is no terminal; see what it would do with --dry-run --list, then give --yes")
	}
	return nil
}

func (c *restoreCmd) Run(ctx context.Context, a *app) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	patterns, err := c.selection(c.Include)
	if err != nil {
		return err
	}
	o, err := a.openReader(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, o.close(ctx)) }()
	options, err := c.options(ctx, a, o, patterns)
	if err == nil && c.Delete && !c.Yes && !c.DryRun {
		err = c.confirm(ctx, options)
	}
	if err != nil {
		return err
	}
	until, why := o.untilRefused(ctx)
	return why(c.restore(until, a, options, patterns))
}

// options finds what is to be restored.
func (c *restoreCmd) options(ctx context.Context, a *app, o *opened, patterns *pattern.List) (r restore.Options, err error) {
	spec, path := splitTarget(c.Target)
	snap, err := a.find(ctx, o.records, spec)
	if err != nil {
		return r, err
	}
	if c.Delete && snap.Partial {
		return r, fmt.Errorf("--delete would delete what partial snapshot %s lacks, which says nothing of what there was; restore without it", snap.ID.Short())
	}
	if c.Delete && snap.Totals.Errors > 0 {
		fmt.Fprintf(a.stderr, "garret: snapshot %s lacks %d entries that could not be read when it was made; --delete deletes those, too\n",
			snap.ID.Short(), snap.Totals.Errors)
	}
	t, from, path, err := resolveIn(ctx, o, snap, path)
	if err != nil {
		return r, err
	}
	if strings.HasSuffix(path, "/") && from.Type != tree.Directory {
		return r, fmt.Errorf("%q is a %s, and only a directory has content; name it without the slash at the end", path, typeName(from.Type))
	}
	stored, err := t.Path(ctx, from)
	if err != nil {
		return r, err
	}
	r = restore.Options{
		Tree: t, Loader: o.reader, From: from, Dest: c.Dest, As: restore.As(path, from), Path: stored, Strip: c.Strip,
		Overwrite: restore.Overwrite(c.Overwrite), Delete: c.Delete, Hasher: o.reader, Damaged: damagedValues[c.Damaged], Allocate: !c.Sparse,
		DryRun: c.DryRun, NumericIDs: c.NumericIDs, NoXattrs: c.NoXattrs, NoACLs: c.NoACLs, NoFlags: c.NoFlags,
	}
	if repo, own := identity(o.Backend().Location()); own != 0 {
		r.Spare = func(dev, ino uint64) bool { return dev == repo && ino == own }
	}
	if !patterns.Empty() {
		r.Select = func(path string) restore.Verdict { return restoreVerdicts[patterns.Verdict(path)] }
	}
	return r, nil
}

// restoreVerdicts carries the patterns' words over to restore's.
var restoreVerdicts = map[pattern.Verdict]restore.Verdict{
	pattern.Include: restore.Take, pattern.Exclude: restore.Leave, pattern.Prune: restore.Prune,
}

// restore runs and reports.
func (c *restoreCmd) restore(ctx context.Context, a *app, o restore.Options, patterns *pattern.List) error {
	progress := &restore.Progress{}
	line := startProgress(a.stderr, c.Quiet, c.JSON, func() term.Counts {
		return term.Counts{
			Files: progress.Entries.Load(), Bytes: progress.Bytes.Load(),
			TotalFiles: progress.TotalEntries.Load(), TotalBytes: progress.TotalBytes.Load(),
		}
	})
	report := &restoreReport{messages: newMessages(line), json: c.JSON}
	o.Progress, o.Warn = progress, report.warn
	if c.List {
		o.List, o.Deleted = report.item, report.deleted
	}
	stats, err := restore.Run(ctx, o)
	report.Flush()
	line.stop()
	if err != nil {
		return err
	}
	unmatched := a.warnUnmatched(patterns)
	if unmatched == nil && (!patterns.Empty() || c.Strip > 0) && progress.TotalEntries.Load() == 0 {
		fmt.Fprintln(a.stderr, "garret: warning: nothing is left to restore")
		unmatched = errWarnings
	}
	switch {
	case c.JSON:
		err = printJSON(a.stdout, restoredJSON{report.result(stats), stats.Unchanged})
	case !c.Quiet:
		if err = c.summary(a, stats); err == nil && stats.Unchanged > 0 {
			_, err = fmt.Fprintf(a.stderr, "of files that were there %s were left as they were\n", term.Size(stats.Unchanged))
		}
	}
	switch {
	case err != nil:
	case stats.Lost > 0 || stats.Missing > 0:
		err = errDamaged
	case stats.Warnings > 0:
		err = errWarnings
	}
	return firstError(err, unmatched)
}

// restoredJSON adds what was there already.
type restoredJSON struct {
	restoreJSON
	Unchanged uint64 `json:"bytes_unchanged"` // of files of which only what differed was written
}

// confirm finds out how much would be deleted, and asks.
func (c *restoreCmd) confirm(ctx context.Context, o restore.Options) error {
	o.DryRun, o.List, o.Warn, o.Progress = true, nil, nil, nil
	const shown = 3
	var some []string
	o.Deleted = func(path string) {
		if len(some) < shown {
			some = append(some, term.Name(path))
		}
	}
	stats, err := restore.Run(ctx, o)
	if err != nil || stats.Deleted == 0 {
		return err
	}
	yes, _, err := term.Confirm(ctx, fmt.Sprintf("Delete %d entries that were not stored (%s, …), with all below them?",
		stats.Deleted, strings.Join(some, ", ")))
	if err == nil && !yes {
		err = errors.New("nothing was restored, and nothing deleted")
	}
	return err
}
