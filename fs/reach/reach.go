package reach

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"garret/fs/tree"
	"garret/index"
)

// Use is one blob that a tree needs.
type Use struct {
	Kind index.Kind
	ID   index.ID
	Path string // of the file or directory, slash-separated from the root: "" for the root

	// The range of the file that the blob holds or, for a page of a content
	// list, lists; bytes. Zero for a page of a directory.
	Offset, Length uint64

	// Err is nil, or a *Problem: this is the second visit of a tree blob, which
	// could not be walked. What lies below it is not known.
	Err error
}

// ErrIncomplete is returned by a walk that met problems and went on: there may
// be blobs in need that it did not visit, so nothing may be deleted for its
// sake.
var ErrIncomplete = errors.New("not all of a tree could be walked")

// Problem is a tree blob that is missing, damaged, or not what its parent says.
type Problem struct {
	Path string
	ID   index.ID
	Err  error
}

func (p *Problem) Error() string {
	return fmt.Sprintf("/%s: tree blob %s: %v", p.Path, p.ID.Short(), p.Err)
}

func (p *Problem) Unwrap() error { return p.Err }

// Walk visits the blobs that the tree below root needs. For each reference to a
// tree blob it asks seen, which says whether it was asked before and marks it;
// if so that blob and what is below it are left out. Data blobs are visited once
// for each place they stand in. A directory's tree blob is visited before what is
// below it; otherwise the order is not defined.
//
// An error of visit ends the walk and is returned. A tree blob that cannot be
// walked is visited again with Err set; if visit returns nil for that, the walk
// goes on, and returns ErrIncomplete at its end. It was marked then; who wants to
// hear of it in every place that needs it takes the mark away.
func Walk(ctx context.Context, l tree.Loader, root *tree.Node, seen func(index.ID) bool, visit func(Use) error) error {
	w := walker{ctx: ctx, loader: l, seen: seen, visit: visit}
	if err := w.node("", 0, root); err != nil {
		return err
	}
	for len(w.dirs) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		last := len(w.dirs) - 1
		d := w.dirs[last]
		w.dirs = w.dirs[:last]
		if err := w.dirPage(&d); err != nil {
			return err
		}
	}
	if w.problems > 0 {
		return fmt.Errorf("%w: %d pages", ErrIncomplete, w.problems)
	}
	return nil
}

type walker struct {
	ctx      context.Context
	loader   tree.Loader
	seen     func(index.ID) bool
	visit    func(Use) error
	dirs     []pending // pages to walk, the next one last
	scratch  tree.Node // scratch
	problems int
}

// pending is a directory's page that is yet to be walked. The walk keeps these
// on its own stack: at most the references of one page for each page above, so
// that depth costs memory in proportion to what was read.
type pending struct {
	path         string // of the directory
	depth        int
	ref          tree.Dir
	first, limit string // bounds of names, see tree.DirPage.Fits
}

// problem visits a tree blob that cannot be walked.
func (w *walker) problem(u Use, err error) error {
	if ctxErr := w.ctx.Err(); ctxErr != nil {
		return ctxErr // the blob may be sound
	}
	w.problems++
	u.Err = &Problem{u.Path, u.ID, err}
	return w.visit(u)
}

func (w *walker) dirPage(d *pending) error {
	if w.seen(d.ref.ID) {
		return nil
	}
	u := Use{Kind: index.Tree, ID: d.ref.ID, Path: d.path}
	if err := w.visit(u); err != nil {
		return err
	}
	page, err := w.loadDir(d)
	if err != nil {
		return w.problem(u, err)
	}
	begin := len(w.dirs)
	for i := range page.Len() {
		if page.Level() > 0 {
			r := page.Ref(i)
			limit := d.limit
			if i+1 < page.Len() {
				limit = page.Name(i + 1)
			}
			w.dirs = append(w.dirs, pending{d.path, d.depth, r.Dir, r.First, limit})
			continue
		}
		if err := page.Decode(i, &w.scratch); err != nil {
			// The other nodes may be sound.
			if err := w.problem(u, err); err != nil {
				return err
			}
			continue
		}
		n := &w.scratch
		path := ""
		if n.Type == tree.Directory || len(n.Content.Parts) > 0 || n.Content.Pages.Parts > 0 {
			path = join(d.path, n.Name)
		}
		if err := w.node(path, d.depth+1, n); err != nil {
			return err
		}
	}
	slices.Reverse(w.dirs[begin:])
	return nil
}

func (w *walker) loadDir(d *pending) (*tree.DirPage, error) {
	if d.depth > tree.MaxDepth {
		return nil, fmt.Errorf("%w: more than %d directories deep", tree.ErrInvalid, tree.MaxDepth)
	}
	b, err := w.loader.Blob(w.ctx, index.Tree, d.ref.ID)
	if err != nil {
		return nil, err
	}
	page, err := tree.ParseDirPage(b)
	if err != nil {
		return nil, err
	}
	return page, page.Fits(&d.ref, d.first, d.limit)
}

// node visits a node's blobs, or puts its directory on the stack.
func (w *walker) node(path string, depth int, n *tree.Node) error {
	switch {
	case n.Type == tree.Directory && n.Dir.Entries > 0:
		w.dirs = append(w.dirs, pending{path: path, depth: depth, ref: n.Dir})
	case n.Content.Pages.Parts > 0:
		p := n.Content.Pages
		return w.contentPage(path, 0, p.Level, p.Ref(n.Size))
	}
	var off uint64
	for _, p := range n.Content.Parts {
		if err := w.part(path, off, p); err != nil {
			return err
		}
		off += p.Length
	}
	return nil
}

func (w *walker) part(path string, off uint64, p tree.Part) error {
	if p.IsHole() {
		return nil
	}
	return w.visit(Use{Kind: index.Data, ID: p.ID, Path: path, Offset: off, Length: p.Length})
}

// contentPage recurses at most tree.MaxLevel deep.
func (w *walker) contentPage(path string, off uint64, level uint32, ref tree.PartRef) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.seen(ref.ID) {
		return nil
	}
	u := Use{Kind: index.Tree, ID: ref.ID, Path: path, Offset: off, Length: ref.Bytes}
	if err := w.visit(u); err != nil {
		return err
	}
	page, err := w.loadContent(level, ref)
	if err != nil {
		return w.problem(u, err)
	}
	for i := range page.Len() {
		at := off + page.Offset(i)
		if level == 0 {
			err = w.part(path, at, page.Part(i))
		} else {
			err = w.contentPage(path, at, level-1, page.Ref(i))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) loadContent(level uint32, ref tree.PartRef) (*tree.ContentPage, error) {
	b, err := w.loader.Blob(w.ctx, index.Tree, ref.ID)
	if err != nil {
		return nil, err
	}
	page, err := tree.ParseContentPage(b)
	if err != nil {
		return nil, err
	}
	return page, page.Fits(level, ref)
}

func join(dir, name string) string {
	if dir == "" {
		// The name is the page's memory; a path may be kept for long.
		return strings.Clone(name)
	}
	return dir + "/" + name
}
