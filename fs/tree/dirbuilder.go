package tree

import (
	"context"
	"fmt"
)

// DirBuilder encodes a directory's nodes into pages and stores them as they
// fill: it holds one open page a level. The same nodes make the same pages. It
// is for one goroutine.
type DirBuilder struct {
	p      Putter
	levels []dirLevel
	node   []byte // scratch
	last   string // name of the node before
}

// dirLevel is the open page of a level.
type dirLevel struct {
	page   []byte
	len    int // nodes or references in page
	first  string
	totals Dir
	hash   uint64 // of first
}

// NewDirBuilder returns a builder for one directory after another.
func NewDirBuilder(p Putter) *DirBuilder { return &DirBuilder{p: p} }

// Add adds the next node; names must be strictly ascending (else the error
// wraps ErrOrder) and the node valid (else ErrInvalid); such an error leaves the
// builder as it was. Other errors are the Putter's. N is not kept.
func (b *DirBuilder) Add(ctx context.Context, n *Node) error {
	if !ValidName(n.Name) {
		return invalid("name %.64q", n.Name)
	}
	if n.Name <= b.last {
		return fmt.Errorf("%.64q after %.64q: %w", n.Name, b.last, ErrOrder)
	}
	if err := n.Validate(); err != nil {
		return fmt.Errorf("%.64q: %w", n.Name, err)
	}
	b.node = AppendNode(b.node[:0], n)
	if len(b.node) > MaxNode {
		return fmt.Errorf("%.64q: %w", n.Name, invalid("node of %d bytes", len(b.node)))
	}
	if len(b.levels) == 0 {
		b.levels = append(b.levels, dirLevel{})
	}
	var sum Dir
	for i := range b.levels {
		t := &b.levels[i].totals
		if err := sum.add(t.Entries, t.Subdirs, t.Total, t.Bytes); err != nil {
			return err
		}
	}
	if err := sum.addNode(n); err != nil {
		return err
	}
	hash := hashName(n.Name)
	if l := &b.levels[0]; boundary(l.len, len(l.page), len(b.node), hash, 0) {
		if err := b.flush(ctx, 0); err != nil {
			return err
		}
	}
	b.last = n.Name
	l := &b.levels[0]
	if l.len == 0 {
		l.open(0, b.last, hash)
	}
	l.page = appendBytes(l.page, tagPageNode, b.node)
	l.len++
	return l.totals.addNode(n)
}

// Finish stores what is open and returns the directory; the builder is then
// empty and ready for another.
func (b *DirBuilder) Finish(ctx context.Context) (Dir, error) {
	defer b.Reset()
	for level := 0; level < len(b.levels); level++ {
		l := &b.levels[level]
		if level == len(b.levels)-1 || !b.used(level+1) {
			if l.len == 0 {
				return Dir{}, nil
			}
			return b.put(ctx, level)
		}
		if err := b.flush(ctx, level); err != nil {
			return Dir{}, err
		}
	}
	return Dir{}, nil
}

// Reset drops what was added since the last Finish.
func (b *DirBuilder) Reset() {
	for i := range b.levels {
		b.levels[i].reset()
	}
	b.last = ""
}

// used reports whether a page of that level has been begun.
func (b *DirBuilder) used(level int) bool { return b.levels[level].len > 0 }

func (l *dirLevel) open(level int, first string, hash uint64) {
	l.first, l.hash = first, hash
	l.page = appendUint(l.page[:0], tagPageLevel, uint64(level))
}

func (l *dirLevel) reset() { *l = dirLevel{page: l.page[:0]} }

// put stores the open page of a level.
func (b *DirBuilder) put(ctx context.Context, level int) (Dir, error) {
	l := &b.levels[level]
	d := l.totals
	d.Level = uint32(level)
	id, err := b.p.PutTree(ctx, l.page)
	d.ID = id
	return d, err
}

// flush stores the open page of a level and adds it to the level above.
func (b *DirBuilder) flush(ctx context.Context, level int) error {
	d, err := b.put(ctx, level)
	if err != nil {
		return err
	}
	first, hash := b.levels[level].first, b.levels[level].hash
	b.levels[level].reset()
	up := level + 1
	if up == len(b.levels) {
		b.levels = append(b.levels, dirLevel{})
	}
	if l := &b.levels[up]; boundary(l.len, len(l.page), refSize(first), hash, up) {
		if err := b.flush(ctx, up); err != nil {
			return err
		}
	}
	l := &b.levels[up]
	if l.len == 0 {
		l.open(up, first, hash)
	}
	l.page = appendMessage(l.page, tagPageDir, func(p []byte) []byte {
		d.Level = 0 // the page's says it
		return appendString(appendDir(p, &d), tagDirFirst, first)
	})
	l.len++
	return l.totals.add(d.Entries, d.Subdirs, d.Total, d.Bytes)
}

// refSize is the most that a reference takes in its page, bytes.
func refSize(first string) int { return len(first) + 100 }
