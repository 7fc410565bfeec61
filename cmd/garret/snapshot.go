package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"garret/cmd/garret/internal/term"
	"garret/fs/snapshot"
	"garret/keys"
	"garret/store"
	"garret/store/codec"
)

type snapshotCmd struct {
	Paths       []string      `arg:"" name:"PATH" help:"What to store. A symbolic link is stored as one, unless it ends in a slash."`
	Root        string        `placeholder:"DIR" help:"Store paths relative to this directory."`
	Label       string        `help:"A name for the snapshot."`
	Host        string        `help:"Store it as this host's. Default: the machine's name."`
	Compression *codec.Method `help:"Instead of the repository's."`
	XDev        bool          `name:"one-file-system" short:"x" help:"Do not enter other file systems."`
	Stats       bool          `help:"Print what it held and cost to standard error."`
	JSON        bool          `name:"json" help:"Print the snapshot's record as a JSON object instead of its id; progress events to standard error."`
	Quiet       bool          `short:"q" help:"Print no progress and no notices."`
}

func (c *snapshotCmd) Run(ctx context.Context, a *app) error {
	if c.Host == "" {
		c.Host = hostname()
	}
	if err := store.ValidLabel(c.Label); err != nil {
		return fmt.Errorf("label: %w", err)
	}
	if err := store.ValidLabel(c.Host); err != nil {
		return fmt.Errorf("host: %w", err)
	}
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	if c.Compression != nil {
		r.SetCompression(*c.Compression)
	}
	a.graceful()
	job := &snapshotJob{snapshotCmd: c, app: a, repo: r}
	snap, err := job.run(ctx)
	if err != nil {
		return err
	}
	if snap.Partial {
		fmt.Fprintf(a.stderr, "garret: interrupted; what is stored so far is kept as partial snapshot %s, from which the next run goes on\n", snap.ID.Short())
	}
	if c.JSON {
		err = printJSON(a.stdout, newSnapshotJSON(snap))
	} else if !snap.Partial {
		_, err = fmt.Fprintln(a.stdout, snap.ID)
	}
	if err != nil {
		return err
	}
	if c.Stats {
		printStats(a, snap)
	}
	if snap.Totals.Warnings > 0 {
		return errWarnings
	}
	return nil
}

func printStats(a *app, s *store.Snapshot) {
	t := s.Totals
	fmt.Fprintf(a.stderr, "%d files (%d unchanged, not read), %d directories, %d others: %s\n",
		t.Files, t.Unmodified, t.Directories, t.Others, term.Size(t.Bytes))
	fmt.Fprintf(a.stderr, "read %s, new %s, stored %s, in %s; %d warnings\n",
		term.Size(t.BytesRead), term.Size(t.BytesAdded), term.Size(t.BytesStored), term.Duration(s.Duration), t.Warnings)
}

// snapshotJob is one snapshot on its way, which may need more than one
// attempt.
type snapshotJob struct {
	*snapshotCmd
	*app
	repo     *store.Repository
	warnings []store.Warning
	families map[string]bool
}

// parentCache is the memory for the parent's decoded frames, bytes.
const parentCache = 12 << 20

// maxAttempts bounds how often a run begins again because it was given up on.
const maxAttempts = 3

// errNothingYet ends a run that was interrupted before it had anything to keep.
var errNothingYet = fmt.Errorf("nothing was stored yet: %w", context.Canceled)

func (j *snapshotJob) run(ctx context.Context) (*store.Snapshot, error) {
	for n := 1; ; n++ {
		snap, err := j.attempt(ctx)
		if !errors.Is(err, store.ErrFenced) || n == maxAttempts {
			return snap, err
		}
		// What was reused may be gone: walk again and look everything up anew.
		fmt.Fprintln(j.stderr, "garret: the machine was paused for so long that a collector gave up on this run; starting again")
	}
}

