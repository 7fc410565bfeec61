package snapshot

import (
	"bytes"
	"context"
	"slices"

	"garret/fs/tree"
)

// sameFile reports whether a file that was read is what it was in the parent,
// which needs a look into the source to be sure of.
func sameFile(n, before *tree.Node) bool {
	return n.Mode == before.Mode && n.UID == before.UID && n.GID == before.GID && n.Size == before.Size &&
		n.ModTime == before.ModTime && n.ChangeTime == before.ChangeTime &&
		bytes.Equal(n.Content.Inline, before.Content.Inline) && slices.Equal(n.Content.Parts, before.Content.Parts) &&
		n.Content.Pages == before.Content.Pages
}

// taking is how far the file is that a reader is sending.
type taking struct {
	begun    *tree.Node // its metadata, of one that takes a while
	parts    int
	first    tree.Part // most files have one part, which needs no builder
	progress uint64    // bytes that have been counted
}

// take stores the content that a reader sends.
func (a *assembler) take(ctx context.Context, e *entry) error {
	a.taking = taking{}
	if e.how == fromReader && e.parent != nil {
		if err := a.beginning(ctx, e); err != nil {
			return err
		}
	}
	for {
		if err := a.pause(ctx); err != nil {
			return err
		}
		p, err := a.next(ctx, e)
		switch {
		case err != nil:
			return err
		case p.last:
			return a.taken(ctx, e)
		case p.begun != nil:
			a.taking.begun = p.begun
		case p.notice != nil:
			a.warn(a.entryPath(e), p.notice, true)
		case p.restart:
			a.restart()
		default:
			if err := a.piece(ctx, e, &p); err != nil {
				return err
			}
			if err := a.part(ctx, e, p.part); err != nil {
				return err
			}
		}
	}
}

// next waits for the file's next piece, and makes checkpoints meanwhile.
func (a *assembler) next(ctx context.Context, e *entry) (p piece, err error) {
	select {
	case p = <-e.pieces:
		return p, nil
	default:
	}
	for {
		select {
		case p = <-e.pieces:
			return p, nil
		case <-a.o.Stop:
			return p, errStopped
		case <-a.timer:
			if err := a.checkpoint(ctx); err != nil {
				return p, err
			}
		case <-ctx.Done():
			return p, ctx.Err()
		}
	}
}

// part adds one to the file's content.
func (a *assembler) part(ctx context.Context, e *entry, p tree.Part) error {
	t := &a.taking
	switch t.parts++; t.parts {
	case 1:
		t.first = p
		return nil
	case 2:
		if err := a.content.Add(ctx, t.first); err != nil {
			return a.storeError(e.name.String(), err)
		}
	}
	return a.storeError(e.name.String(), a.content.Add(ctx, p))
}

// taken completes the content of a file.
func (a *assembler) taken(ctx context.Context, e *entry) error {
	t := a.taking
	a.taking = taking{}
	a.stats.BytesRead += uint64(len(e.node.Content.Inline))
	switch t.parts {
	case 0:
		return nil
	case 1:
		e.onePart[0] = t.first
		e.node.Content.Parts = e.onePart[:]
		return nil
	}
	var err error
	e.node.Content, err = a.content.Finish(ctx)
	return a.storeError(e.name.String(), err)
}

// restart drops what has come of a file. What is stored of it is stored; most
// of it will come again.
func (a *assembler) restart() {
	if p := a.o.Progress; p != nil {
		p.Bytes.Add(-a.taking.progress)
	}
	a.taking = taking{begun: a.taking.begun}
	a.content.Reset()
}

// beginning takes over the parts of an unfinished file; the reader goes on from
// their end. When they cannot be read, which they could when the file was
// matched, what the reader sends is of no use, and it is read once more.
func (a *assembler) beginning(ctx context.Context, e *entry) error {
	var failed error
	err := e.parent.Tree.Parts(ctx, e.prior, 0, func(_ uint64, p tree.Part) bool {
		failed = a.part(ctx, e, p)
		return failed == nil
	})
	if failed != nil || ctx.Err() != nil {
		return firstError(failed, ctx.Err())
	}
	if err == nil {
		e.from.Close()
		a.taking.progress = e.prior.Size
		if p := a.o.Progress; p != nil {
			p.Bytes.Add(e.prior.Size)
		}
		return nil
	}
	for {
		p, err := a.next(ctx, e)
		if err != nil {
			return err
		}
		if p.last {
			break
		}
		if p.hashing != nil {
			if _, err := p.hashing.wait(ctx, p.nth); err != nil {
				return err
			}
		}
		if p.ring != nil {
			p.ring.release(p.release)
		}
	}
	a.restart()
	a.taking = taking{}
	e.parent, e.resume, e.failed, e.changed, e.problem = nil, 0, nil, nil, nil
	e.node.Content = tree.Content{}
	a.again(e)
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
