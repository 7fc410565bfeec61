package view

import (
	"sync/atomic"

	"garret/fs/tree"
)

// Options tunes a Tree; the zero value is fine.
type Options struct {
	// PageCache bounds the tree's own cache of parsed pages, bytes; 0 means
	// DefaultPageCache.
	PageCache int64
	// Pages is a cache to share with other trees instead; the trees must have
	// the same repository. PageCache is not used then.
	Pages *PageCache
}

// DefaultPageCache is the size of a tree's own page cache, bytes: the metadata
// of some 150,000 files.
const DefaultPageCache = 32 << 20

// Tree is one stored tree. It is safe for concurrent use.
type Tree struct {
	loader tree.Loader
	root   *tree.Node
	pages  *PageCache
	hints  atomic.Pointer[hintTable] // nil until a look-up by position has ended in a page
}

// Entry is a node and where it stands in the tree.
type Entry struct {
	Pos        uint64 // in pre-order; 0 for the root
	Parent     uint64 // position of the directory that holds it; 0 for the root
	*tree.Node        // shared: read-only
}

// New returns the tree below root, which must be a valid node and is not
// modified. Nothing is loaded yet.
func New(l tree.Loader, root *tree.Node, o Options) *Tree {
	if o.Pages == nil {
		if o.PageCache <= 0 {
			o.PageCache = DefaultPageCache
		}
		o.Pages = NewPageCache(o.PageCache)
	}
	return &Tree{loader: l, root: root, pages: o.Pages}
}

// Root returns the root's entry.
func (t *Tree) Root() Entry { return Entry{Node: t.root} }

// Len returns the number of entries: positions are less than it.
func (t *Tree) Len() uint64 { return 1 + t.root.Dir.Total }
