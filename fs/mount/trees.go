package mount

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"garret/fs/tree"
	"garret/fs/view"
)

// maxOpenTrees bounds how many trees are kept open, each with the pages that
// it has cached: a walk over all snapshots must not keep them all.
const maxOpenTrees = 32

var errTooLarge = errors.New("the tree claims more entries than a mount can show")

// openTree is a tree, or a directory of one, that the mount shows.
type openTree struct {
	*view.Tree
	root       view.Entry // what the mount shows of it
	number     uint32
	generation uint32
	rootNode   uint64     // node ID of root
	above      uint64     // node ID of the directory that root is in
	modTime    *tree.Time // shown as root's mtime, if not nil
	name       string     // for the log
}

// nodeID returns the node ID of an entry of the tree.
func (t *openTree) nodeID(position uint64) uint64 {
	if position == t.root.Pos {
		return t.rootNode
	}
	return treeNode(t.number, position)
}

// holds reports whether the entry at the position is shown.
func (t *openTree) holds(position uint64) bool {
	return position >= t.root.Pos && position-t.root.Pos <= t.root.Dir.Total
}

// fits refuses trees whose positions are beyond what a node ID holds. Totals
// of what lies below are bounded by those of the root; view sees to that.
func (t *openTree) fits() error {
	if t.Root().Dir.Total > maxPosition {
		return fmt.Errorf("%w: %d", errTooLarge, t.Root().Dir.Total)
	}
	return nil
}

// trees opens trees when they are needed and keeps those that were used last.
type trees struct {
	archive Archive
	ctx     context.Context // ends with the mount
	max     int             // how many are kept open

	mu    sync.Mutex
	slots map[string]*treeSlot // by snapshot ID
	clock uint64
	wg    sync.WaitGroup
}

type treeSlot struct {
	used  uint64
	ready chan struct{} // closed when tree or err is set
	tree  *openTree
	err   error
}

// newTrees keeps so many trees open.
func newTrees(ctx context.Context, a Archive, open int) *trees {
	return &trees{archive: a, ctx: ctx, max: open, slots: map[string]*treeSlot{}}
}

// retain lets go of trees whose snapshots are not in the catalog.
func (t *trees) retain(c *catalog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.slots, func(id string, slot *treeSlot) bool { return slot.tree != nil && c.byID[id] == nil })
}

// get returns the tree of a snapshot. The tree is opened on the mount's behalf,
// not on the caller's: others may be waiting for it when the caller gives up. It
// is not opened for who has given up before.
func (t *trees) get(ctx context.Context, s *listed) (*openTree, error) {
	t.mu.Lock()
	slot := t.slots[s.ID]
	if slot == nil {
		if err := ctx.Err(); err != nil {
			t.mu.Unlock()
			return nil, err
		}
		slot = &treeSlot{ready: make(chan struct{})}
		t.evict()
		t.slots[s.ID] = slot
		t.wg.Go(func() { t.open(slot, s) })
	}
	t.clock++
	slot.used = t.clock
	if slot.tree != nil { // the usual case
		t.mu.Unlock()
		return slot.tree, nil
	}
	t.mu.Unlock()

	select {
	case <-slot.ready:
		return slot.tree, slot.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (t *trees) open(slot *treeSlot, s *listed) {
	opened, err := t.archive.Open(t.ctx, s.ID)
	var o *openTree
	if err == nil {
		modTime := tree.TimeOf(s.Time)
		o = &openTree{
			Tree:       opened,
			root:       opened.Root(),
			number:     s.number,
			generation: s.generation,
			rootNode:   treeNode(s.number, opened.Root().Pos),
			above:      nodeSnapshots,
			modTime:    &modTime,
			name:       s.name,
		}
		if err = o.fits(); err != nil {
			o = nil
		} else {
			s.root.Store(o.root.Node)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	slot.tree, slot.err = o, err
	if err != nil {
		delete(t.slots, s.ID) // the next one tries again
	}
	close(slot.ready)
}

// evict makes room for a tree. It is called with t.mu held.
func (t *trees) evict() {
	if len(t.slots) < t.max {
		return
	}
	var oldest string
	var used uint64
	for id, slot := range t.slots {
		if slot.tree != nil && (used == 0 || slot.used < used) {
			oldest, used = id, slot.used
		}
	}
	if used != 0 {
		delete(t.slots, oldest)
	}
}

// wait returns when nothing is being opened any more; the context has ended.
func (t *trees) wait() { t.wg.Wait() }