// attempt walks the sources once.
func (j *snapshotJob) attempt(ctx context.Context) (snap *store.Snapshot, err error) {
	started := time.Now()
	j.warnings, j.families = nil, make(map[string]bool)
	s, err := j.repo.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		closeErr := s.Close(ctx)
		if err == nil && closeErr != nil {
			// The snapshot is there, and a lease that stays expires.
			fmt.Fprintf(j.stderr, "garret: warning: snapshot %s is stored, but its session cannot be ended: %v\n", snap.ID.Short(), closeErr)
		}
	}()
	for _, p := range s.Problems() {
		fmt.Fprintf(j.stderr, "garret: warning: %v; what it indexes is stored again\n", p)
	}
	reader, err := s.Reader(parentCache)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstError(err, reader.Close(ctx)) }()

	sources, err := absolutePaths(j.Paths)
	if err != nil {
		return nil, err
	}
	// Snapshots are listed after the session has listed everything else.
	snaps, problems, err := j.repo.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		fmt.Fprintf(j.stderr, "garret: warning: %v\n", p)
	}
	parents := store.Parents(snaps, j.Host, sources)
	parent, err := j.parent(ctx, reader, parents)
	if err != nil {
		return nil, err
	}
	chunker, err := newChunker(j.repo)
	if err != nil {
		return nil, err
	}
	progress := &snapshot.Progress{}
	line := j.showProgress(progress)
	result, err := snapshot.Run(ctx, snapshot.Options{
		Store:         s,
		Chunker:       chunker,
		Sources:       j.Paths,
		Root:          j.Root,
		Parent:        parent,
		Started:       started,
		Skip:          j.skip(),
		OneFileSystem: j.XDev,
		Warn:          func(w snapshot.Warning) { j.warn(line.out, w) },
		Item:          j.item,
		Progress:      progress,
		ScanAhead:     line.wantsTotals,
		Stop:          j.interrupted,
	})
	line.stop()
	if err != nil {
		return nil, err
	}
	if result.Root == nil {
		return nil, errNothingYet
	}
	snap, details, err := j.record(started, sources, parents, result)
	if err != nil {
		return nil, err
	}
	if err := s.Commit(ctx, snap, details); err != nil {
		return nil, err
	}
	if !snap.Partial {
		j.removeCheckpoints(ctx, store.Checkpoints(snaps, j.Host, sources))
	}
	return snap, nil
}

// removeCheckpoints removes partial snapshots: they have served once a whole
// snapshot of the same is there.
func (j *snapshotJob) removeCheckpoints(ctx context.Context, checkpoints []*store.Snapshot) {
	for _, c := range checkpoints {
		if err := j.repo.RemoveSnapshot(ctx, c.ID); err != nil {
			fmt.Fprintf(j.stderr, "garret: warning: partial snapshot %s is not needed any more, but cannot be removed: %v\n", c.ID.Short(), err)
		}
	}
}

// warn prints a warning and keeps it for the record.
func (j *snapshotJob) warn(out io.Writer, w snapshot.Warning) {
	if w.Notice && j.Quiet {
		return
	}
	kind := "warning"
	if w.Notice {
		kind = "notice"
	}
	fmt.Fprintf(out, "garret: %s: %s: %v\n", kind, term.Name(w.Path), w.Err)
	if !w.Notice && len(j.warnings) < store.MaxWarnings {
		j.warnings = append(j.warnings, store.Warning{Path: []byte(w.Path), Reason: w.Err.Error()})
	}
}

func (j *snapshotJob) record(started time.Time, sources []string, parents []*store.Snapshot, res *snapshot.Result) (*store.Snapshot, *store.Details, error) {
	snap := &store.Snapshot{
		Time: started.UTC(), Host: j.Host, User: username(), Label: j.Label, Partial: res.Partial, Sequence: 1,
		Totals: store.Totals{
			Files: res.Stats.Files, Directories: res.Stats.Dirs, Others: res.Stats.Others, Unmodified: res.Stats.Unmodified,
			Bytes: res.Stats.BytesTotal, BytesRead: res.Stats.BytesRead, BytesAdded: res.Stats.BytesAdded,
			Warnings: uint64(res.Warnings),
		},
		XattrFamilies: slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(j.families)))),
	}
	for _, p := range sources {
		snap.Sources = append(snap.Sources, []byte(p))
	}
	if len(parents) > 0 {
		last := parents[0]
		snap.Parent, snap.Previous, snap.Sequence = last.ID, last.ID, last.Sequence+1
	}
	details, err := j.details(res)
	return snap, details, err
}

// skip names what must not be stored: the repository itself, and mounts of
// snapshots.
func (j *snapshotJob) skip() func(dev, ino uint64) bool {
	repo, inode := identity(j.repo.Backend().Location())
	mounts := garretMounts()
	return func(dev, ino uint64) bool {
		return mounts[dev] || (dev == repo && ino == inode && ino != 0)
	}
}

func username() string {
	if u := os.Getenv("USER"); u != "" && keys.MaxLabel >= len(u) {
		return u
	}
	return fmt.Sprint(os.Getuid())
}
