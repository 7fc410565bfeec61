package restore

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"garret/fs/source"
	"garret/fs/tree"
)

// wanted reports whether n is to be written into d: not when something is there
// that is to be kept, and not in a dry run, in which it is only counted.
func (r *run) wanted(d *directory, n *tree.Node) bool {
	if d.existed && (r.o.DryRun || r.o.Overwrite > Replace) {
		if keep, err := r.keeps(d, n); err != nil {
			r.cannot(d, n.Name, err)
			return false
		} else if keep {
			r.counters.kept.Add(1)
			r.o.Progress.Entries.Add(1)
			r.o.Progress.Bytes.Add(n.Size)
			return false
		}
	}
	if r.stopped() {
		return false
	}
	r.listed(d, n.Name, n)
	if r.o.DryRun {
		r.countOnly(n)
	}
	return !r.o.DryRun
}

func (r *run) countOnly(n *tree.Node) {
	group, linked := groupOf(n)
	switch {
	case linked && r.seen[group]:
		r.counters.links.Add(1)
	case n.Type == tree.Regular:
		r.counters.files.Add(1)
		r.counters.bytes.Add(n.Size)
		r.counters.written.Add(n.Allocated())
	case n.Type == tree.Symlink:
		r.counters.symlinks.Add(1)
	default:
		r.counters.specials.Add(1)
	}
	if linked {
		r.seen[group] = true
	}
	r.o.Progress.Entries.Add(1)
	r.o.Progress.Bytes.Add(n.Size)
}

// keeps reports whether the entry that has n's name in d, if there is one,
// stays.
func (r *run) keeps(d *directory, n *tree.Node) (bool, error) {
	dir, err := d.handle.Pin()
	if err != nil {
		return false, err
	}
	defer d.handle.Unpin()
	var there source.Stat
	if err := source.StatAt(dir, source.NewName(n.Name), &there); err != nil {
		return false, nil // not there, or writing it will tell
	}
	if there.IsDir() && r.o.Delete {
		if r.o.DryRun {
			r.remove(d, dir, n.Name)
		}
		return false, nil
	}
	if there.IsDir() {
		return false, fmt.Errorf("a directory %w", ErrExists)
	}
	switch r.o.Overwrite {
	case Refuse:
		err := fmt.Errorf("%s: %w", r.path(d, n.Name), ErrExists)
		r.fail(err)
		return false, err
	case Keep:
		return true, nil
	case ReplaceOlder:
		return n.ModTime.Compare(there.ModTime) <= 0 && !isHalf(dir, n.Name), nil
	case ReplaceChanged:
		return r.unchanged(d, dir, n, &there), nil
	}
	return false, nil
}

// unchanged reports whether what is there has all the metadata that were
// stored, and is the same file as others of its hard-link group. Then it is
// taken for what was stored.
func (r *run) unchanged(d *directory, dir int, n *tree.Node, there *source.Stat) bool {
	group, linked := groupOf(n)
	if first := r.links[group]; linked && first != nil {
		fd, err := first.dir.Pin()
		if err != nil {
			return false
		}
		defer first.dir.Unpin()
		var other source.Stat
		if source.StatAt(fd, source.NewName(first.name), &other) != nil || !other.SameInode(there) {
			return false
		}
		if first.left--; first.left == 0 {
			r.links.remove(group)
		}
		return true
	}
	if !linked && there.Links != 1 || !r.sameMetadata(dir, n, there) {
		return false
	}
	if linked {
		r.links.add(group, d, n, nil)
	}
	return true
}

func (r *run) sameMetadata(dir int, n *tree.Node, there *source.Stat) bool {
	kind, ok := there.Type()
	uid, gid := r.ids.of(n)
	if !ok || kind != n.Type || there.ModTime != n.ModTime || there.UID != uid || there.GID != gid {
		return false
	}
	switch n.Type {
	case tree.Symlink:
		target, err := source.ReadlinkAt(dir, source.NewName(n.Name))
		if err != nil || target != n.Target {
			return false
		}
		if n.AccessTime != (tree.Time{}) && !r.o.DryRun { // which reading it has changed
			ts := []unix.Timespec{{Sec: n.AccessTime.Sec, Nsec: int64(n.AccessTime.Nsec)}, {Nsec: unix.UTIME_OMIT}}
			if unix.UtimesNanoAt(dir, n.Name, ts, unix.AT_SYMLINK_NOFOLLOW) != nil {
				return false
			}
		}
	case tree.Regular:
		if there.Size != n.Size {
			return false
		}
	case tree.CharDevice, tree.BlockDevice:
		if there.Rdev != n.Rdev {
			return false
		}
	}
	if n.Type != tree.Symlink && there.Mode&0o7777 != n.Mode {
		return false
	}
	return r.sameAttributes(dir, n)
}

func (r *run) sameAttributes(dir int, n *tree.Node) bool {
	name := source.NewName(n.Name)
	if n.Type == tree.Regular && !r.o.NoFlags {
		if flags, err := flagsAt(dir, n.Name); err == nil && flags&allFlags != n.Flags&allFlags {
			return false
		}
	}
	attrs, err := source.XattrsAt(dir, name)
	if err != nil {
		return false
	}
	there := make(map[string][]byte, len(attrs))
	for _, x := range attrs {
		if r.takes(x.Name) {
			there[x.Name] = x.Value
		}
	}
	for i := range n.Xattrs {
		x := &n.Xattrs[i]
		if !r.takes(x.Name) {
			continue
		}
		value, ok := there[x.Name]
		if !ok || !bytes.Equal(value, x.Value) {
			return false
		}
		delete(there, x.Name)
	}
	for name := range there {
		if removable(name) {
			return false
		}
	}
	return true
}

// replaceable reports whether what is in the way may be removed.
func (r *run) replaceable() bool { return r.o.Overwrite != Refuse && r.o.Overwrite != Keep }

// clear removes what is in the way, if that is allowed. It never removes a
// directory.
func (r *run) clear(d *directory, dir int, name string) error {
	if !r.replaceable() {
		err := fmt.Errorf("%s: %w", r.path(d, name), ErrExists)
		if r.o.Overwrite == Refuse {
			r.fail(err)
		}
		return err
	}
	err := unix.Unlinkat(dir, name, 0)
	if err == unix.EPERM { // append-only or immutable, or a directory
		unlock(dir, name)
		err = unix.Unlinkat(dir, name, 0)
	}
	switch err {
	case nil, unix.ENOENT:
		return nil
	case unix.EISDIR:
		if r.o.Delete {
			r.remove(d, dir, name)
			return nil // if it is still there, making the entry says so
		}
		return fmt.Errorf("a directory %w", ErrExists)
	default:
		return fmt.Errorf("replace: %w", err)
	}
}
