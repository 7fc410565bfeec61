package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"garret/index"
)

// firstWalk walks the trees of all snapshots, each tree blob once, and marks
// what they need. It reports no losses: what seems lost may only have moved,
// and which snapshots and paths share it is found out by lossWalk.
func (c *checker) firstWalk(ctx context.Context) error {
	seen := func(id index.ID) bool {
		n, ok := c.set.Ordinal(id)
		return ok && c.visited.set(n)
	}
	visit := func(u Use) error {
		n, ok := c.set.Ordinal(u.ID)
		switch {
		case u.Err != nil || !ok:
			c.broken.Store(true)
		case u.Kind == index.Data:
			c.needed.set(n)
		}
		return nil
	}
	for _, s := range c.snapshots {
		if err := c.Walk(ctx, checkBlobs{c}, s.root, seen, visit); err != nil {
			if stop := fatal(ctx, err); stop != nil {
				return stop
			}
			c.broken.Store(true)
		}
	}
	return nil
}

// checkBlobs reads blobs of trees for a walk. Unlike a Reader it reports every
// copy that it finds damaged, even if another one is sound.
type checkBlobs struct{ c *checker }

func (b checkBlobs) Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error) {
	data, gone, err := b.c.copies(ctx, kind, id)
	for range maxRounds {
		if !gone || !b.c.settling {
			break
		}
		// A pack went away after it was listed: its live blobs have moved.
		if err := b.c.listAgain(ctx); err != nil {
			return nil, err
		}
		data, gone, err = b.c.copies(ctx, kind, id)
	}
	return data, err
}

// copies tries the copies of a blob. gone says that one could not be read
// because its pack is not there any more.
func (c *checker) copies(ctx context.Context, kind index.Kind, id index.ID) (data []byte, gone bool, err error) {
	ok := false
	c.set.Lookup(id, func(at index.Location) bool {
		p := c.packs[at.Pack]
		if at.Kind != kind || p == nil || (p.size == absent && !p.healed) {
			return true
		}
		var lent []byte
		var giveBack func()
		lent, giveBack, err = c.reader.copyOf(ctx, id, at)
		switch {
		case err == nil:
			data, ok = bytes.Clone(lent), true
			giveBack()
			return false
		case ctx.Err() != nil:
			return false
		case missing(err):
			gone = true
		default:
			c.badFrame(p, &placedFrame{storedFrame: storedFrame{ordinal: at.Frame, offset: at.Offset, length: at.Length, ids: []index.ID{id}}}, err)
		}
		return true
	})
	switch {
	case ctx.Err() != nil:
		return nil, false, ctx.Err()
	case ok:
		return data, false, nil
	}
	return nil, gone, fmt.Errorf("%v blob %s is %w: %s", kind, id.Short(), ErrLost, c.cause(kind, id))
}

// cause says why no copy of a blob is left, and remembers the packs that lost
// it.
func (c *checker) cause(kind index.Kind, id index.ID) string {
	why := ""
	c.set.Lookup(id, func(at index.Location) bool {
		p := c.packs[at.Pack]
		if at.Kind != kind || p == nil {
			return true
		}
		if c.settling {
			p.loss = true
		}
		switch {
		case why != "":
		case p.size == absent:
			why = fmt.Sprintf("pack %v is missing", p.ID)
		case p.size < int64(at.Offset)+int64(at.Length):
			why = fmt.Sprintf("pack %v ends before it", p.ID)
		default:
			why = fmt.Sprintf("it is damaged in pack %v", p.ID)
		}
		return true
	})
	if why == "" {
		why = "no index segment lists it"
		if c.settling {
			c.unlisted.Store(true)
		}
	}
	return why
}

// lists reports whether the index has that copy of a blob.
func (c *checker) lists(id index.ID, copy index.Location) (found bool) {
	c.set.Lookup(id, func(at index.Location) bool {
		found = at == copy
		return !found
	})
	return found
}

// errForgotten ends the walk of a snapshot that is not there any more.
var errForgotten = errors.New("the snapshot was removed meanwhile")

// maxPlaces bounds how often the damaged directories of one snapshot are
// walked again: forged trees can refer to one in 2^40 places.
const maxPlaces = 1 << 20

// lossWalk walks the trees of all snapshots once more, when something is lost,
// and reports losses by snapshot, path and range.
//
// It walks a tree blob again wherever it is referred to if something is lost
// below it, and only then; so the time it takes grows with the damage and not
// with the number of snapshots. That works because the walk is depth-first:
// when a tree blob is asked for again, all that is below it has been visited,
// and whatever was lost there has marked it. stack holds the tree blobs that
// the place of the walk may be below, by their paths.
type lossWalk struct {
	c              *checker
	visited, dirty *marks
	stack          []openTree

	snap    *rootOf
	places  int
	told    bool // something was reported of this snapshot
	pending *Problem
	first   error // of pending
	blobs   int   // in pending
}

