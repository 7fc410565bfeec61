package view

import (
	"context"
	"io"

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
