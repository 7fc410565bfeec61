package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"garret/fs/pattern"
	"garret/store"
	"garret/store/codec"
)

type snapshotCmd struct {
	Paths []string `arg:"" optional:"" name:"PATH" help:"What to store. A symbolic link is stored as one, unless it ends in a slash. - is standard input, see --stdin-name. With --stdin-command a command, behind --."`

	Root         string `placeholder:"DIR" help:"Store paths relative to this directory. It may be another one at each run: the snapshots of the same paths below it follow each other."`
	FilesFrom    string `placeholder:"FILE" help:"Store exactly the paths that it lists, one a line, and of directories not what is in them, as borg create --paths-from-stdin does; - is standard input."`
	Null         bool   `short:"0" help:"NUL characters end the paths of --files-from."`
	StdinName    string `placeholder:"PATH" default:"stdin" help:"Where standard input or a command's output stands in the snapshot. Default: ${default}."`
	StdinCommand bool   `help:"Store what a command writes: garret snapshot --stdin-command -- CMD ARG…; no snapshot is made when it fails."`

	patternFlags
	excludeFlags

	ChangeDetection changeDetection `placeholder:"HOW" default:"ctime,size,inode" help:"What has to be the same for a file not to be read again: ctime,size,inode; mtime,size,inode; mtime,size. Or always-read, or rechunk; see below."`
	ReadSpecial     bool            `help:"Store what can be read from block devices and FIFOs, and from symbolic links to them, as regular files. A FIFO is waited for."`
	ATime           bool            `name:"atime" help:"Keep access times."`

	Label       string        `help:"A name for the snapshot."`
	Host        string        `help:"Store it as this host's. Default: the machine's name."`
	Compression *codec.Method `help:"Instead of the repository's."`
	Checkpoint  time.Duration `name:"checkpoint-interval" default:"5m" help:"Keep what is stored so far as a partial snapshot so often; the next run goes on from it, inside of large files too, and removes it when it is done. 0: only when interrupted."`

	DryRun bool    `short:"n" help:"Store nothing and read no file; with --list tell what would be done."`
	List   bool    `help:"List the entries on standard error, a letter and the path; see below."`
	Filter letters `placeholder:"LETTERS" help:"List entries of these letters only."`
	Stats  bool    `help:"Print what it held and cost, and what is missing and why, to standard error."`
	JSON   bool    `name:"json" help:"Print the snapshot's record as a JSON object instead of its id. Progress events go to standard error, entries of --list as well, one object a line: event (item), status, path (path_base64 when it is not UTF-8), type, size."`
	Quiet  bool    `short:"q" help:"Print no progress and no notices."`
}

// excludeFlags leave out what patterns do not describe.
type excludeFlags struct {
	XDev             bool     `name:"one-file-system" short:"x" help:"Do not enter other file systems; the directories that they are mounted on are stored empty."`
	ExcludeCaches    bool     `help:"Leave out directories with a CACHEDIR.TAG (https://bford.info/cachedir/)."`
	ExcludeIfPresent []string `placeholder:"NAME" sep:"none" help:"Leave out directories that hold an entry of this name. Can be repeated."`
	KeepTags         bool     `aliases:"keep-exclude-tags" help:"Of such directories keep the directory and its tags."`
	ExcludeNoDump    bool     `name:"exclude-nodump" help:"Leave out what is marked so by chattr +d."`
	ExcludeLarger    byteSize `name:"exclude-larger-than" placeholder:"SIZE" help:"Leave out larger files: bytes, or 10K, 1.5M, 2G, 1T in powers of 1024."`
}

// Help is what `snapshot --help` has below the options' short texts.
func (snapshotCmd) Help() string {
	return `Change detection. A file is not read again when its modification time and what --change-detection names are what they were in the snapshot before of this host and these sources. Changes of its owner, mode or attributes are stored all the same. always-read reads all files and tells of those whose content is what it was; rechunk cuts all of them anew, too.

A file that was changed just before, or after, the snapshot before began is read once more, because it could have been changed again within one tick of the clock that stamps it: 20 ms, or 2 s where times are kept coarsely (FAT) or by another machine (NFS, SMB, FUSE). Of such file systems the newest files are not trusted either.

Letters of --list: A added, M modified, U unchanged, C changed while it was read, E could not be read, d directory, s symbolic link, h hard link to a file above, f FIFO, b and c devices, i standard input, x excluded, - would be read (--dry-run).

A file of up to 64 MiB that changes while it is read is read again once; after that, and with larger ones, what was read is kept, with a warning. Files that vanish or cannot be read are left out with a warning. The exit code is then 1, and the record and --stats say how many there were, and why.

In a partial snapshot, a file whose end is missing has .garret-unfinished behind its name.`
}

