package view

import (
	"context"
	"io"
	"syscall"

	"garret/fs/tree"
	"garret/index"
)

// A cacher is a loader that can say what it has in memory.
type cacher interface {
	// Cached returns a blob as Blob does, or false if that would take more
	// than a look into memory.
	Cached(kind index.Kind, id index.ID) ([]byte, bool)
}

// Held returns all bytes of a regular file of one part at most, which must not be
// modified, if they are in memory; part is the blob that they come from. Where
// they are not, the blob's ID says what would have to be loaded; it is zero when
// the file has no such blob: it is empty, a hole, or of many parts.
func (t *Tree) Held(e Entry) (data []byte, part index.ID, ok bool) {
	if e.Type != tree.Regular {
		return nil, index.ID{}, false
	}
	if in := e.Content.Inline; len(in) > 0 {
		return in, index.ID{}, true
	}
	if len(e.Content.Parts) != 1 || e.Content.Parts[0].IsHole() {
		return nil, index.ID{}, false
	}
	p := e.Content.Parts[0]
	if c, can := t.loader.(cacher); can {
		data, ok = c.Cached(index.Data, p.ID)
	}
	if !ok || uint64(len(data)) != e.Size {
		data, ok = nil, false // the read that asks for it says what is wrong
	}
	return data, p.ID, ok
}

// Load has a blob of file content loaded into the loader's cache.
func (t *Tree) Load(ctx context.Context, id index.ID) error {
	_, err := t.loader.Blob(ctx, index.Data, id)
	return err
}

// After visits the entries that follow e in its directory, as List does, until
// visit returns false; those that stand in the same page, that is, so that one
// page at most is loaded.
func (t *Tree) After(ctx context.Context, e Entry, visit func(e Entry) bool) error {
	if e.Pos == 0 {
		return nil
	}
	s := t.hints.Load().find(e.Pos)
	var l leaf
	var err error
	if s != nil && s.parent == e.Parent {
		l = leaf{ref: s.ref, first: s.first}
		l.page, err = t.dirPage(ctx, &l.ref, "", "")
	} else {
		l, err = t.pageOf(ctx, e)
	}
	if err != nil {
		return err
	}
	for i := l.page.FindTotal(e.Pos-l.first) + 1; i < l.page.Len(); i++ {
		n, err := l.page.Node(i)
		if err != nil {
			return err
		}
		if !visit(Entry{l.pos(i), e.Parent, n}) {
			return nil
		}
	}
	return nil
}

// pageOf finds the page that an entry stands in from the root on, and has At
// remember it.
func (t *Tree) pageOf(ctx context.Context, e Entry) (leaf, error) {
	d := dir{t.root.Dir, 0}
	var up span
	for {
		if e.Pos > d.pos+d.Total {
			return leaf{}, syscall.EINVAL // no entry of this tree
		}
		l, err := t.descend(ctx, &d, byPosition, "", e.Pos)
		if err != nil {
			return leaf{}, err
		}
		i := l.page.FindTotal(e.Pos - l.first)
		at := l.pos(i)
		if at == e.Pos {
			t.hintTable().remember(e.Pos, span{d.pos, l.first, l.ref}, up)
			return l, nil
		}
		up = span{d.pos, l.first, l.ref}
		d = dir{l.page.Dir(i), at}
	}
}

// Slices is ReadAt without a copy: it appends to dst the pieces of memory that
// the file's next n bytes from off on lie in, fewer at the end of the file. They
// must not be modified. When there would be more than limit of them, ok is false
// and ReadAt has to do.
func (t *Tree) Slices(ctx context.Context, e Entry, dst [][]byte, off, n uint64, limit int) (_ [][]byte, ok bool, err error) {
	if err := isFile(e); err != nil {
		return dst, false, err
	}
	if off >= e.Size {
		return dst, true, nil
	}
	n = min(n, e.Size-off)
	if in := e.Content.Inline; len(in) > 0 {
		return append(dst, in[off:off+n]), true, nil
	}
	ok = true
	partsErr := t.Parts(ctx, e, off, func(start uint64, p tree.Part) bool {
		if n == 0 {
			return false
		}
		skip := off - start
		want := min(n, p.Length-skip)
		off, n = off+want, n-want
		if !p.IsHole() {
			var b []byte
			if len(dst) >= limit {
				ok = false
			} else if b, err = t.blob(ctx, p); err == nil {
				dst = append(dst, b[skip:skip+want])
			}
			return ok && err == nil && n > 0
		}
		for want > 0 && ok {
			z := zeros[:min(want, uint64(len(zeros)))]
			if ok = len(dst) < limit; ok {
				dst = append(dst, z)
			}
			want -= uint64(len(z))
		}
		return ok && n > 0
	})
	if err == nil {
		err = partsErr
	}
	if err == nil && ok && n > 0 {
		err = io.ErrUnexpectedEOF // the node was not validated
	}
	return dst, ok && err == nil, err
}
