package snapshot

import (
	"context"
	"fmt"

	"garret/fs/source"
	"garret/fs/tree"
	"garret/fs/view"
	"garret/index"
)

// matcher is the second stage: it decides where each file's content comes from.
type matcher struct {
	o     *Options
	links *links
	in    <-chan *batch
	out   chan<- *batch
	read  chan<- *entry

	stack []matchLevel
	depth int
}

// matchLevel is a directory on the way down. Levels are used again for the
// memory of their cursors.
type matchLevel struct {
	dir     *source.Dir // nil for one that is not entered
	cursors []cursor    // one for each parent that has the directory
	n       int
}

func (m *matcher) run(ctx context.Context) error {
	defer close(m.out)
	defer close(m.read)
	for {
		var b *batch
		var ok bool
		select {
		case b, ok = <-m.in:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !ok {
			return nil
		}
		for i := range b.n {
			if err := m.match(ctx, &b.entries[i]); err != nil {
				return err
			}
		}
		if err := m.pass(ctx, b); err != nil {
			return err
		}
	}
}

// pass sends a batch on, and its files to the readers. The batch goes first:
// otherwise readers could fill their rings with files that assemble does not
// know of, and all would wait for each other. Assemble may be done with an
// entry, and scan filling it in again, as soon as its file has been sent; so
// what is to be read is looked up before.
func (m *matcher) pass(ctx context.Context, b *batch) error {
	var files [batchEntries]*entry
	n := 0
	for i := range b.n {
		if e := &b.entries[i]; e.op == opFile && e.how == fromReader {
			files[n] = e
			n++
		}
	}
	select {
	case m.out <- b:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, e := range files[:n] {
		select {
		case m.read <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (m *matcher) match(ctx context.Context, e *entry) error {
	switch e.op {
	case opEnter:
		return m.enter(ctx, e)
	case opLeave:
		m.depth--
		if l := &m.stack[m.depth]; l.dir != nil {
			l.dir.Close()
			l.dir = nil
		}
	case opFile:
		return m.file(ctx, e)
	}
	return nil
}

// push returns the next level, with no cursors.
func (m *matcher) push() *matchLevel {
	if m.depth == len(m.stack) {
		m.stack = append(m.stack, matchLevel{})
	}
	l := &m.stack[m.depth]
	m.depth++
	l.n = 0
	return l
}

// cursor adds one to the level.
func (l *matchLevel) cursor(p *Parent, dir view.Entry) {
	if l.n == len(l.cursors) {
		l.cursors = append(l.cursors, cursor{})
	}
	l.cursors[l.n].reset(p, dir)
	l.n++
}

// enter opens a directory in the parents that have it.
func (m *matcher) enter(ctx context.Context, e *entry) error {
	l := m.push()
	l.dir, e.dir = e.dir, nil
	if m.depth == 1 {
		for p := m.o.Parent; p != nil; p = p.Older {
			l.cursor(p, p.Tree.Root())
		}
		return nil
	}
	up := &m.stack[m.depth-2]
	for i := range up.n {
		c := &up.cursors[i]
		prior, ok, err := c.find(ctx, e.node.Name)
		if err := m.lookupFailed(ctx, e, err); err != nil {
			return err
		}
		if ok && prior.Type == tree.Directory {
			l.cursor(c.parent, prior)
		}
	}
	return nil
}

// lookupFailed notes that a parent's tree could not be read, which makes work
// but loses nothing. It returns the context's error.
func (m *matcher) lookupFailed(ctx context.Context, e *entry, err error) error {
	if err != nil && ctx.Err() == nil {
		e.lookup = fmt.Errorf("%w: %w", ErrParentTree, err)
	}
	return ctx.Err()
}

// file decides about one file. Several parents may know it: any that has it as
// it is will do.
func (m *matcher) file(ctx context.Context, e *entry) error {
	l := &m.stack[m.depth-1]
	if !e.special {
		m.links.meet(e)
	}
	for i := range l.n {
		c := &l.cursors[i]
		prior, ok, err := c.find(ctx, e.node.Name)
		if err := m.lookupFailed(ctx, e, err); err != nil {
			return err
		}
		if ok && prior.Type == tree.Regular && e.before == nil {
			e.before = prior.Node
		}
		if e.how != fromReader || e.special {
			continue
		}
		if ok && m.o.Detection.unchanged(&e.stat, e.device, prior.Node, c.parent) {
			ok, err := m.usable(ctx, c.parent, prior)
			if err := m.lookupFailed(ctx, e, err); err != nil {
				return err
			}
			if ok {
				m.take(e, prior, c.parent, l.dir)
			}
		} else if !ok && c.parent.Partial && e.resume == 0 {
			if err := m.resume(ctx, e, c); err != nil {
				return err
			}
		}
	}
	switch {
	case e.how == fromReader && m.o.DryRun:
		e.how = fromNobody
	case e.how == fromReader, e.how == fromLink: // that may have to be read after all
		e.from = l.dir
		e.from.Retain()
		if e.resume > 0 { // so may this one, once more
			e.from.Retain()
		}
	}
	return nil
}

// resume looks for the beginning of a file that a run did not get to the end of.
// What size the file had is not known any more, so its change time must be the
// same whatever Detection says.
func (m *matcher) resume(ctx context.Context, e *entry, c *cursor) error {
	prior, ok := c.unfinished(e.node.Name)
	if !ok || prior.Type != tree.Regular || prior.Size == 0 || prior.Size > e.stat.Size || len(prior.Content.Inline) > 0 ||
		prior.ChangeTime != e.stat.ChangeTime || !m.o.Detection.same(&e.stat, e.device, prior.Node, c.parent) {
		return nil
	}
	ok, err := m.usable(ctx, c.parent, prior)
	if ok {
		e.prior, e.parent, e.resume = prior, c.parent, prior.Size
	}
	return m.lookupFailed(ctx, e, err)
}

// take gives a file the content that it had. While the change time is the same,
// so are its attributes; otherwise they are read.
func (m *matcher) take(e *entry, prior view.Entry, p *Parent, dir *source.Dir) {
	e.how, e.prior, e.parent, e.resume = fromParent, prior, p, 0
	if prior.Content.Pages != (tree.Pages{}) { // assemble may want it read after all
		e.from = dir
		dir.Retain()
	}
	e.node.Content, e.node.Digest = prior.Content, prior.Digest
	if prior.ChangeTime == e.stat.ChangeTime {
		e.node.Xattrs = prior.Xattrs
		e.node.Flags |= source.UnseenFlags(prior.Flags)
		return
	}
	if m.o.DryRun {
		return
	}
	f, err := dir.OpenFile(e.name)
	if err != nil {
		e.problem = err
		return
	}
	defer f.Close()
	attributes(e, f)
}

// usable reports whether every blob of a file may be relied on.
func (m *matcher) usable(ctx context.Context, p *Parent, prior view.Entry) (bool, error) {
	c := &prior.Content
	for i := range c.Parts {
		if !c.Parts[i].IsHole() && !m.o.Store.Has(index.Data, c.Parts[i].ID) {
			return false, nil
		}
	}
	if c.Pages == (tree.Pages{}) {
		return true, nil
	}
	// The pages themselves are made anew by assemble.
	all := true
	err := p.Tree.Parts(ctx, prior, 0, func(_ uint64, part tree.Part) bool {
		all = part.IsHole() || m.o.Store.Has(index.Data, part.ID)
		return all
	})
	return all && err == nil, err
}
