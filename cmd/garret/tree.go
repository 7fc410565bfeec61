package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"garret/fs/tree"
	"garret/fs/view"
	"garret/store"
)

var errNotFound = errors.New("not found")

// opened is a repository with a reader.
type opened struct {
	*store.Repository
	reader  *store.Reader
	records *store.Records
	pages   *view.PageCache
}

// pageCache is the memory for parsed metadata pages, bytes.
const pageCache = 16 << 20

// openReader opens the repository for reading, with cacheSize bytes for
// decoded frames, or store.DefaultReaderCache if that is 0.
func (a *app) openReader(ctx context.Context, cacheSize int64) (*opened, error) {
	limitMemory(0) // decoded data lies outside of the heap
	r, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	var records *store.Records
	var loading sync.WaitGroup
	loading.Go(func() { records = r.Records() })
	reader, err := r.NewReader(ctx, cacheSize)
	loading.Wait()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	for _, p := range reader.Problems() {
		fmt.Fprintf(a.stderr, "garret: warning: %v\n", p)
	}
	return &opened{r, reader, records, view.NewPageCache(pageCache)}, nil
}

// untilRefused returns a context that ends when storage refuses a blob. What writes
// files, and carries on past what is lost, must not carry on past that: why then
// makes of the error that the context has ended the one that ended it.
func (o *opened) untilRefused(ctx context.Context) (until context.Context, why func(error) error) {
	until, stop := context.WithCancelCause(ctx)
	o.reader.OnUnavailable(stop)
	return until, func(err error) error {
		o.reader.OnUnavailable(nil)
		defer stop(nil)
		if cause := context.Cause(until); cause != nil && errors.Is(err, context.Canceled) {
			return cause
		}
		return err
	}
}

func (o *opened) close(ctx context.Context) error {
	return errors.Join(o.reader.Close(ctx), o.Repository.Close())
}

// tree opens a snapshot's tree.
func (o *opened) tree(ctx context.Context, id store.SnapshotID) (*view.Tree, *store.Details, error) {
	return openTree(ctx, o.Repository, o.reader, o.pages, id)
}

func openTree(ctx context.Context, r *store.Repository, l tree.Loader, pages *view.PageCache, id store.SnapshotID) (*view.Tree, *store.Details, error) {
	d, err := r.Details(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	root, err := tree.ParseNode(d.Root)
	if err != nil {
		return nil, nil, fmt.Errorf("snapshot %s: %w", id.Short(), err)
	}
	return view.New(l, root, view.Options{Pages: pages}), d, nil
}

// splitTarget takes SNAPSHOT[:PATH] apart.
func splitTarget(s string) (spec, path string) {
	spec, path, _ = strings.Cut(s, ":")
	return spec, path
}

// find chooses a snapshot and says so where it may not be what was meant.
func (a *app) find(ctx context.Context, records *store.Records, spec string) (*store.Snapshot, error) {
	snaps, problems, err := records.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		fmt.Fprintf(a.stderr, "garret: warning: %v\n", p)
	}
	c, err := store.Find(snaps, spec, hostname())
	if err != nil {
		return nil, err
	}
	if c.Note != "" {
		fmt.Fprintf(a.stderr, "garret: %s\n", c.Note)
	}
	if c.Snapshot.Partial {
		fmt.Fprintf(a.stderr, "garret: snapshot %s is partial: it lacks what its run did not come to\n", c.Snapshot.ID.Short())
	}
	return c.Snapshot, nil
}

// resolve opens what SNAPSHOT[:PATH] names.
func (a *app) resolve(ctx context.Context, o *opened, target string) (*view.Tree, view.Entry, string, error) {
	spec, path := splitTarget(target)
	snap, err := a.find(ctx, o.records, spec)
	if err != nil {
		return nil, view.Entry{}, "", err
	}
	return resolveIn(ctx, o, snap, path)
}

// resolveIn opens a path in a snapshot.
func resolveIn(ctx context.Context, o *opened, snap *store.Snapshot, path string) (*view.Tree, view.Entry, string, error) {
	t, _, err := o.tree(ctx, snap.ID)
	if err != nil {
		return nil, view.Entry{}, "", err
	}
	e, err := t.Resolve(ctx, path)
	if noSuchPath(err) {
		return nil, view.Entry{}, "", fmt.Errorf("%q is %w in snapshot %s", path, errNotFound, snap.ID.Short())
	}
	if err != nil {
		return nil, view.Entry{}, "", fmt.Errorf("%q in snapshot %s: %w", path, snap.ID.Short(), err)
	}
	return t, e, path, nil
}

// noSuchPath reports whether an error says that there is no such entry: not that a
// pack is missing, or the repository.
func noSuchPath(err error) bool {
	var refusal *store.UnavailableError
	return (errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) && !errors.Is(err, store.ErrLost) && !errors.As(err, &refusal)
}

func hostname() string {
	h, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return h
}
