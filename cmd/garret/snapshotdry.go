package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"garret/cmd/garret/internal/term"
	"garret/index"
	"garret/store"
)

// dryStore is a repository that is only asked what it has.
type dryStore struct{ set *index.Set }

var errDryRun = errors.New("a dry run stores nothing")

func (dryStore) ID(index.Kind, []byte) index.ID       { return index.ID{} }
func (dryStore) IDs(index.Kind, []index.ID, [][]byte) {}
func (s dryStore) Has(_ index.Kind, id index.ID) bool { return s.set.Has(id) }
func (dryStore) Put(context.Context, index.Kind, index.ID, []byte) (bool, error) {
	return false, errDryRun
}
func (dryStore) PutPart(context.Context, index.ID, []byte) (bool, error) { return false, errDryRun }

// dryRunJSON is what a dry run prints with --json.
type dryRunJSON struct {
	DryRun  bool         `json:"dry_run"`
	Host    string       `json:"host"`
	Sources []term.Path  `json:"sources"`
	Totals  store.Totals `json:"totals"`
}

// dryRun walks and compares, with a reader's lease instead of a writer's session.
func (j *snapshotJob) dryRun(ctx context.Context) (err error) {
	started := time.Now()
	reader, err := j.repo.NewReader(ctx, parentCache)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, reader.Close(ctx)) }()
	for _, p := range reader.Problems() {
		fmt.Fprintf(j.stderr, "garret: warning: %v; what it indexes would be stored again\n", p)
	}
	l, err := j.lineage(ctx)
	if err != nil {
		return err
	}
	o, err := j.options(ctx, reader, l, started)
	if err != nil {
		return err
	}
	o.Store, o.Stop = dryStore{reader.Index()}, nil
	result, err := j.walk(ctx, o)
	if err != nil {
		return err
	}
	t := totals(result)
	if j.JSON {
		out := dryRunJSON{DryRun: true, Host: j.Host, Totals: t}
		for _, p := range l.sources {
			out.Sources = append(out.Sources, term.JSONPath(p))
		}
		if err := printJSON(j.stdout, out); err != nil {
			return err
		}
	}
	if j.Stats {
		printStats(j.stderr, &t, time.Since(started))
	}
	if t.Warnings > 0 {
		return errWarnings
	}
	return nil
}
