package view

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"garret/fs/tree"
)

// Walk visits from and all below it in pre-order. Path is relative to from:
// "" for from itself, then "bin", "bin/ls". When visit returns fs.SkipDir for a
// directory what is below it is left out, for another entry the rest of its
// directory; with fs.SkipAll the walk ends well, with any other error it ends
// with that.
func (t *Tree) Walk(ctx context.Context, from Entry, visit func(path string, e Entry) error) error {
	return t.WalkPast(ctx, from, visit, nil)
}

// WalkPast is Walk past what cannot be read: lost is told how many children of a
// directory cannot, and why. When it returns nil they are left out; otherwise, and
// when it is nil itself, the walk ends with an error.
func (t *Tree) WalkPast(ctx context.Context, from Entry, visit func(path string, e Entry) error, lost func(path string, e Entry, children uint64, err error) error) error {
	err := t.walk(ctx, "", from, 0, visit, lost)
	if err == fs.SkipDir || err == fs.SkipAll {
		return nil
	}
	return err
}

func (t *Tree) walk(ctx context.Context, path string, e Entry, depth int, visit func(string, Entry) error, lost func(string, Entry, uint64, error) error) error {
	err := visit(path, e)
	if e.Type != tree.Directory {
		return err
	}
	if err == fs.SkipDir {
		return nil
	}
	if err != nil {
		return err
	}
	if depth > tree.MaxDepth {
		return fmt.Errorf("%w: more than %d directories deep", tree.ErrInvalid, tree.MaxDepth)
	}
	if path != "" {
		path += "/"
	}
	for from := uint64(0); from < e.Dir.Entries; {
		// The page is looked up again after each directory, so that a deep walk
		// does not hold one page a level whatever the cache's size.
		if err := ctx.Err(); err != nil {
			return err
		}
		next, err := Entry{}, error(nil)
		below := false
		listErr := t.List(ctx, e, from, func(i uint64, child Entry) bool {
			from = i + 1
			if child.Type == tree.Directory {
				next, below = child, true
				return false
			}
			err = visit(path+child.Name, child)
			return err == nil
		})
		if listErr != nil && (lost == nil || ctx.Err() != nil) {
			return listErr
		}
		if listErr != nil {
			bad := from
			from = t.SkipLost(ctx, e, bad)
			if err := lost(strings.TrimSuffix(path, "/"), e, from-bad, listErr); err != nil {
				return err
			}
		}
		if below {
			err = t.walk(ctx, path+next.Name, next, depth+1, visit, lost)
		}
		if err == fs.SkipDir {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
