package snapshot

import (
	"context"

	"garret/fs/tree"
)

// file stores a regular file.
func (a *assembler) file(ctx context.Context, e *entry) error {
	if e.forget != nil {
		defer a.links.forgotten(e.forget)
	}
	switch e.how {
	case fromLink:
		if a.linked(e) {
			return a.done(ctx, e, Link)
		}
	case fromNobody:
		return a.done(ctx, e, WouldRead)
	case fromParent:
		if ok, err := a.unmodified(ctx, e); err != nil {
			return err
		} else if ok {
			return a.done(ctx, e, Unchanged)
		}
	}
	if err := a.take(ctx, e); err != nil {
		return err
	}
	if e.opened {
		a.stats.FilesRead++
	}
	if e.failed != nil {
		a.stats.Errors++
		a.warn(a.entryPath(e), e.failed, false)
		a.item(e, Failed)
		return nil
	}
	status := Added
	if e.before != nil {
		status = Modified
		if sameFile(&e.node, e.before) {
			status = Unchanged
		}
	}
	if e.changed != nil {
		a.warn(a.entryPath(e), e.changed, false)
		status = Changed
	}
	return a.done(ctx, e, status)
}

// done adds a file that is complete.
func (a *assembler) done(ctx context.Context, e *entry, s Status) error {
	a.problem(e)
	switch {
	case s == Unchanged && e.how == fromReader:
		a.stats.Same++
	case s == Unchanged:
		a.stats.Unmodified++
	case s == Link:
		a.stats.Linked++
	case e.before != nil:
		a.stats.Modified++
	default:
		a.stats.New++
	}
	if s == Changed {
		a.stats.Changed++
	}
	if p := a.o.Progress; p != nil && (e.how != fromReader || len(e.node.Content.Inline) > 0) {
		p.Bytes.Add(e.node.Size)
	}
	// Only what is surely the inode's content, at the time of the link's
	// metadata, is good for its other names.
	if k := e.link; k != nil && !k.ok && e.changed == nil && e.stat.SameVersion(&k.stat) {
		a.links.fill(k, &e.node)
	}
	return a.add(ctx, e, s)
}

// linked gives a file the content that another name of it has brought. It
// returns false when that one could not be read as it was, and then has this
// one read.
func (a *assembler) linked(e *entry) bool {
	if e.link.ok || a.o.DryRun {
		e.link.copyTo(&e.node)
		e.from.Close()
		return true
	}
	e.how = fromReader
	a.again(e)
	return false
}

// piece stores a chunk and gives its memory back.
func (a *assembler) piece(ctx context.Context, e *entry, p *piece) error {
	if p.hashing != nil {
		var err error
		if p.part.ID, err = p.hashing.wait(ctx, p.nth); err != nil {
			return err
		}
	}
	a.taking.progress += p.part.Length
	if prog := a.o.Progress; prog != nil {
		prog.Bytes.Add(p.part.Length)
		prog.BytesRead.Add(uint64(len(p.data)))
	}
	if p.part.IsHole() {
		return nil
	}
	a.stats.BytesRead += uint64(len(p.data))
	if err := a.putData(ctx, p.large, p.part.ID, p.data); err != nil {
		return a.storeError(e.name.String(), err)
	}
	p.ring.release(p.release)
	return nil
}

// unmodified completes a file whose content is the parent's. A content list on
// pages goes through the builder again: the same parts make the same pages,
// which thereby are stored if they were not to be relied on any more. It
// returns false when that fails, and then has the file read.
func (a *assembler) unmodified(ctx context.Context, e *entry) (ok bool, err error) {
	if e.from == nil {
		return true, nil
	}
	if a.o.DryRun {
		e.from.Close()
		return true, nil
	}
	var failed error
	err = e.parent.Tree.Parts(ctx, e.prior, 0, func(_ uint64, p tree.Part) bool {
		failed = a.content.Add(ctx, p)
		return failed == nil
	})
	if failed != nil {
		return false, a.storeError(e.name.String(), failed)
	}
	if err == nil {
		e.from.Close()
		e.node.Content, err = a.content.Finish(ctx)
		return true, a.storeError(e.name.String(), err)
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	a.content.Reset()
	e.how, e.parent, e.node.Content, e.node.Digest = fromReader, nil, tree.Content{}, nil
	a.again(e)
	return false, nil
}
