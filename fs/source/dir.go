package source

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrReplaced is returned when a directory that had to be opened again is no
// longer the one it was.
var ErrReplaced = errors.New("directory was replaced while it was read")

// Dir is an open directory, or one that can be opened again at any time. It is
// safe for concurrent use and counts its users: whoever opened or retained it
// closes it.
type Dir struct {
	handles *Handles
	parent  *Dir // nil for a root
	name    Name // within parent; the path of a root
	flags   int  // for openat

	Stat Stat // when it was opened

	// Guarded by handles.mu.
	fd         int // -1 when closed
	pins       int
	refs       int
	prev, next *Dir // among the idle
}

// OpenRoot opens the directory at path, following symbolic links.
func (h *Handles) OpenRoot(path string) (*Dir, error) {
	return h.open(nil, NewName(path), unix.O_DIRECTORY)
}

// Open opens the directory name below d without following a symbolic link.
func (d *Dir) Open(name Name) (*Dir, error) {
	return d.handles.open(d, name, unix.O_DIRECTORY|unix.O_NOFOLLOW)
}

// OpenThrough is Open, but follows a symbolic link, and takes a directory
// whose names may not be listed but looked up.
func (d *Dir) OpenThrough(name Name) (*Dir, error) {
	return d.handles.open(d, name, unix.O_DIRECTORY)
}

func (h *Handles) open(parent *Dir, name Name, flags int) (*Dir, error) {
	d := &Dir{handles: h, parent: parent, name: name, flags: flags, fd: -1, refs: 1}
	fd, err := d.openDescriptor()
	if err == unix.EACCES && flags&unix.O_NOFOLLOW == 0 {
		d.flags |= unix.O_PATH
		fd, err = d.openDescriptor()
	}
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	if err := statFD(fd, &d.Stat); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if parent != nil {
		parent.Retain()
	}
	h.adopt(d, fd)
	return d, nil
}

// openDescriptor opens d anew, by way of its parent. It returns bare errnos.
func (d *Dir) openDescriptor() (int, error) {
	at := unix.AT_FDCWD
	if d.parent != nil {
		fd, err := d.parent.Pin()
		if err != nil {
			return -1, err
		}
		defer d.parent.Unpin()
		at = fd
	}
	if d.flags&unix.O_PATH != 0 { // which allows none of the other flags
		return openat(at, d.name, d.flags)
	}
	return openatQuiet(at, d.name, d.flags|unix.O_RDONLY|unix.O_NONBLOCK)
}

// Pin returns the directory's descriptor, which stays open until Unpin.
func (d *Dir) Pin() (int, error) {
	if fd, ok := d.handles.pin(d); ok {
		return fd, nil
	}
	fd, err := d.openDescriptor()
	if err != nil {
		return -1, fmt.Errorf("open directory again: %w", err)
	}
	var now Stat
	if err := statFD(fd, &now); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if !now.SameInode(&d.Stat) {
		unix.Close(fd)
		return -1, ErrReplaced
	}
	return d.handles.pinOpened(d, fd), nil
}

// Unpin undoes one Pin.
func (d *Dir) Unpin() { d.handles.unpin(d) }

// Retain adds a user of d.
func (d *Dir) Retain() { d.handles.retain(d) }

// Close drops a user of d, and closes it with the last one.
func (d *Dir) Close() {
	for d != nil && d.handles.drop(d) {
		d = d.parent
	}
}