// check refuses what does not go together.
func (c *snapshotCmd) check() error {
	stdin := len(c.Paths) == 1 && c.Paths[0] == "-"
	switch {
	case c.StdinCommand && len(c.Paths) == 0:
		return errors.New("--stdin-command needs a command, behind --")
	case c.StdinCommand || stdin:
		if c.FilesFrom != "" || c.Root != "" || c.DryRun {
			return errors.New("a stream is stored alone: without --files-from, --root and --dry-run")
		}
		if !reflect.ValueOf(c.patternFlags).IsZero() || !reflect.ValueOf(c.excludeFlags).IsZero() || c.ReadSpecial || c.ATime {
			return errors.New("a stream is stored whole: without patterns and options that choose files")
		}
	case strings.Contains("\x00"+strings.Join(c.Paths, "\x00")+"\x00", "\x00-\x00"):
		return errors.New("- is standard input, which is stored alone; write ./- for a file of that name")
	case c.FilesFrom != "" && len(c.Paths) > 0:
		return errors.New("--files-from lists all that is stored; there cannot be a PATH beside it")
	case c.Null && c.FilesFrom == "":
		return errors.New("--null is for --files-from")
	}
	for _, name := range c.ExcludeIfPresent {
		if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
			return fmt.Errorf("--exclude-if-present %q: give the name of an entry", name)
		}
	}
	if err := store.ValidLabel(c.Label); err != nil {
		return fmt.Errorf("label: %w", err)
	}
	if err := store.ValidLabel(c.Host); err != nil {
		return fmt.Errorf("host: %w", err)
	}
	return nil
}

func (c *snapshotCmd) Run(ctx context.Context, a *app) error {
	if c.Host == "" {
		c.Host = hostname()
	}
	if err := c.check(); err != nil {
		return err
	}
	list, err := c.list()
	if err != nil {
		return err
	}
	job := &snapshotJob{snapshotCmd: c, app: a, patterns: list}
	if err := job.findSources(list); err != nil {
		return err
	}
	if job.repo, err = a.open(ctx); err != nil {
		return err
	}
	defer job.repo.Close()
	if c.Compression != nil {
		job.repo.SetCompression(*c.Compression)
	}
	if c.DryRun {
		return job.dryRun(ctx)
	}
	if job.stream == nil { // of which there is nothing to keep when it is interrupted
		a.graceful()
	}
	snap, err := job.run(ctx)
	if err != nil {
		job.tellKept()
		return err
	}
	return job.report(snap)
}

// report prints what has become of a run.
func (j *snapshotJob) report(snap *store.Snapshot) error {
	if snap.Partial {
		fmt.Fprintf(j.stderr, "garret: interrupted; what is stored so far is kept as partial snapshot %s, from which the next run goes on\n", snap.ID.Short())
	}
	var err error
	if j.JSON {
		err = printJSON(j.stdout, newSnapshotJSON(snap))
	} else if !snap.Partial {
		_, err = fmt.Fprintln(j.stdout, snap.ID)
	}
	if err != nil {
		return err
	}
	if j.Stats {
		printStats(j.stderr, &snap.Totals, snap.Duration)
	}
	if snap.Totals.Warnings > 0 {
		return errWarnings
	}
	return nil
}

// snapshotJob is one snapshot on its way, which may need more than one
// attempt.
type snapshotJob struct {
	*snapshotCmd
	*app
	repo     *store.Repository
	patterns *pattern.List // nil: all is included
	sources  []string      // absolute; empty for a stream
	stream   stream        // instead of sources, or nil

	warnings []store.Warning
	families map[string]bool
	out      messages          // while the walk lasts
	kept     []*store.Snapshot // checkpoints of this run that are there
}

// stream opens what is stored instead of files. Reading it to the end fails if
// it is not all that it should be.
type stream func(ctx context.Context) (io.ReadCloser, error)

// maxAttempts bounds how often a run begins again because it was given up on.
const maxAttempts = 3

// errNothingYet ends a run that was interrupted before it had anything to keep.
var errNothingYet = fmt.Errorf("nothing was stored yet: %w", context.Canceled)

func (j *snapshotJob) run(ctx context.Context) (*store.Snapshot, error) {
	if j.sources == nil {
		if err := j.findSources(j.patterns); err != nil {
			return nil, err
		}
	}
	for n := 1; ; n++ {
		snap, err := j.attempt(ctx)
		if !errors.Is(err, store.ErrFenced) || n == maxAttempts || j.stream != nil {
			return snap, err
		}
		// What was reused may be gone: walk again and look everything up anew.
		fmt.Fprintln(j.stderr, "garret: the machine was paused for so long that a collector gave up on this run; starting again")
	}
}
