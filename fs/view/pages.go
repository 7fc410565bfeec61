package view

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"

	"garret/fs/tree"
	"garret/index"
)

// A Waiter is a Context that is told before a question takes more than a look
// into memory.
type Waiter interface {
	context.Context
	WillWait()
}

// willWait tells the context if it wants to know.
func willWait(ctx context.Context) {
	if w, ok := ctx.(Waiter); ok {
		w.WillWait()
	}
}

// treeBlob loads a page.
func (t *Tree) treeBlob(ctx context.Context, id index.ID) ([]byte, error) {
	if from, ok := t.loader.(tree.Lender); ok {
		if data, giveBack, ok := from.BorrowCached(index.Tree, id); ok {
			defer giveBack()
			return bytes.Clone(data), nil // the page keeps it
		}
	}
	willWait(ctx)
	return t.loader.Blob(ctx, index.Tree, id)
}

// dirPage returns the page that want refers to, checked against it. First is
// the name of its first node, and all its names are less than limit, where
// these are not empty.
func (t *Tree) dirPage(ctx context.Context, want *tree.Dir, first, limit string) (*tree.DirPage, error) {
	p, ok := t.pages.get(&want.ID).(*tree.DirPage)
	if !ok {
		b, err := t.treeBlob(ctx, want.ID)
		if err != nil {
			return nil, err
		}
		if p, err = tree.ParseDirPage(b); err != nil {
			return nil, fmt.Errorf("tree blob %s: %w", want.ID.Short(), err)
		}
		t.pages.put(&want.ID, p)
	}
	if err := p.Fits(want, first, limit); err != nil {
		return nil, fmt.Errorf("tree blob %s: %w", want.ID.Short(), err)
	}
	return p, nil
}

// contentPage returns the page that want refers to, checked against it.
func (t *Tree) contentPage(ctx context.Context, level uint32, want *tree.PartRef) (*tree.ContentPage, error) {
	p, ok := t.pages.get(&want.ID).(*tree.ContentPage)
	if !ok {
		b, err := t.treeBlob(ctx, want.ID)
		if err != nil {
			return nil, err
		}
		if p, err = tree.ParseContentPage(b); err != nil {
			return nil, fmt.Errorf("tree blob %s: %w", want.ID.Short(), err)
		}
		t.pages.put(&want.ID, p)
	}
	if err := p.Fits(level, *want); err != nil {
		return nil, fmt.Errorf("tree blob %s: %w", want.ID.Short(), err)
	}
	return p, nil
}

// leaf is a page of nodes and where it stands.
type leaf struct {
	page  *tree.DirPage
	ref   tree.Dir // to the page
	first uint64   // position of its first entry
	index uint64   // direct children of the directory before it
}

// pos returns the position of the page's i-th node.
func (l *leaf) pos(i int) uint64 {
	_, total := l.page.Before(i)
	return l.first + total
}

// dir is a directory being looked into.
type dir struct {
	tree.Dir
	pos uint64
}

// How descend chooses among a page's references.
type by int

const (
	byName     by = iota // the node of that name would be below
	byEntry              // the n-th direct child is below
	byPosition           // the entry at position n is below
)

// descend finds the page of nodes that holds what is asked for. The directory
// must not be empty; n must be one of its children's or positions.
func (t *Tree) descend(ctx context.Context, d *dir, how by, name string, n uint64) (leaf, error) {
	l := leaf{ref: d.Dir, first: d.pos + 1}
	first, limit := "", ""
	for {
		p, err := t.dirPage(ctx, &l.ref, first, limit)
		if err != nil {
			return leaf{}, err
		}
		if p.Level() == 0 {
			l.page = p
			return l, nil
		}
		var i int
		switch how {
		case byName:
			var ok bool
			if i, ok = p.Find(name); !ok {
				return leaf{}, fs.ErrNotExist
			}
		case byEntry:
			i = p.FindEntry(n - l.index)
		case byPosition:
			i = p.FindTotal(n - l.first)
		}
		entries, total := p.Before(i)
		l.index += entries
		l.first += total
		if i+1 < p.Len() {
			limit = p.Name(i + 1)
		}
		r := p.Ref(i)
		l.ref, first = r.Dir, r.First
	}
}
