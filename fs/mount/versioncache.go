package mount

import (
	"container/list"
	"slices"
	"sync"
	"time"
)

const (
	// maxPathCost bounds the paths that are kept, counted in sources and
	// versions, which take some 150 bytes each.
	maxPathCost = 1 << 16

	// retryAfter is when a path is put together anew from which a snapshot
	// had to be left out because it could not be read.
	retryAfter = 2 * time.Second

	// maxCursors bounds how many listings can be gone on with where they
	// stopped; others begin anew and skip what they have shown.
	maxCursors = 16
)

// pathCache keeps the paths that were used last. All can be found again by
// their node IDs, so nothing depends on one being there.
type pathCache struct {
	mu    sync.Mutex
	byID  map[uint64]*list.Element // of *merged
	order list.List                // used last at the front
	cost  int
}

func (m *merged) cost() int { return 2 + len(m.sources) + len(m.versions) }

func (c *pathCache) get(id uint64) *merged {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.byID[id]
	if el == nil {
		return nil
	}
	m := el.Value.(*merged)
	if !m.failed.IsZero() && time.Since(m.failed) > retryAfter {
		c.remove(el)
		return nil
	}
	c.order.MoveToFront(el)
	return m
}

func (c *pathCache) put(m *merged) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = make(map[uint64]*list.Element)
	}
	if old := c.byID[m.id]; old != nil {
		c.remove(old)
	}
	c.byID[m.id] = c.order.PushFront(m)
	c.cost += m.cost()
	for c.cost > maxPathCost && c.order.Len() > 1 {
		c.remove(c.order.Back())
	}
}

// fail has the path put together anew soon: one of its directories could not
// be listed.
func (c *pathCache) fail(m *merged) {
	same := *m
	same.failed = time.Now()
	c.put(&same)
}

// remove is called with c.mu held.
func (c *pathCache) remove(el *list.Element) {
	m := c.order.Remove(el).(*merged)
	delete(c.byID, m.id)
	c.cost -= m.cost()
}

// cursorCache keeps the cursors of listings that are not at their end, by the
// directory and the child that comes next.
type cursorCache struct {
	mu   sync.Mutex
	idle []*cursor // used last at the end
}

// take returns the cursor, which is the caller's then, or nil.
func (c *cursorCache) take(dir, next uint64) *cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, cur := range c.idle {
		if cur.dir.id == dir && cur.next == next {
			c.idle = slices.Delete(c.idle, i, i+1)
			return cur
		}
	}
	return nil
}

func (c *cursorCache) put(cur *cursor) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.idle) == maxCursors {
		c.idle = slices.Delete(c.idle, 0, 1)
	}
	c.idle = append(c.idle, cur)
}
