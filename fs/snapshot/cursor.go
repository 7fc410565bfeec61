package snapshot

import (
	"context"

	"garret/fs/view"
)

// cursor goes through a directory of the parent alongside the walk: both are
// in the order of names, so each entry is looked at once.
type cursor struct {
	parent *Parent
	dir    view.Entry
	next   uint64 // index of the child to load next
	loaded []view.Entry
	at     int // in loaded
	end    bool
}

// cursorEntries is how many children are loaded at a time.
const cursorEntries = 256

func (c *cursor) reset(p *Parent, dir view.Entry) {
	clear(c.loaded)
	*c = cursor{parent: p, dir: dir, loaded: c.loaded[:0]}
}

// find returns the child of that name. Names must be asked for in ascending
// order. After an error there are no more children.
func (c *cursor) find(ctx context.Context, name string) (child view.Entry, ok bool, err error) {
	for {
		for ; c.at < len(c.loaded); c.at++ {
			if e := &c.loaded[c.at]; e.Name >= name {
				return *e, e.Name == name, nil
			}
		}
		if c.end {
			return view.Entry{}, false, nil
		}
		if err := c.load(ctx); err != nil {
			c.end = true
			return view.Entry{}, false, err
		}
	}
}

func (c *cursor) load(ctx context.Context) error {
	c.loaded, c.at = c.loaded[:0], 0
	c.end = true
	err := c.parent.Tree.List(ctx, c.dir, c.next, func(_ uint64, e view.Entry) bool {
		c.loaded = append(c.loaded, e)
		c.end = len(c.loaded) < cursorEntries
		return c.end
	})
	c.next += uint64(len(c.loaded))
	return err
}

// unfinished returns the child that holds the beginning of the file called name,
// which find has not found. A run that is stopped gets no further than that file,
// so nothing follows it, and the cursor need not move.
func (c *cursor) unfinished(name string) (child view.Entry, ok bool) {
	if c.at < len(c.loaded) && c.loaded[c.at].Name == name+Unfinished {
		return c.loaded[c.at], true
	}
	return view.Entry{}, false
}
