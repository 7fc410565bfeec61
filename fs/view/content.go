package view

import (
	"context"
	"fmt"
	"io"
	"syscall"

	"garret/fs/tree"
	"garret/index"
)

// ReadAt reads a regular file's bytes from off on, as io.ReaderAt: n < len(p)
// only with an error, io.EOF at the end. Holes are zeros. A blob that cannot be
// read fails the ranges that touch it: n then counts the bytes before it.
func (t *Tree) ReadAt(ctx context.Context, e Entry, p []byte, off int64) (n int, err error) {
	if err := isFile(e); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, syscall.EINVAL
	}
	at := uint64(off)
	if at >= e.Size {
		return 0, io.EOF
	}
	short := uint64(len(p)) > e.Size-at
	if short {
		p = p[:e.Size-at]
	}
	if len(e.Content.Inline) > 0 {
		n = copy(p, e.Content.Inline[at:])
	} else {
		n, err = t.readParts(ctx, e, p, at)
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// readParts fills p, which lies within the file.
func (t *Tree) readParts(ctx context.Context, e Entry, p []byte, at uint64) (n int, err error) {
	partsErr := t.Parts(ctx, e, at, func(start uint64, part tree.Part) bool {
		if n == len(p) {
			return false
		}
		skip := at + uint64(n) - start
		want := p[n:min(uint64(len(p)), uint64(n)+part.Length-skip)]
		if part.IsHole() {
			clear(want)
		} else {
			var b []byte
			var giveBack func()
			if b, giveBack, err = t.blob(ctx, part); err != nil {
				return false
			}
			copy(want, b[skip:])
			giveBack()
		}
		n += len(want)
		return n < len(p)
	})
	if err == nil {
		err = partsErr
	}
	if err == nil && n < len(p) {
		err = io.ErrUnexpectedEOF // the node was not validated
	}
	return n, err
}

// blob borrows a part's bytes.
func (t *Tree) blob(ctx context.Context, p tree.Part) (b []byte, giveBack func(), err error) {
	held := false
	if from, ok := t.loader.(tree.Lender); ok {
		b, giveBack, held = from.BorrowCached(index.Data, p.ID)
	}
	if !held {
		willWait(ctx)
		if b, giveBack, err = tree.Borrow(ctx, t.loader, index.Data, p.ID); err != nil {
			return nil, nil, err
		}
	}
	if uint64(len(b)) != p.Length {
		giveBack()
		return nil, nil, fmt.Errorf("data blob %s: %w: %d bytes where a file has %d", p.ID.Short(), tree.ErrInvalid, len(b), p.Length)
	}
	return b, giveBack, nil
}

// Parts visits the parts of a regular file, blobs and holes, that lie at or
// after the byte at off, until visit returns false. The first may begin before
// off. A file whose bytes stand in its node, or that is empty, has none.
func (t *Tree) Parts(ctx context.Context, e Entry, off uint64, visit func(off uint64, p tree.Part) bool) error {
	if err := isFile(e); err != nil {
		return err
	}
	if e.Content.Pages.ID == (index.ID{}) {
		var start uint64
		for _, p := range e.Content.Parts {
			if start+p.Length > off && !visit(start, p) {
				return nil
			}
			start += p.Length
		}
		return nil
	}
	for off < e.Size {
		page, start, err := t.contentLeaf(ctx, e.Node, off)
		if err != nil {
			return err
		}
		for i := page.Find(off - start); i < page.Len(); i++ {
			if !visit(start+page.Offset(i), page.Part(i)) {
				return nil
			}
		}
		off = start + page.Bytes()
	}
	return nil
}

// contentLeaf finds the page of parts that covers the byte at off, and the
// offset that it begins at.
func (t *Tree) contentLeaf(ctx context.Context, n *tree.Node, off uint64) (p *tree.ContentPage, start uint64, err error) {
	ref := n.Content.Pages.Ref(n.Size)
	for level := n.Content.Pages.Level; ; level-- {
		if p, err = t.contentPage(ctx, level, &ref); err != nil || level == 0 {
			return p, start, err
		}
		i := p.Find(off - start)
		start += p.Offset(i)
		ref = p.Ref(i)
	}
}

// SeekData returns the first offset from off on that is not in a hole; as
// lseek(2), syscall.ENXIO when there is none.
func (t *Tree) SeekData(ctx context.Context, e Entry, off int64) (int64, error) {
	at, err := t.seek(ctx, e, off, false)
	if err == nil && at >= e.Size {
		err = syscall.ENXIO
	}
	if err != nil {
		return 0, err
	}
	return int64(at), nil
}

// SeekHole returns the first offset from off on that is in a hole, the file's
// size when there is no hole; as lseek(2), syscall.ENXIO when off is beyond the
// end.
func (t *Tree) SeekHole(ctx context.Context, e Entry, off int64) (int64, error) {
	at, err := t.seek(ctx, e, off, true)
	if err != nil {
		return 0, err
	}
	return int64(at), nil
}

// seek returns the first offset from off on in a part that is a hole or is not,
// the file's size when there is none.
func (t *Tree) seek(ctx context.Context, e Entry, off int64, hole bool) (uint64, error) {
	if err := isFile(e); err != nil {
		return 0, err
	}
	if off < 0 || uint64(off) >= e.Size {
		return 0, syscall.ENXIO
	}
	at := uint64(off)
	if len(e.Content.Inline) > 0 {
		if hole {
			at = e.Size
		}
		return at, nil
	}
	found := e.Size
	scan := func(start uint64, p tree.Part) bool {
		if p.IsHole() != hole {
			return true
		}
		found = max(at, start)
		return false
	}
	if e.Content.Pages.ID == (index.ID{}) {
		return found, t.Parts(ctx, e, at, scan)
	}
	err := t.seekPages(ctx, e.Node, at, hole, scan)
	return found, err
}

// seekPages is Parts without the pages that have no hole, or nothing else.
func (t *Tree) seekPages(ctx context.Context, n *tree.Node, off uint64, hole bool, visit func(uint64, tree.Part) bool) error {
	useless := func(r tree.PartRef) bool { return hole && r.Holes == 0 || !hole && r.Holes == r.Bytes }
	if useless(n.Content.Pages.Ref(n.Size)) {
		return nil
	}
next:
	for off < n.Size {
		ref, start := n.Content.Pages.Ref(n.Size), uint64(0)
		for level := n.Content.Pages.Level; ; level-- {
			p, err := t.contentPage(ctx, level, &ref)
			if err != nil {
				return err
			}
			i := p.Find(off - start)
			if level == 0 {
				for ; i < p.Len(); i++ {
					if !visit(start+p.Offset(i), p.Part(i)) {
						return nil
					}
				}
				off = start + p.Bytes()
				continue next
			}
			for ; i < p.Len() && useless(p.Ref(i)); i++ {
			}
			if i == p.Len() {
				off = start + p.Bytes()
				continue next
			}
			start += p.Offset(i)
			off = max(off, start)
			ref = p.Ref(i)
		}
	}
	return nil
}

func isFile(e Entry) error {
	switch e.Type {
	case tree.Regular:
		return nil
	case tree.Directory:
		return syscall.EISDIR
	}
	return syscall.EINVAL
}
