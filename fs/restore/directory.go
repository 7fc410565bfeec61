package restore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"garret/fs/source"
	"garret/fs/tree"
)

// directory is one that is being filled.
type directory struct {
	parent   *directory // nil for the destination
	handle   *source.Dir
	node     *tree.Node // its metadata; nil when it keeps its own
	name     string     // empty for the destination
	waits    bool       // not made yet
	failed   bool       // and cannot be
	existed  bool
	inherits bool   // a default ACL, to what is made in it
	flags    uint32 // inode flags that it had, some of which entries made in it inherit
	closed   bool   // to its owner in some way, and opened for this run
	mode     uint32 // that it then had
	plain    bool   // new, and what is made in it belongs to this process' user and group

	refs atomic.Int64 // the walk, entries that are not done, directories below
}

// path returns where an entry of d is, or d itself when the name is empty. It
// is not kept, as the paths of deep trees take more memory than the trees.
func (r *run) path(d *directory, name string) string {
	names := []string{}
	if name != "" {
		names = append(names, name)
	}
	for ; d.parent != nil; d = d.parent {
		names = append(names, d.name)
	}
	if len(names) == 0 {
		return r.o.Dest
	}
	slices.Reverse(names)
	return strings.TrimSuffix(r.o.Dest, "/") + "/" + strings.Join(names, "/")
}

// makeDirectory makes or takes over a directory below one that is there. It
// reports whether there is something to restore into; if not, that was
// reported.
func (r *run) makeDirectory(d *directory) bool {
	parent := d.parent
	if r.o.DryRun {
		return r.findDirectory(d)
	}
	fd, err := parent.handle.Pin()
	if err != nil {
		r.cannot(parent, d.name, err)
		return false
	}
	defer parent.handle.Unpin()
	for try := 0; ; try++ {
		err = unix.Mkdirat(fd, d.name, 0o700)
		d.existed = err == unix.EEXIST
		if err != nil && !d.existed {
			r.cannot(parent, d.name, fmt.Errorf("make directory: %w", err))
			return false
		}
		d.handle, err = parent.handle.Open(source.NewName(d.name))
		if err == nil {
			break
		}
		blocked := errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
		switch {
		case d.existed && blocked && try == 0:
			err = r.clear(parent, fd, d.name)
		case d.existed && errors.Is(err, unix.EACCES) && try == 0:
			err = d.openUp(fd) // our own, but closed to us
		}
		if err != nil {
			d.handle = nil
			r.cannot(parent, d.name, err)
			return false
		}
	}
	r.open(d)
	return true
}

// findDirectory is makeDirectory in a dry run: it opens what is there.
func (r *run) findDirectory(d *directory) bool {
	if d.parent.handle == nil {
		return true // nothing is there
	}
	var err error
	d.handle, err = d.parent.handle.Open(source.NewName(d.name))
	blocked := errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
	switch {
	case err == nil:
		d.existed = true
	case blocked && !r.replaceable():
		err = fmt.Errorf("%s: %w", r.path(d, ""), ErrExists)
		if r.o.Overwrite == Refuse {
			r.fail(err)
		}
		r.cannot(d.parent, d.name, err)
		return false
	default:
		d.handle = nil
	}
	return true
}

// open readies a directory for being filled.
func (r *run) open(d *directory) {
	if !d.existed {
		d.plain = d.handle.Stat.UID == r.euid && d.handle.Stat.GID == r.egid
		if d.parent.inherits {
			d.withFD(func(fd int) error {
				unix.Fremovexattr(fd, aclDefault)
				unix.Fremovexattr(fd, aclAccess)
				return nil
			})
		}
		return
	}
	mode := d.handle.Stat.Mode & 0o7777
	if r.o.Overwrite == Keep {
		d.node = nil
	}
	d.withFD(func(fd int) error {
		if d.flags = flagsOf(fd); d.flags&lockFlags != 0 && r.replaceable() {
			unlockFD(fd)
		}
		if mode&0o700 != 0o700 {
			// If it is not ours this fails, and so may what follows, by name.
			d.closed, d.mode = unix.Fchmod(fd, uint32(mode)|0o700) == nil, uint32(mode)
		}
		return nil
	})
	d.inherits = d.hasDefaultACL()
}

// openUp gives a directory that cannot be opened a mode that it can be opened with.
func (d *directory) openUp(parent int) error {
	var st unix.Stat_t
	if err := unix.Fstatat(parent, d.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	d.closed, d.mode = true, st.Mode&0o7777
	return chmodAt(parent, d.name, 0o700)
}

func (d *directory) withFD(f func(fd int) error) error {
	fd, err := d.handle.Pin()
	if err != nil {
		return err
	}
	defer d.handle.Unpin()
	return f(fd)
}

func (d *directory) hasDefaultACL() bool {
	return d.withFD(func(fd int) error {
		_, err := unix.Fgetxattr(fd, aclDefault, nil)
		return err
	}) == nil
}

// release lets go of d; with the last one it gets its metadata, and its parent
// is let go of.
func (r *run) release(d *directory) {
	for ; d != nil && d.refs.Add(-1) == 0; d = d.parent {
		const reopen = 0o500 // what a closed handle needs
		switch {
		case d.waits:
			r.o.Progress.TotalEntries.Add(^uint64(0))
		case d.handle == nil:
		case d.node == nil || d.failed || r.o.DryRun || d.parent == nil && r.stopped():
			if d.closed {
				closed := d
				r.later(func() { r.closeAgain(closed) })
				continue
			}
			d.handle.Close() // a destination stays unfinished
		case d.node.Mode&reopen != reopen:
			// Hard links to what is in it may still be made.
			closed := d
			r.later(func() { r.finish(closed) })
		default:
			r.finish(d)
		}
	}
}

// closeAgain gives a directory that keeps its metadata its mode back.
func (r *run) closeAgain(d *directory) {
	defer d.handle.Close()
	err := d.withFD(func(fd int) error { return unix.Fchmod(fd, d.mode) })
	if err != nil {
		r.notSet("mode", d, "", err)
	}
}

// finish sets a filled directory's metadata.
func (r *run) finish(d *directory) {
	defer d.handle.Close()
	err := d.withFD(func(fd int) error {
		has := born{}
		if d.existed {
			r.removeXattrs(fd, d.node)
		} else {
			uid, gid := r.ids.of(d.node)
			has.owned = d.handle.Stat.UID == uid && d.handle.Stat.GID == gid
		}
		if d.parent == nil {
			unix.Fremovexattr(fd, unfinished)
		}
		i := inode{fd: fd}
		r.setMetadata(d, "", i, d.node, has)
		r.setFlags(d, "", i, d.node)
		return nil
	})
	if err != nil {
		r.warn(d, "", err)
	}
	r.counters.dirs.Add(1)
	if d.parent != nil {
		r.o.Progress.Entries.Add(1)
	}
}
