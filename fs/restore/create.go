package restore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/view"
)

// create makes an empty file; nil when that failed, which was reported. One that
// replaces another has no name until it is written, unless others are to be
// linked to it; or it is the other, changed in place.
func (r *run) create(d *directory, e view.Entry, linked bool) *file {
	fd, unnamed, old := -1, false, uint64(0)
	var halfErr error
	perm, has := r.birth(d, e.Node)
	const flags = unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	err := r.make(d, e.Name, func(dir int) (err error) {
		fd, err = unix.Openat(dir, e.Name, flags|unix.O_CREAT|unix.O_EXCL, perm)
		if err == unix.EEXIST && !linked {
			var over int
			if over, old, halfErr = r.reuse(dir, e); over >= 0 {
				fd = over
				return nil
			}
		}
		if err == unix.EEXIST && !linked && r.proc && r.replaceable() && isFile(dir, e.Name) {
			var tmpErr error
			if fd, tmpErr = unix.Openat(dir, ".", flags|unix.O_TMPFILE, perm); tmpErr == nil {
				unnamed, err = true, nil
			}
		}
		return err
	})
	if err != nil {
		r.cannot(d, e.Name, fmt.Errorf("create file: %w", err))
		return nil
	}
	d.refs.Add(1)
	f := &file{dir: d, entry: e, fd: fd, sparse: e.Allocated() < e.Size, has: has, unnamed: unnamed, old: old}
	f.refs.Store(1)
	if old > 0 {
		f.has = born{}
		if halfErr != nil {
			f.writeFailed(halfErr)
		}
		return f
	}
	r.setEmptyFlags(fd, e.Node)
	if f.sparse || e.Size > 2*pieceBytes {
		if err := unix.Ftruncate(fd, int64(e.Size)); err != nil {
			f.writeFailed(err)
		}
	}
	if f.sparse && r.o.Allocate {
		switch err := unix.Fallocate(fd, 0, 0, int64(e.Size)); {
		case isFull(err) || err == unix.EFBIG:
			f.writeFailed(err)
		case err != nil:
			r.notSet("allocated holes", d, e.Name, err)
		}
	}
	return f
}

func isFile(dir int, name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// place gives a file that was written without a name its own, which another
// file has until then. A name cannot be given that is taken, so the file gets
// one of its own for a moment.
func (r *run) place(f *file) error {
	return f.dir.withFD(func(dir int) error {
		path, own := "/proc/self/fd/"+strconv.Itoa(f.fd), fmt.Sprintf(".garret-%016x", rand.Uint64())
		if err := unix.Linkat(unix.AT_FDCWD, path, dir, own, unix.AT_SYMLINK_FOLLOW); err != nil {
			return fmt.Errorf("replace: %w", err)
		}
		err := unix.Renameat(dir, own, dir, f.entry.Name)
		if err != nil { // what is there is locked
			if err = r.clear(f.dir, dir, f.entry.Name); err == nil {
				err = unix.Renameat(dir, own, dir, f.entry.Name)
			}
		}
		if err != nil {
			unix.Unlinkat(dir, own, 0)
			return fmt.Errorf("replace: %w", err)
		}
		f.unnamed = false
		return nil
	})
}

// makeSpecial makes a symbolic link, a device or a FIFO with its metadata.
func (r *run) makeSpecial(d *directory, n *tree.Node) (made bool) {
	err := r.make(d, n.Name, func(dir int) error {
		switch n.Type {
		case tree.Symlink:
			return unix.Symlinkat(n.Target, dir, n.Name)
		case tree.FIFO:
			return unix.Mknodat(dir, n.Name, unix.S_IFIFO|0o600, 0)
		case tree.CharDevice, tree.BlockDevice:
			// The system call takes 32 bits of it.
			if n.Rdev>>32 != 0 {
				return fmt.Errorf("device number %#x: %w", n.Rdev, unix.EINVAL)
			}
			kind := uint32(unix.S_IFCHR)
			if n.Type == tree.BlockDevice {
				kind = unix.S_IFBLK
			}
			return unix.Mknodat(dir, n.Name, kind|0o600, int(n.Rdev))
		}
		return fmt.Errorf("%w: type %d", tree.ErrInvalid, n.Type)
	})
	device := n.Type == tree.CharDevice || n.Type == tree.BlockDevice
	switch {
	case device && isDenied(err):
		r.denied("device nodes", d, n.Name, err)
		return false
	case err != nil:
		r.cannot(d, n.Name, fmt.Errorf("create %v: %w", n.Type, err))
		return false
	}
	err = d.withFD(func(fd int) error {
		if d.inherits && n.Type != tree.Symlink && !hasXattr(n, aclAccess) {
			unix.Lremovexattr(procPath(fd, n.Name), aclAccess)
		}
		_, has := r.birth(d, n)
		has.mode = false
		r.setMetadata(d, n.Name, inode{fd, n.Name}, n, has)
		return nil
	})
	if err != nil {
		r.warn(d, n.Name, err)
	}
	if n.Type == tree.Symlink {
		r.counters.symlinks.Add(1)
	} else {
		r.counters.specials.Add(1)
	}
	r.o.Progress.Entries.Add(1)
	return true
}

// make calls f with d's descriptor to make an entry that must not be there yet,
// and once again when what is there may be replaced.
func (r *run) make(d *directory, name string, f func(dir int) error) error {
	dir, err := d.handle.Pin()
	if err != nil {
		return err
	}
	defer d.handle.Unpin()
	if err = f(dir); err != unix.EEXIST {
		return err
	}
	if err := r.clear(d, dir, name); err != nil {
		return err
	}
	return f(dir)
}

// cannot reports an entry that is not restored, unless that ends the run.
func (r *run) cannot(d *directory, name string, err error) {
	if isFull(err) {
		r.fail(fmt.Errorf("%s: %w", r.path(d, name), err))
	}
	if !r.stopped() {
		r.warn(d, name, err)
	}
}

// isFull reports whether nothing more can be written to the file system.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS)
}