type openTree struct {
	path    string
	ordinal uint64
	indexed bool
}

func (c *checker) findLosses(ctx context.Context) error {
	w := &lossWalk{c: c, visited: c.newMarks(), dirty: c.newMarks()}
	for i := range c.snapshots {
		if err := w.walk(ctx, &c.snapshots[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *lossWalk) walk(ctx context.Context, snap *rootOf) error {
	w.snap, w.stack, w.places, w.told, w.pending = snap, w.stack[:0], 0, false, nil
	err := w.c.Walk(ctx, checkBlobs{w.c}, snap.root, w.seen, func(u Use) error { return w.visit(ctx, u) })
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	w.flush()
	w.c.skipped.places += max(0, w.places-maxPlaces)
	if err == nil || w.told || errors.Is(err, errForgotten) {
		return nil
	}
	// The walk did not come far enough to visit anything.
	here, statErr := w.here(ctx)
	if here {
		w.c.unwalked.Store(true)
		w.c.problem(Problem{Object: snapshotName(snap.id), Snapshot: snap.id, Err: err})
	}
	return statErr
}

// here reports whether the snapshot is still there.
func (w *lossWalk) here(ctx context.Context) (bool, error) {
	name := snapshotName(w.snap.id)
	_, err := w.c.r.backend.Size(ctx, name)
	if missing(err) {
		_, err = w.c.r.backend.Size(ctx, secondCopy(name))
	}
	return !missing(err), fatal(ctx, err)
}

func (w *lossWalk) seen(id index.ID) bool {
	n, ok := w.c.set.Ordinal(id)
	if !ok || !w.visited.set(n) {
		return false
	}
	if !w.dirty.has(n) {
		return true
	}
	w.places++
	return w.places > maxPlaces
}

func (w *lossWalk) visit(ctx context.Context, u Use) error {
	for len(w.stack) > 0 && !inside(u.Path, w.stack[len(w.stack)-1].path) {
		w.stack = w.stack[:len(w.stack)-1]
	}
	n, ok := w.c.set.Ordinal(u.ID)
	if u.Kind == index.Tree {
		if u.Err == nil {
			if ok {
				w.c.needs(index.Tree, u.ID, n)
			}
			w.stack = append(w.stack, openTree{u.Path, n, ok})
			return nil
		}
		w.c.unwalked.Store(true)
		return w.lost(ctx, u)
	}
	if ok {
		w.c.needs(index.Data, u.ID, n)
		if w.c.sound[index.Data].has(n) {
			return nil
		}
	}
	return w.lost(ctx, u)
}

// lostBlob says what is wrong with a blob that is needed.
func (c *checker) lostBlob(u Use) error {
	err := fmt.Errorf("%v blob %s is %w: %s", u.Kind, u.ID.Short(), ErrLost, c.cause(u.Kind, u.ID))
	if u.Err != nil && !errors.Is(u.Err, ErrLost) { // it is there, but no tree
		inner := errors.Unwrap(u.Err) // without the path, which the problem has
		if inner == nil {
			inner = u.Err
		}
		err = fmt.Errorf("%v blob %s: %w", u.Kind, u.ID.Short(), inner)
	}
	if u.Kind == index.Tree && u.Length == 0 {
		err = fmt.Errorf("%w; so is what this directory, or a part of it, lists", err)
	}
	return err
}

// inside reports whether path is dir or below it.
func inside(path, dir string) bool {
	return dir == "" || path == dir || (len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir)
}

// lost reports one loss, or makes the one before longer.
func (w *lossWalk) lost(ctx context.Context, u Use) error {
	for _, t := range w.stack {
		if t.indexed {
			w.dirty.set(t.ordinal)
		}
	}
	if !w.told || u.Kind == index.Tree {
		// What is lost now was not there when the packs were listed. If the
		// snapshot is there now, it was there then.
		here, err := w.here(ctx)
		if err != nil {
			return err
		}
		if !here {
			return errForgotten
		}
	}
	w.told = true
	err := w.c.lostBlob(u)
	if p := w.pending; p != nil && p.Length > 0 && string(p.Path) == u.Path && p.Offset+p.Length == u.Offset {
		p.Length += u.Length
		w.blobs++
		return nil
	}
	w.flush()
	w.pending = &Problem{Snapshot: w.snap.id, Path: append([]byte{}, u.Path...), Offset: u.Offset, Length: u.Length}
	w.first, w.blobs = err, 1
	return nil
}

// flush reports the pending loss.
func (w *lossWalk) flush() {
	if w.pending == nil {
		return
	}
	w.pending.Err = w.first
	if w.blobs > 1 {
		w.pending.Err = fmt.Errorf("%d blobs are %w; the first: %w", w.blobs, ErrLost, w.first)
	}
	w.c.problem(*w.pending)
	w.pending = nil
}
