package view

import (
	"context"
	"io/fs"
	"strings"
	"sync/atomic"

	"garret/fs/tree"
)

// At returns the entry at a position, fs.ErrNotExist when there is none.
func (t *Tree) At(ctx context.Context, pos uint64) (Entry, error) {
	if pos == 0 {
		return t.Root(), nil
	}
	l, i, parent, err := t.locate(ctx, pos)
	if err != nil {
		return Entry{}, err
	}
	n, err := l.page.Node(i)
	if err != nil {
		return Entry{}, err
	}
	return Entry{pos, parent, n}, nil
}

// nextDirPages is how many pages of nodes NextDir searches.
const nextDirPages = 4

// NextDir returns the first directory below the root at a position or behind it, in
// pre-order. It is for guesses: when there is none nearby, the error is
// fs.ErrNotExist.
func (t *Tree) NextDir(ctx context.Context, pos uint64) (Entry, error) {
	for range nextDirPages {
		l, i, parent, err := t.locate(ctx, max(pos, 1))
		if err != nil {
			return Entry{}, err
		}
		for ; i < l.page.Len(); i++ {
			if !l.page.IsDir(i) {
				continue
			}
			n, err := l.page.Node(i)
			if err != nil {
				return Entry{}, err
			}
			return Entry{l.pos(i), parent, n}, nil
		}
		pos = l.first + l.ref.Total
	}
	return Entry{}, fs.ErrNotExist
}

// locate returns the page that the entry at a position other than 0 stands in, but
// for its index, where in it, and the position of its directory.
func (t *Tree) locate(ctx context.Context, pos uint64) (l leaf, i int, parent uint64, err error) {
	if pos > t.root.Dir.Total {
		return leaf{}, 0, 0, fs.ErrNotExist
	}
	d := dir{t.root.Dir, 0}
	var up span // the page in which the directory stands
	s := t.hints.Load().find(pos)
	for {
		hinted := s != nil
		if hinted {
			d.pos = s.parent
			l = leaf{ref: s.ref, first: s.first}
			l.page, err = t.dirPage(ctx, &l.ref, "", "")
		} else {
			l, err = t.descend(ctx, &d, byPosition, "", pos)
		}
		if err != nil {
			return leaf{}, 0, 0, err
		}
		i := l.page.FindTotal(pos - l.first)
		at := l.pos(i)
		if at == pos {
			if !hinted {
				t.hintTable().remember(pos, span{d.pos, l.first, l.ref}, up)
			}
			return l, i, d.pos, nil
		}
		up, s = span{d.pos, l.first, l.ref}, nil
		d = dir{l.page.Dir(i), at}
	}
}

// Path returns the slash-separated path of an entry from the root, "" for the
// root itself.
func (t *Tree) Path(ctx context.Context, e Entry) (string, error) {
	if e.Pos == 0 {
		return "", nil
	}
	if e.Pos > t.root.Dir.Total {
		return "", fs.ErrNotExist
	}
	var names []string
	for d := (dir{t.root.Dir, 0}); ; {
		l, err := t.descend(ctx, &d, byPosition, "", e.Pos)
		if err != nil {
			return "", err
		}
		i := l.page.FindTotal(e.Pos - l.first)
		names = append(names, l.page.Name(i))
		at := l.pos(i)
		if at == e.Pos {
			return strings.Join(names, "/"), nil
		}
		d = dir{l.page.Dir(i), at}
	}
}

// A span is a page of nodes in which locate ended, or the one in which the directory
// of that stands. Reads and look-ups stay in a directory, and in directories
// near it, for a while; a span saves them the way down from the root.
type span struct {
	parent uint64   // position of the directory
	first  uint64   // position of the page's first entry
	ref    tree.Dir // to the page, whose level is 0
}

// hintTable keeps a span for a block of positions, whichever was found last in
// it: fine blocks for pages in which locate ended, coarse ones for those above.
type hintTable struct {
	fine, coarse [hints]atomic.Pointer[span]
}

const (
	hints      = 128
	fineBits   = 6  // positions in a fine block: 1<<fineBits
	coarseBits = 11 // and in a coarse one
)

// hintTable returns the tree's table, which is made when it is first needed: of
// thousands of open trees few are ever asked for positions.
func (t *Tree) hintTable() *hintTable {
	h := t.hints.Load()
	if h == nil {
		h = new(hintTable)
		if !t.hints.CompareAndSwap(nil, h) {
			h = t.hints.Load()
		}
	}
	return h
}

func (h *hintTable) find(pos uint64) *span {
	if h == nil {
		return nil
	}
	if s := h.fine[pos>>fineBits%hints].Load(); s.covers(pos) {
		return s
	}
	if s := h.coarse[pos>>coarseBits%hints].Load(); s.covers(pos) {
		return s
	}
	return nil
}

func (s *span) covers(pos uint64) bool {
	return s != nil && pos >= s.first && pos-s.first < s.ref.Total
}

// remember keeps the page that the entry at pos stands in and, unless it is zero
// or there already, the one above.
func (h *hintTable) remember(pos uint64, s, up span) {
	h.fine[pos>>fineBits%hints].Store(&s)
	coarse := &h.coarse[pos>>coarseBits%hints]
	if old := coarse.Load(); up.ref.Total > 0 && (old == nil || *old != up) {
		coarse.Store(&up)
	}
}
