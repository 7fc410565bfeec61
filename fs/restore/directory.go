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
	existed  bool
	inherits bool // a default ACL, to what is made in it

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

// makeDirectory makes or takes over the directory of n below parent; nil when
// that failed, which was reported.
func (r *run) makeDirectory(parent *directory, n *tree.Node) *directory {
	fd, err := parent.handle.Pin()
	if err != nil {
		r.cannot(parent, n.Name, err)
		return nil
	}
	defer parent.handle.Unpin()
	d := &directory{parent: parent, node: n, name: n.Name}
	for try := 0; ; try++ {
		err = unix.Mkdirat(fd, n.Name, 0o700)
		d.existed = err == unix.EEXIST
		if err != nil && !d.existed {
			r.cannot(parent, n.Name, fmt.Errorf("make directory: %w", err))
			return nil
		}
		d.handle, err = parent.handle.Open(source.NewName(n.Name))
		if err == nil {
			break
		}
		blocked := errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
		switch {
		case d.existed && blocked && try == 0:
			err = r.clear(parent, fd, n.Name)
		case d.existed && errors.Is(err, unix.EACCES) && try == 0:
			err = chmodAt(fd, n.Name, 0o700) // our own, but closed to us
		}
		if err != nil {
			r.cannot(parent, n.Name, err)
			return nil
		}
	}
	d.refs.Store(1)
	parent.refs.Add(1)
	r.open(d)
	return d
}

// open readies a directory for being filled.
func (r *run) open(d *directory) {
	if d.existed {
		if mode := d.handle.Stat.Mode & 0o7777; mode&0o700 != 0o700 {
			d.withFD(func(fd int) error { return unix.Fchmod(fd, uint32(mode)|0o700) })
			// If it is not ours that fails, and so may what follows, by name.
		}
		d.inherits = d.hasDefaultACL()
	} else if d.parent.inherits {
		d.withFD(func(fd int) error {
			unix.Fremovexattr(fd, aclDefault)
			unix.Fremovexattr(fd, aclAccess)
			return nil
		})
	}
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
		case d.node == nil:
			d.handle.Close()
		case d.node.Mode&reopen != reopen:
			// Hard links to what is in it may still be made.
			closed := d
			r.later(func() { r.finish(closed) })
		default:
			r.finish(d)
		}
	}
}

// finish sets a filled directory's metadata.
func (r *run) finish(d *directory) {
	defer d.handle.Close()
	err := d.withFD(func(fd int) error {
		if d.existed {
			for _, name := range [...]string{aclAccess, aclDefault} {
				if !hasXattr(d.node, name) {
					unix.Fremovexattr(fd, name)
				}
			}
		}
		r.setMetadata(d, "", inode{fd: fd}, d.node)
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
