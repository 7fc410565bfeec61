package main

import (
	"context"

	"garret/fs/mount"
	"garret/fs/view"
	"garret/store"
)

// archive shows the repository's snapshots to the mount.
type archive struct{ *opened }

// Snapshots lists the readable snapshots. Damaged records do not hide the
// others.
func (a *archive) Snapshots(ctx context.Context) ([]mount.Snapshot, error) {
	snaps, _, err := a.Repository.Snapshots(ctx)
	if err != nil {
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
	t, _, err := a.tree(ctx, parsed)
	return t, err
}
