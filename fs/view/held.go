package view

import (
	"context"
	"io"
	"syscall"

	"garret/fs/tree"
	"garret/index"
)

// Held borrows all bytes of a regular file if they are in memory, and its parts
// stand in its node. Of a file that is empty or has holes it borrows nothing.
func (t *Tree) Held(e Entry, into *Loan) (ok bool) {
	if e.Type != tree.Regular || e.Content.Pages.ID != (index.ID{}) {
		return false
	}
	if in := e.Content.Inline; len(in) > 0 {
		into.add(in, nil)
		return true
	}
	lender, can := t.loader.(tree.Lender)
	for _, p := range e.Content.Parts {
		if p.IsHole() {
			into.Return()
			return false
		}
		var data []byte
		var giveBack func()
		if ok = can; ok {
			data, giveBack, ok = lender.BorrowCached(index.Data, p.ID)
		}
		if ok {
			into.add(data, giveBack)
		}
		if !ok || uint64(len(data)) != p.Length { // the read that asks for it says what is wrong
			into.Return()
			return false
		}
	}
	return len(e.Content.Parts) > 0
}

// After visits the entries that follow e in its directory, as List does, until
// visit returns false; those that stand in the same page, that is, so that one
// page at most is loaded.
func (t *Tree) After(ctx context.Context, e Entry, visit func(e Entry) bool) error {
	if e.Pos == 0 {
		return nil
	}
	l, err := t.pageAt(ctx, e)
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

// pageAt returns the page that an entry other than the root stands in, but for its
// index.
func (t *Tree) pageAt(ctx context.Context, e Entry) (l leaf, err error) {
	if s := t.hints.Load().find(e.Pos); s != nil && s.parent == e.Parent {
		l = leaf{ref: s.ref, first: s.first}
		l.page, err = t.dirPage(ctx, &l.ref, "", "")
		return l, err
	}
	return t.pageOf(ctx, e)
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

// Loan is pieces of memory that belong to the loader. They must not be modified,
// and are valid until they are given back.
type Loan struct {
	Pieces [][]byte
	back   []func()

	fewPieces [4][]byte // memory for both, as many as most have
	fewBack   [4]func()
}

func (l *Loan) add(piece []byte, giveBack func()) {
	if l.Pieces == nil {
		l.Pieces, l.back = l.fewPieces[:0], l.fewBack[:0]
	}
	l.Pieces = append(l.Pieces, piece)
	if giveBack != nil {
		l.back = append(l.back, giveBack)
	}
}

// Return gives back what was borrowed; the loan is empty afterwards.
func (l *Loan) Return() {
	for _, f := range l.back {
		f()
	}
	clear(l.Pieces)
	clear(l.back)
	l.Pieces, l.back = l.Pieces[:0], l.back[:0]
}

// Slices is ReadAt without a copy: it borrows the pieces of memory that the
// file's next n bytes from off on lie in, fewer at the end of the file. When
// there would be more than limit of them, ok is false, nothing is borrowed, and
// ReadAt has to do.
func (t *Tree) Slices(ctx context.Context, e Entry, into *Loan, off, n uint64, limit int) (ok bool, err error) {
	if err := isFile(e); err != nil {
		return false, err
	}
	if off >= e.Size {
		return true, nil
	}
	n = min(n, e.Size-off)
	if in := e.Content.Inline; len(in) > 0 {
		into.add(in[off:off+n], nil)
		return true, nil
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
			var giveBack func()
			if len(into.Pieces) >= limit {
				ok = false
			} else if b, giveBack, err = t.blob(ctx, p); err == nil {
				into.add(b[skip:skip+want], giveBack)
			}
			return ok && err == nil && n > 0
		}
		for want > 0 && ok {
			z := zeros[:min(want, uint64(len(zeros)))]
			if ok = len(into.Pieces) < limit; ok {
				into.add(z, nil)
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
	if ok = ok && err == nil; !ok {
		into.Return()
	}
	return ok, err
}
