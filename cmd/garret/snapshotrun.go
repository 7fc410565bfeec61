package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"garret/fs/pattern"
	"garret/fs/snapshot"
	"garret/fs/tree"
	"garret/keys"
	"garret/store"
)

// parentCache is the memory for the parent's decoded frames, bytes.
const parentCache = 12 << 20

// attempt walks the sources once.
func (j *snapshotJob) attempt(ctx context.Context) (snap *store.Snapshot, err error) {
	started := time.Now()
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
	// Snapshots are listed after the session has listed everything else.
	l, err := j.lineage(ctx)
	if err != nil {
		return nil, err
	}
	result, err := j.store(ctx, s, reader, l, started)
	if err != nil {
		return nil, err
	}
	if result.Root == nil {
		return nil, errNothingYet
	}
	if snap, err = j.commit(ctx, s, started, l, result); err != nil {
		return nil, err
	}
	j.removeCheckpoints(ctx, j.kept)
	if !snap.Partial {
		j.removeCheckpoints(ctx, l.checkpoints)
	}
	j.kept = nil
	return snap, nil
}

// store walks the sources, or reads the stream, and stores them.
func (j *snapshotJob) store(ctx context.Context, s *store.Session, reader *store.Reader, l *lineage, started time.Time) (*snapshot.Result, error) {
	o, err := j.options(ctx, reader, l, started)
	if err != nil {
		return nil, err
	}
	o.Store = s
	o.CheckpointEvery = j.Checkpoint
	o.Checkpoint = func(ctx context.Context, r *snapshot.Result) error {
		before := j.kept
		snap, err := j.commit(ctx, s, started, l, r)
		if err == nil {
			j.kept = []*store.Snapshot{snap}
			j.removeCheckpoints(ctx, before)
		}
		return err
	}
	return j.walk(ctx, o)
}

// options are what a run and a dry run have in common. A new attempt forgets
// what the one before has met.
func (j *snapshotJob) options(ctx context.Context, reader *store.Reader, l *lineage, started time.Time) (*snapshot.Options, error) {
	j.warnings, j.families = nil, make(map[string]bool)
	parent, err := j.parent(ctx, reader, l.parents)
	if err != nil {
		return nil, err
	}
	chunker, err := newChunker(j.repo)
	if err != nil {
		return nil, err
	}
	o := &snapshot.Options{
		Chunker:          chunker,
		Sources:          j.Paths,
		Exact:            j.FilesFrom != "",
		Root:             j.Root,
		Parent:           parent,
		Started:          started,
		OneFileSystem:    j.XDev,
		ExcludeCaches:    j.ExcludeCaches,
		ExcludeIfPresent: j.ExcludeIfPresent,
		KeepTags:         j.KeepTags,
		ExcludeNoDump:    j.ExcludeNoDump,
		ExcludeLarger:    uint64(j.ExcludeLarger),
		ReadSpecial:      j.ReadSpecial,
		Detection:        snapshot.Detection(j.ChangeDetection),
		AccessTimes:      j.ATime,
		DryRun:           j.DryRun,
		Stop:             j.interrupted,
	}
	if !j.patterns.Empty() {
		o.Filter = func(path string, _ *tree.Node) snapshot.Verdict { return verdicts[j.patterns.Verdict(path)] }
	}
	o.Skip, o.SkipMounts = j.skip()
	return o, nil
}

var verdicts = map[pattern.Verdict]snapshot.Verdict{
	pattern.Include: snapshot.Include, pattern.Exclude: snapshot.Exclude, pattern.Prune: snapshot.Prune,
}

// walk runs with progress and messages on the terminal.
func (j *snapshotJob) walk(ctx context.Context, o *snapshot.Options) (*snapshot.Result, error) {
	o.Progress = &snapshot.Progress{}
	line := j.showProgress(o.Progress)
	defer line.stop()
	j.out = newMessages(line)
	defer j.out.Flush()
	o.Warn, o.Item, o.ScanAhead = j.warn, j.item, line.wantsTotals
	if j.stream == nil {
		return snapshot.Run(ctx, *o)
	}
	in, err := j.stream(ctx)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return snapshot.RunReader(ctx, *o, j.StdinName, in)
}

// commit makes what the walk has stored a snapshot.
func (j *snapshotJob) commit(ctx context.Context, s *store.Session, started time.Time, l *lineage, r *snapshot.Result) (*store.Snapshot, error) {
	snap := &store.Snapshot{
		Time: started.UTC(), Host: j.Host, User: username(), Label: j.Label, Partial: r.Partial, Sequence: 1,
		Totals:        totals(r),
		XattrFamilies: slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(j.families)))),
	}
	for _, p := range l.sources {
		snap.Sources = append(snap.Sources, []byte(p))
	}
	if len(l.parents) > 0 {
		last := l.parents[0]
		snap.Parent, snap.Previous, snap.Sequence = last.ID, last.ID, last.Sequence+1
	}
	details, err := j.details(r)
	if err != nil {
		return nil, err
	}
	if err := s.Commit(ctx, snap, details); err != nil {
		return nil, err
	}
	return snap, nil
}

func totals(r *snapshot.Result) store.Totals {
	s := &r.Stats
	t := store.Totals{
		Files: s.Files, Directories: s.Dirs, Others: s.Others, Unmodified: s.Unmodified,
		Bytes: s.BytesTotal, BytesRead: s.BytesRead, BytesAdded: s.BytesAdded, Warnings: uint64(r.Warnings),
		Excluded: s.Excluded, Errors: s.Errors, Changed: s.Changed, Reasons: make(map[string]uint64),
	}
	for reason, n := range s.Reasons {
		t.Reasons[string(reason)] = n
	}
	return t
}

// removeCheckpoints removes partial snapshots that have served.
func (j *snapshotJob) removeCheckpoints(ctx context.Context, checkpoints []*store.Snapshot) {
	for _, c := range checkpoints {
		if err := j.repo.RemoveSnapshot(ctx, c.ID); err != nil {
			fmt.Fprintf(j.stderr, "garret: warning: partial snapshot %s is not needed any more, but cannot be removed: %v\n", c.ID.Short(), err)
		}
	}
}

// tellKept says what is left of a run that failed.
func (j *snapshotJob) tellKept() {
	for _, c := range j.kept {
		fmt.Fprintf(j.stderr, "garret: what was stored in the first %s is kept as partial snapshot %s, from which the next run goes on\n",
			c.Duration.Round(time.Second), c.ID.Short())
	}
}

func username() string {
	if u := os.Getenv("USER"); u != "" && keys.MaxLabel >= len(u) {
		return u
	}
	return fmt.Sprint(os.Getuid())
}
