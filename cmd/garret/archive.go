package main

import (
	"context"
	"fmt"

	"garret/fs/mount"
	"garret/fs/tree"
	"garret/fs/view"
	"garret/store"
)

// archive shows the repository's snapshots to the mount.
type archive struct{ *opened }

// Snapshots lists the readable snapshots. Damaged records do not hide the
// others.
func (a *archive) Snapshots(ctx context.Context) ([]mount.Snapshot, error) {
	snaps, _, err := a.records.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	// A repository that was moved away has no snapshots, but has not lost them.
	if err := a.Present(ctx); err != nil {
		return nil, err
	}
	list := make([]mount.Snapshot, len(snaps))
	for i, s := range snaps {
		list[i] = mount.Snapshot{
			ID: s.ID.String(), Time: s.Time, Host: s.Host, Label: s.Label,
			Partial: s.Partial, Unverified: s.Unverified, XattrFamilies: s.XattrFamilies,
		}
	}
	return list, nil
}

// Open opens a snapshot's tree. What a new one needs is found because a reader
// that misses a blob loads the index again.
func (a *archive) Open(ctx context.Context, id string) (*view.Tree, error) {
	parsed, err := store.ParseSnapshotID(id)
	if err != nil {
		return nil, err
	}
	data, err := a.records.Root(ctx, parsed)
	if err != nil {
		return nil, err
	}
	root, err := tree.ParseNode(data)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", parsed.Short(), err)
	}
	return view.New(a.reader, root, view.Options{Pages: a.pages}), nil
}
