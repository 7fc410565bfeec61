package snapshot

import (
	"context"

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
		return false, s.warn(ctx, string(s.path), err, false)
	}
	at := w.where.place.child(name.String())
	e, err := s.out.slot(ctx)
	if err != nil {
		return false, err
	}
	var st source.Stat
	if err := source.StatAt(w.fd, name, &st); err != nil {
		if vanished(err) && at == nil { // it was never there, as far as this snapshot goes
			return true, nil
		}
		return true, s.warn(ctx, string(s.path)+name.String(), err, false)
	}
	below := region{whole: w.where.whole, place: at, dev: w.where.dev}
	through := false
	if at != nil {
		below.whole = below.whole || at.whole
		if st.IsSymlink() && (at.follow || len(at.children) > 0) {
			through = true
			if err := source.StatThrough(w.fd, name, &st); err != nil {
				return true, s.warn(ctx, string(s.path)+name.String(), err, false)
			}
			if !st.IsDir() {
				through = false
				if err := source.StatAt(w.fd, name, &st); err != nil {
					return true, s.warn(ctx, string(s.path)+name.String(), err, false)
				}
			} else if below.whole && !at.follow {
				below.whole = false
				e.problem = ErrThrough
			}
		}
		if at.whole {
			below.dev = st.Dev
		}
	}
	if st.IsSocket() {
		return true, nil
	}
	if _, ok := st.Type(); !ok {
		return true, s.warn(ctx, string(s.path)+name.String(), ErrType, false)
	}
	dev := s.device(w.fd, name, &st)
	s.describe(e, name, &st, dev)
	verdict := w.verdict(e, at)
	if verdict == Prune && st.IsDir() && at != nil && len(at.children) > 0 {
		verdict, below.whole = Exclude, false // of what is below, another source is meant
	}
	if verdict == Prune || verdict == Exclude && !st.IsDir() {
		s.excluded++
		if s.o.Item == nil {
			return true, nil
		}
		e.op, e.path = opExcluded, string(s.path)+name.String()
		return true, s.out.commit(ctx)
	}
	if st.IsDir() {
		return true, w.directory(ctx, e, through, below, verdict == Exclude)
	}
	e.op = opFile
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return true, w.other(ctx, e)
	}
	return true, s.out.commit(ctx)
}

// verdict asks the callbacks. The directories above a source are not theirs to
// judge.
func (w *dirWalk) verdict(e *entry, at *place) Verdict {
	if w.s.o.Skip != nil && w.s.o.Skip(e.stat.Dev, e.stat.Ino) {
		return Prune
	}
	meant := w.where.whole || at != nil && at.whole
	if w.s.o.Filter == nil || !meant {
		return Include
	}
	return w.s.o.Filter(string(w.s.path)+e.node.Name, &e.node)
}

// other sends a symbolic link, FIFO or device.
func (w *dirWalk) other(ctx context.Context, e *entry) error {
	e.op = opOther
	var err error
	if e.stat.IsSymlink() {
		if e.node.Target, err = source.ReadlinkAt(w.fd, e.name); err != nil {
			if vanished(err) {
				return nil
			}
			return w.s.warn(ctx, string(w.s.path)+e.node.Name, err, false)
		}
	}
	e.node.Xattrs, e.problem = source.XattrsAt(w.fd, e.name)
	return w.s.out.commit(ctx)
}

// directory sends a directory unless a boundary keeps the walk out of it. It
// gives up the parent's descriptor.
func (w *dirWalk) directory(ctx context.Context, e *entry, through bool, below region, drop bool) error {
	s, name, problem := w.s, e.name, e.problem
	if s.depth >= tree.MaxDepth-1 { // only a file system that makes itself up is so deep
		return s.hollow(ctx, e, ErrTooDeep)
	}
	if hollow, why := w.boundary(e.device, &e.stat, below); hollow {
		return s.hollow(ctx, e, why)
	}
	if problem != nil {
		e.problem = nil
		if err := s.warn(ctx, string(s.path)+name.String(), problem, false); err != nil {
			return err
		}
	}
	open := w.d.Open
	if through || !below.whole {
		open = w.d.OpenThrough
	}
	d, err := open(name)
	if err != nil {
		if vanished(err) && below.place == nil {
			return nil
		}
		return s.warn(ctx, string(s.path)+name.String(), err, false)
	}
	defer d.Close()
	dev := s.devices[d.Stat.Dev]
	if dev == nil { // an automounter has mounted it just now
		fd, err := d.Pin()
		if err != nil {
			return s.warn(ctx, string(s.path)+name.String(), err, false)
		}
		dev = s.device(fd, source.Name{}, &d.Stat)
		d.Unpin()
		if hollow, why := w.boundary(dev, &d.Stat, below); hollow {
			if e, err = s.out.slot(ctx); err != nil {
				return err
			}
			s.describe(e, name, &d.Stat, dev)
			return s.hollow(ctx, e, why)
		}
	}
	w.unpin()
	return s.inside(ctx, d, name, dev, below, drop)
}

// boundary reports whether the walk stays out of a directory, and why if that
// deserves a notice. It never stays out of what was asked for by name.
func (w *dirWalk) boundary(dev *device, st *source.Stat, below region) (hollow bool, why error) {
	if below.place != nil || st.Dev == w.d.Stat.Dev {
		return false, nil
	}
	if dev.system.Pseudo {
		return true, ErrPseudo
	}
	return w.s.o.OneFileSystem && st.Dev != below.dev, nil
}
