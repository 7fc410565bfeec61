package store

import (
	"context"

	"golang.org/x/sync/errgroup"

	"garret/store/backend"
)

// rootOf is what a check keeps of a snapshot.
type rootOf struct {
	id   SnapshotID
	root []byte
}

// recordReads is how many records are read at once: on a remote backend a read
// is mostly waiting.
const recordReads = 8

// history lists the snapshots and reads every record from the repository.
func (c *checker) history(ctx context.Context) error {
	var listed []SnapshotID
	var sizes []int64
	err := c.r.backend.List(ctx, dirHistory, func(e backend.Entry) error {
		id, err := ParseSnapshotID(base(e.Name))
		if err != nil || snapshotName(id) != e.Name {
			c.unknownName(e.Name)
			return nil
		}
		listed, sizes = append(listed, id), append(sizes, e.Size)
		return nil
	})
	if err != nil {
		return err
	}
	roots := make([][]byte, len(listed))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(recordReads)
	for i, id := range listed {
		g.Go(func() error {
			root, err := c.record(ctx, id)
			if stop := fatal(ctx, err); stop != nil {
				return stop
			}
			if missing(err) {
				return nil // removed since it was listed
			}
			c.done(sizes[i])
			if err != nil {
				// Nobody knows what it needs: nothing can be called unneeded.
				c.unwalked.Store(true)
				c.problem(Problem{Object: snapshotName(id), Snapshot: id, Err: err})
				return nil
			}
			c.add(&c.result.Snapshots, 1)
			roots[i] = root
			return nil
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
func (c *checker) record(ctx context.Context, id SnapshotID) ([]byte, error) {
	s, err := c.r.readSnapshot(ctx, id)
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
