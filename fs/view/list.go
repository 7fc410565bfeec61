package view

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"golang.org/x/text/unicode/norm"

	"garret/fs/tree"
)

// Lookup returns a directory's child of that name. When there is none the error
// is fs.ErrNotExist itself.
func (t *Tree) Lookup(ctx context.Context, in Entry, name string) (Entry, error) {
	if in.Type != tree.Directory {
		return Entry{}, syscall.ENOTDIR
	}
	if in.Dir.Entries == 0 {
		return Entry{}, fs.ErrNotExist
	}
	d := dir{in.Dir, in.Pos}
	l, err := t.descend(ctx, &d, byName, name, 0)
	if err != nil {
		return Entry{}, err
	}
	i, ok := l.page.Find(name)
	if !ok {
		return Entry{}, fs.ErrNotExist
	}
	n, err := l.page.Node(i)
	return Entry{l.pos(i), in.Pos, n}, err
}

// List visits a directory's children in the order of their names' bytes, from
// the from-th on, until visit returns false. Earlier pages are not loaded.
func (t *Tree) List(ctx context.Context, in Entry, from uint64, visit func(i uint64, e Entry) bool) error {
	return t.pagesOf(ctx, in, from, func(l *leaf, i int) (bool, error) {
		for ; i < l.page.Len(); i++ {
			n, err := l.page.Node(i)
			if err != nil {
				return false, fmt.Errorf("tree blob %s: %w", l.ref.ID.Short(), err)
			}
			if !visit(l.index+uint64(i), Entry{l.pos(i), in.Pos, n}) {
				return false, nil
			}
		}
		return true, nil
	})
}

// SkipLost returns the first child, from bad on, that can be listed, or how many
// there are; the one at bad cannot, because the page it is on cannot be read. It
// tries one in 256, the fewest that are on a page, and searches back from there.
// When the context ends, what it returns means nothing.
func (t *Tree) SkipLost(ctx context.Context, in Entry, bad uint64) (next uint64) {
	const step = 256
	readable := func(i uint64) bool {
		return i >= in.Dir.Entries || t.List(ctx, in, i, func(uint64, Entry) bool { return false }) == nil
	}
	last := bad
	for next = bad + step; !readable(next) && ctx.Err() == nil; next += step {
		last = next
	}
	for next = min(next, in.Dir.Entries); next-last > 1 && ctx.Err() == nil; {
		if middle := last + (next-last)/2; readable(middle) {
			next = middle
		} else {
			last = middle
		}
	}
	return next
}

// pagesOf visits a directory's pages of nodes; i is where in the first of them
// the from-th child stands.
func (t *Tree) pagesOf(ctx context.Context, in Entry, from uint64, visit func(l *leaf, i int) (bool, error)) error {
	if in.Type != tree.Directory {
		return syscall.ENOTDIR
	}
	d := dir{in.Dir, in.Pos}
	for from < d.Entries {
		l, err := t.descend(ctx, &d, byEntry, "", from)
		if err != nil {
			return err
		}
		if more, err := visit(&l, int(from-l.index)); !more || err != nil {
			return err
		}
		from = l.index + uint64(l.page.Len())
	}
	return nil
}

// Resolve finds an entry by its slash-separated path from the root. Slashes at
// either end and "." do not count; symlinks are not followed. A name matches
// byte by byte, else as the first name that is equal in Unicode normal form C.
func (t *Tree) Resolve(ctx context.Context, path string) (Entry, error) {
	e := t.Root()
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || name == "." {
			continue
		}
		child, err := t.Lookup(ctx, e, name)
		if err == fs.ErrNotExist {
			child, err = t.lookupNormal(ctx, e, name)
		}
		if err != nil {
			return Entry{}, err
		}
		e = child
	}
	return e, nil
}

// lookupNormal is Lookup by Unicode normalisation. Names may be in neither form,
// so when those two are not there all are compared.
func (t *Tree) lookupNormal(ctx context.Context, in Entry, name string) (Entry, error) {
	if isASCII(name) {
		return Entry{}, fs.ErrNotExist
	}
	composed := norm.NFC.String(name)
	for _, form := range [...]string{composed, norm.NFD.String(name)} {
		if e, err := t.Lookup(ctx, in, form); err != fs.ErrNotExist {
			return e, err
		}
	}
	found, err := Entry{}, fs.ErrNotExist
	walkErr := t.pagesOf(ctx, in, 0, func(l *leaf, i int) (bool, error) {
		for ; i < l.page.Len(); i++ {
			if s := l.page.Name(i); isASCII(s) || norm.NFC.String(s) != composed {
				continue
			}
			var n *tree.Node
			n, err = l.page.Node(i)
			found = Entry{l.pos(i), in.Pos, n}
			return false, nil
		}
		return true, nil
	})
	if walkErr != nil {
		return Entry{}, walkErr
	}
	return found, err
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
