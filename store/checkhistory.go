package store

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
)

// rootOf is what a check keeps of a snapshot.
type rootOf struct {
	id   SnapshotID
	root []byte
}

// recordReads is how many records are read at once: on a remote backend a read
// is mostly waiting.
const recordReads = 8

// history lists the snapshots and reads both copies of every record from the
// repository.
func (c *checker) history(ctx context.Context) error {
	listed, err := listSnapshots(ctx, c.r.backend)
	if err != nil {
		return err
	}
	if c.limited() {
		listed = slices.DeleteFunc(listed, func(id SnapshotID) bool { return id != c.Only })
	}
	roots := make([][]byte, len(listed))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(recordReads)
	for i, id := range listed {
		g.Go(func() error {
			t, err := c.checkRecord(ctx, c.r.backend, id, func(data []byte) (err error) {
				roots[i], err = c.record(id, data)
				return err
			})
			if err == nil && !t.sound() && !t.gone() {
				// Nobody knows what it needs: nothing can be called unneeded.
				c.unwalked.Store(true)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, id := range listed {
		if roots[i] != nil {
			c.snapshots = append(c.snapshots, rootOf{id, roots[i]})
		}
	}
	return nil
}

// record decodes all of a snapshot's record and returns its root.
func (c *checker) record(id SnapshotID, data []byte) ([]byte, error) {
	s, err := c.r.verifySnapshot(id, data)
	if err != nil {
		return nil, err
	}
	if _, err := c.r.openHead(id, s); err != nil {
		return nil, err
	}
	d, err := c.r.openDetails(id, s)
	if err != nil {
		return nil, err
	}
	if d.Root == nil {
		d.Root = []byte{}
	}
	return d.Root, nil
}
