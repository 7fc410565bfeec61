package mount

import (
	"cmp"
	"container/heap"
	"context"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/view"
)

const (
	// ahead bounds the entries that a cursor has read and not shown yet, over
	// all directories that it merges; each is some 500 bytes.
	ahead = 2048
	// maxAhead bounds those of one directory.
	maxAhead = 64
)

// cursor merges the listings of a path's directories, in the order of their
// names. It reads a few entries of each at a time.
type cursor struct {
	e     *edition
	dir   *merged
	next  uint64 // ordinal of the child that comes next
	feeds feeds
	chunk int
	lost  int     // directories that cannot be read
	group []found // the child that comes next, in all directories that have it
	fed   []*feed // what group was taken from
}

// feed is one of the directories.
type feed struct {
	source *source
	index  int // among the sources
	from   uint64
	buf    []view.Entry
	at     int
}

func (f *feed) name() string { return f.buf[f.at].Name }

// feeds is a heap by name, then by source.
type feeds []*feed

func (h feeds) Len() int      { return len(h) }
func (h feeds) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h feeds) Less(i, j int) bool {
	return cmp.Or(strings.Compare(h[i].name(), h[j].name()), cmp.Compare(h[i].index, h[j].index)) < 0
}
func (h *feeds) Push(x any) { *h = append(*h, x.(*feed)) }
func (h *feeds) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// cursorAt returns a cursor over a path's children that stands before the
// next-th.
func (e *edition) cursorAt(ctx context.Context, m *merged, next uint64) (*cursor, fuse.Status) {
	if c := e.cursors.take(m.id, next); c != nil {
		return c, fuse.OK
	}
	c := &cursor{e: e, dir: m, chunk: min(maxAhead, max(1, ahead/max(1, len(m.sources))))}
	for i := range m.sources {
		f := &feed{source: &m.sources[i], index: i}
		if status := c.fill(ctx, f); !status.Ok() {
			return nil, status
		}
	}
	if c.lost > 0 && c.lost == len(m.sources) {
		return nil, fuse.EIO
	}
	for c.next < next {
		group, status := c.peek(ctx)
		if !status.Ok() || group == nil {
			return c, status
		}
		c.advance()
	}
	return c, fuse.OK
}

// fill reads a feed's next entries and puts it into the heap, unless it has come
// to its end. A directory that cannot be read is left out; what it held is then
// missing until it can be read.
func (c *cursor) fill(ctx context.Context, f *feed) fuse.Status {
	t, status := c.e.tree(ctx, f.source.first)
	f.buf, f.at = f.buf[:0], 0
	if status.Ok() {
		err := t.List(ctx, f.source.entry(), f.from, func(i uint64, e view.Entry) bool {
			f.buf, f.from = append(f.buf, e), i+1
			return len(f.buf) < c.chunk
		})
		if err != nil {
			status = c.e.f.failed(ctx, t, f.source.entry(), "directory", err)
		}
	}
	if !status.Ok() {
		if status == fuse.EINTR || !c.e.f.reachable() {
			return status
		}
		c.lost++
		c.e.paths.fail(c.dir)
	}
	if len(f.buf) > 0 {
		heap.Push(&c.feeds, f)
	}
	return fuse.OK
}

// peek returns the next child as all directories have it, oldest first, nil at
// the end. The slice is good until advance.
func (c *cursor) peek(ctx context.Context) ([]found, fuse.Status) {
	if len(c.group) > 0 {
		return c.group, fuse.OK
	}
	for _, f := range c.fed {
		if f.at++; f.at < len(f.buf) {
			heap.Push(&c.feeds, f)
		} else if status := c.fill(ctx, f); !status.Ok() {
			return nil, status
		}
	}
	c.fed = c.fed[:0]
	for len(c.group) == 0 || len(c.feeds) > 0 && c.feeds[0].name() == c.group[0].entry.Name {
		if len(c.feeds) == 0 {
			return nil, fuse.OK
		}
		f := heap.Pop(&c.feeds).(*feed)
		c.group = append(c.group, found{f.source.first, f.source.last, f.buf[f.at]})
		c.fed = append(c.fed, f)
	}
	return c.group, fuse.OK
}

// advance goes on to the child after the one that peek returned.
func (c *cursor) advance() {
	c.group = c.group[:0]
	c.next++
}
