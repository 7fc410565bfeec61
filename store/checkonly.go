package store

import (
	"context"

	"garret/index"
)

// A check can be limited to what one snapshot needs, or what the Walker visits
// of it: then trees are walked first, and only the packs, and of these the
// frames, that hold what is needed are looked at.

// limited reports whether the check is of one snapshot only.
func (c *checker) limited() bool { return c.Only != (SnapshotID{}) }

// wants reports whether the pack is to be checked.
func (c *checker) wants(p *packState) bool { return !c.limited() || p.wanted || p.adopted }

// want finds out which packs hold what is needed.
func (c *checker) want() {
	if !c.limited() {
		return
	}
	for _, seg := range c.set.Segments() {
		for id, at := range seg.Rows() {
			if p := c.packs[at.Pack]; p != nil && !p.wanted && c.isNeeded(at.Kind, id) {
				p.wanted = true
			}
		}
	}
	var packs, bytes int64
	for _, p := range c.packs {
		if p.wanted && p.size != absent {
			packs++
			bytes += p.size
		}
	}
	c.progress.TotalPacks.Store(packs)
	c.progress.TotalObjects.Store(c.progress.Objects.Load() + packs)
	c.progress.TotalBytes.Store(c.progress.Bytes.Load() + bytes)
}

// isNeeded reports whether the walks so far have met the blob.
func (c *checker) isNeeded(kind index.Kind, id index.ID) bool {
	n, ok := c.set.Ordinal(id)
	return ok && (kind == index.Data && c.needed.has(n) || kind == index.Tree && c.visited.has(n))
}

// holdsNeeded reports whether a frame holds something that is needed.
func (c *checker) holdsNeeded(kind index.Kind, f *placedFrame) bool {
	for _, id := range f.ids {
		if c.isNeeded(kind, id) {
			return true
		}
	}
	return false
}

// treesFirst is packsAndTrees for a limited check.
func (c *checker) treesFirst(ctx context.Context) error {
	if err := c.firstWalk(ctx); err != nil {
		return err
	}
	c.want()
	if err := c.checkPacks(ctx, index.Tree, index.Data); err != nil {
		return err
	}
	c.compareRows()
	return c.healedByReader(ctx)
}
