package diff

import (
	"fmt"
	"strings"

	"garret/fs/tree"
	"garret/index"
)

// maxHeld is how many bytes of pages the directories on the way down may hold
// before they are dropped and read again later.
const maxHeld = 32 << 20

// cursor goes through a directory: over nodes, and over pages that are not
// opened, whose nodes it then passes over.
type cursor struct {
	r     *run
	stack []frame // the top page is not in it until it is opened
	top   tree.DirRef
	taken bool // the top page is open, or passed over
}

// frame is an open page and where in it the cursor stands.
type frame struct {
	ref   tree.DirRef
	limit string // all its names are less, if it is not empty
	page  *tree.DirPage
	i     int
	len   int
}

// item is what a cursor stands at.
type item struct {
	end  bool
	page bool        // a page, else a node
	ref  tree.DirRef // of the page
	name string      // of the node, or of the page's first; empty for the top page
}

func (r *run) cursor(d tree.Dir) *cursor {
	return &cursor{r: r, top: tree.DirRef{Dir: d}, taken: d.Entries == 0}
}

func (c *cursor) item() (item, error) {
	if len(c.stack) == 0 {
		return item{end: c.taken, page: true, ref: c.top}, nil
	}
	f := &c.stack[len(c.stack)-1]
	if err := c.load(f); err != nil {
		return item{}, err
	}
	if f.page.Level() == 0 {
		return item{name: f.page.Name(f.i)}, nil
	}
	ref := f.page.Ref(f.i)
	return item{page: true, ref: ref, name: ref.First}, nil
}

// node returns the node that the cursor stands at.
func (c *cursor) node() (*tree.Node, error) {
	f := &c.stack[len(c.stack)-1]
	n, err := f.page.Node(f.i)
	if err != nil {
		return nil, fmt.Errorf("tree blob %s: %w", f.ref.ID.Short(), err)
	}
	return n, nil
}

// advance leaves the node, or the page with all that is in it.
func (c *cursor) advance() {
	for {
		if len(c.stack) == 0 {
			c.taken = true
			return
		}
		f := &c.stack[len(c.stack)-1]
		if f.i++; f.i < f.len {
			return
		}
		c.drop(f)
		c.stack = c.stack[:len(c.stack)-1]
	}
}

// open goes to the first entry of the page that the cursor stands at.
func (c *cursor) open() error {
	f := frame{ref: c.top}
	if n := len(c.stack); n > 0 {
		up := &c.stack[n-1]
		f.ref, f.limit = up.page.Ref(up.i), up.limit
		if up.i+1 < up.len {
			f.limit = up.page.Name(up.i + 1)
		}
		// Names are the page's memory, which may be dropped.
		f.ref.First, f.limit = strings.Clone(f.ref.First), strings.Clone(f.limit)
	}
	if err := c.load(&f); err != nil {
		return err
	}
	c.stack = append(c.stack, f)
	return nil
}

// load reads a page, unless the frame has it.
func (c *cursor) load(f *frame) error {
	if f.page != nil {
		return nil
	}
	b, err := c.r.loader.Blob(c.r.ctx, index.Tree, f.ref.ID)
	if err != nil {
		return err
	}
	c.r.stats.Pages++
	p, err := tree.ParseDirPage(b)
	if err == nil {
		err = p.Fits(&f.ref.Dir, f.ref.First, f.limit)
	}
	if err != nil {
		return fmt.Errorf("tree blob %s: %w", f.ref.ID.Short(), err)
	}
	f.page, f.len = p, p.Len()
	c.r.held += p.MemSize()
	return nil
}

func (c *cursor) drop(f *frame) {
	if f.page != nil {
		c.r.held -= f.page.MemSize()
		f.page = nil
	}
}

// release drops the open pages; they are read again when they are needed.
func (c *cursor) release() {
	for i := range c.stack {
		c.drop(&c.stack[i])
	}
}
