package restore

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// errSpared is why the repository itself is not deleted: no snapshot holds it.
var errSpared = errors.New("it is, or holds, what is not to be deleted: the repository")

// errOtherFileSystem is why something is not deleted: what is mounted in the
// destination is not part of it.
var errOtherFileSystem = errors.New("another file system is mounted there; it is not deleted")

// names are those that a directory has in the tree; nil when nothing is to be
// deleted.
type names map[string]struct{}

func (n names) add(name string) {
	if n != nil {
		n[name] = struct{}{}
	}
}

// deleteExtra deletes what is in d and was not stored, and would have been
// chosen.
func (r *run) deleteExtra(d *directory, stored names) {
	if stored == nil || !d.existed || d.failed || d.handle == nil || r.stopped() {
		return
	}
	err := d.withFD(func(dir int) error {
		found, err := readNames(dir)
		if err != nil {
			return err
		}
		slices.Sort(found)
		for _, name := range found {
			if _, ok := stored[name]; ok || r.stopped() {
				continue
			}
			verdict := r.selection.enter(name)
			if r.selection.leave(); verdict != Take {
				continue
			}
			if r.elsewhere(d) { // a snapshot may hold of it but where it was mounted
				return errOtherFileSystem
			}
			r.remove(d, dir, name)
		}
		return nil
	})
	if err != nil {
		r.warn(d, "", fmt.Errorf("delete what was not stored: %w", err))
	}
}

// elsewhere reports whether a directory is on another file system than what is
// restored.
func (r *run) elsewhere(d *directory) bool {
	top := d
	for top.parent != nil && (r.o.As == "" || top.parent.parent != nil) {
		top = top.parent
	}
	return d.handle.Stat.Dev != top.handle.Stat.Dev
}

// remove deletes an entry of d with all below it, or in a dry run only tells.
func (r *run) remove(d *directory, dir int, name string) {
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && r.spared(&st) {
		r.warn(d, name, fmt.Errorf("delete: %w", errSpared))
		return
	}
	r.counters.deleted.Add(1)
	if r.o.Deleted != nil {
		r.reports.mu.Lock()
		r.o.Deleted(r.path(d, name))
		r.reports.mu.Unlock()
	}
	if r.o.DryRun {
		return
	}
	err := unix.Fstat(dir, &st)
	if err == nil {
		err = r.removeAll(dir, name, st.Dev)
	}
	if err != nil {
		r.warn(d, name, fmt.Errorf("delete: %w", err))
	}
}

func (r *run) spared(st *unix.Stat_t) bool { return r.o.Spare != nil && r.o.Spare(st.Dev, st.Ino) }

// removeAll removes an entry with all below it, as far as that is on the device.
// It follows no symbolic link. Of several errors it returns the first, when
// everything else is removed.
func (r *run) removeAll(dir int, name string, device uint64) error {
	err := unix.Unlinkat(dir, name, 0)
	if err == unix.EPERM {
		unlock(dir, name)
		err = unix.Unlinkat(dir, name, 0)
	}
	switch err {
	case nil, unix.ENOENT:
		return nil
	case unix.EISDIR, unix.EPERM:
	default:
		return err
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, openErr := unix.Openat(dir, name, flags, 0)
	if openErr == unix.EACCES && chmodAt(dir, name, 0o700) == nil {
		fd, openErr = unix.Openat(dir, name, flags, 0)
	}
	if openErr == unix.ENOTDIR {
		return err // that of removing a file
	}
	if openErr != nil {
		return openErr
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Dev != device {
		return errOtherFileSystem
	}
	if r.spared(&st) {
		return errSpared
	}
	unlockFD(fd)
	if st.Mode&0o700 != 0o700 {
		unix.Fchmod(fd, 0o700) // if that fails, so does what follows
	}
	below, first := readNames(fd)
	for _, child := range below {
		if err := r.removeAll(fd, child, device); err != nil && first == nil {
			first = fmt.Errorf("%.255q: %w", child, err)
		}
	}
	if err := unix.Unlinkat(dir, name, unix.AT_REMOVEDIR); err != nil && first == nil {
		first = err
	}
	return first
}

// readNames lists an open directory from its start.
func readNames(fd int) ([]string, error) {
	again, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(again), "directory")
	defer f.Close()
	return f.Readdirnames(-1)
}
