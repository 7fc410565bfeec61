package snapshot

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"garret/fs/source"
	"garret/fs/tree"
)

// dirWalk goes through the entries of one directory. It holds the directory's
// descriptor, but not while it is further down.
type dirWalk struct {
	s     *scanner
	d     *source.Dir
	where region

	fd     int
	pinned bool
}

func (w *dirWalk) pin() (err error) {
	if !w.pinned {
		w.fd, err = w.d.Pin()
		w.pinned = err == nil
	}
	return err
}

func (w *dirWalk) unpin() {
	if w.pinned {
		w.d.Unpin()
		w.pinned = false
	}
}

// entry sends the entry of that name, with everything below it. More is false
// when the directory itself is lost.
func (w *dirWalk) entry(ctx context.Context, name source.Name) (more bool, err error) {
	s := w.s
	if err := w.pin(); err != nil {
		return false, s.warn(ctx, problem{path: string(s.path), err: err, lost: true})
	}
	if len(s.avoid) > 0 && w.avoided(name) {
		return true, w.exclude(ctx, name, ByRepository)
	}
	e, err := s.out.slot(ctx)
	if err != nil {
		return false, err
	}
	at := w.where.place.child(name.String())
	f, err := w.look(name, at)
	if err != nil {
		if at == nil && vanished(err) {
			err = fmt.Errorf("%w: %w", ErrGone, err)
		}
		return true, s.lost(ctx, name.String(), err)
	}
	if f.st.IsSocket() {
		return true, w.exclude(ctx, name, BySocket)
	}
	if _, ok := f.st.Type(); !ok {
		return true, s.lost(ctx, name.String(), ErrType)
	}
	s.describe(e, name, &f.st, s.device(w.fd, name, &f.st))
	verdict, reason := w.verdict(e, at)
	if verdict == Prune && f.st.IsDir() && at != nil && len(at.children) > 0 {
		verdict, f.below.whole = Exclude, false // of what is below, another source is meant
	}
	if verdict == Prune || verdict == Exclude && !f.st.IsDir() {
		return true, w.excluded(ctx, e, reason)
	}
	if f.st.IsDir() {
		return true, w.directory(ctx, e, f, verdict == Exclude)
	}
	e.op = opFile
	if f.special {
		e.special = true
		e.node.Type, e.node.Rdev = tree.Regular, 0
		e.node.Links, e.stat.Links = 1, 1 // its names are read one by one
	} else if f.st.Mode&unix.S_IFMT != unix.S_IFREG {
		return true, w.other(ctx, e)
	}
	return true, s.out.commit(ctx)
}

// found is what an entry turns out to be.
type found struct {
	st      source.Stat // of what is stored, be it behind a symbolic link
	below   region
	through bool // a symbolic link that is stored as the directory behind it
	special bool // a device or FIFO that is stored as what it delivers
	problem error
}

// look asks for an entry's metadata, and follows a symbolic link where that is
// meant.
func (w *dirWalk) look(name source.Name, at *place) (f found, err error) {
	f.below = region{whole: w.where.whole, place: at, dev: w.where.dev}
	if err := source.StatAt(w.fd, name, &f.st); err != nil {
		return f, err
	}
	if at != nil {
		f.below.whole = f.below.whole || at.whole
	}
	var st source.Stat
	if f.st.IsSymlink() && at != nil && (at.follow || len(at.children) > 0) {
		if err := source.StatThrough(w.fd, name, &st); err != nil {
			return f, err
		}
		if st.IsDir() {
			f.st, f.through = st, true
			if f.below.whole && !at.follow {
				f.below.whole = false
				f.problem = ErrThrough
			}
		}
	}
	if at != nil && at.whole {
		f.below.dev = f.st.Dev
	}
	if w.s.o.ReadSpecial && (w.where.whole || at.meant()) {
		switch {
		case f.st.Readable():
			f.special = true
		case f.st.IsSymlink() && source.StatThrough(w.fd, name, &st) == nil && st.Readable():
			f.st, f.special = st, true
		}
	}
	return f, nil
}

// excluded sends an entry that is left out for a reason of the options.
func (w *dirWalk) excluded(ctx context.Context, e *entry, why Reason) error {
	e.op, e.reason, e.path = opExcluded, why, string(w.s.path)+e.node.Name
	return w.s.out.commit(ctx)
}

// other sends a symbolic link, FIFO or device.
func (w *dirWalk) other(ctx context.Context, e *entry) error {
	e.op = opOther
	var err error
	if e.stat.IsSymlink() {
		if e.node.Target, err = source.ReadlinkAt(w.fd, e.name); err != nil {
			return w.s.lost(ctx, e.node.Name, err)
		}
	}
	e.node.Xattrs, e.problem = source.XattrsAt(w.fd, e.name)
	return w.s.out.commit(ctx)
}

// directory sends a directory unless a boundary keeps the walk out of it, or a
// tag says that it is not wanted. It gives up the parent's descriptor.
func (w *dirWalk) directory(ctx context.Context, e *entry, f found, drop bool) error {
	s, name := w.s, e.name
	if s.depth >= tree.MaxDepth-1 { // only a file system that makes itself up is so deep
		return s.hollow(ctx, e, ErrTooDeep)
	}
	why := w.boundary(e.device, &e.stat, f.below)
	if why != nil && f.below.place == nil {
		return s.hollow(ctx, e, why)
	}
	open := w.d.Open
	if f.through || !f.below.whole {
		open = w.d.OpenThrough
	}
	d, err := open(name)
	if err != nil {
		return s.lost(ctx, name.String(), err)
	}
	defer d.Close()
	dev := s.devices[d.Stat.Dev]
	if dev == nil { // an automounter has mounted it just now
		fd, err := d.Pin()
		if err != nil {
			return s.lost(ctx, name.String(), err)
		}
		dev = s.device(fd, source.Name{}, &d.Stat)
		d.Unpin()
		if why = w.boundary(dev, &d.Stat, f.below); why != nil && f.below.place == nil {
			s.describe(e, name, &d.Stat, dev)
			return s.hollow(ctx, e, why)
		}
	}
	if why != nil { // of what is in it, only the sources are meant
		f.below.whole = false
		p := problem{path: string(s.path) + name.String(), err: why, notice: true, reason: ByFileSystem}
		if err := s.warn(ctx, p); err != nil {
			return err
		}
	}
	if f.below.whole && !s.o.KeepTags && len(s.tags(d)) > 0 {
		if f.below.place == nil || len(f.below.place.children) == 0 {
			return w.excluded(ctx, e, ByTag)
		}
		f.below.whole = false
	}
	if f.problem != nil {
		if err := s.warn(ctx, problem{path: string(s.path) + name.String(), err: f.problem}); err != nil {
			return err
		}
	}
	w.unpin()
	return s.inside(ctx, d, name, dev, f.below, drop)
}

// boundary returns why the walk stays out of a directory, nil when it does not.
// It never stays out of what was asked for by name, nor of the way there.
func (w *dirWalk) boundary(dev *device, st *source.Stat, below region) error {
	switch {
	case !below.whole || below.place.meant() || st.Dev == w.d.Stat.Dev:
		return nil
	case dev.system.Pseudo:
		return ErrPseudo
	case w.s.o.OneFileSystem && st.Dev != below.dev:
		return ErrFileSystem
	}
	return nil
}
