package source

import (
	"fmt"
	"io"
	"math"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// File is an open regular file. Its methods are not safe for concurrent use.
type File struct {
	fd    int
	cache pageCache
}

// OpenFile opens the file name in d for reading. It follows no symbolic link,
// does not wait for a FIFO's writer should there be one now, and leaves the
// access time alone where it may.
func (d *Dir) OpenFile(name Name) (*File, error) {
	at, err := d.Pin()
	if err != nil {
		return nil, err
	}
	defer d.Unpin()
	fd, err := openatQuiet(at, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return &File{fd: fd}, nil
}

// Close closes the file. There is nothing to lose in a file that was only read,
// so it returns no error.
func (f *File) Close() {
	f.cache.drop(f.fd, 0, math.MaxInt64)
	unix.Close(f.fd)
}

// Stat fills s as the file is now.
func (f *File) Stat(s *Stat) error { return statFD(f.fd, s) }

// ReadAt reads at off like pread(2): it may return less than p holds before the
// end of the file, and io.EOF with 0 bytes at the end.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(f.fd, p, off)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("read: %w", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// KeepCache says that the first size bytes will be read and shall then be in the
// page cache only if they are now. Close sees to it, and Drop on the way.
func (f *File) KeepCache(size int64) { f.cache.note(f.fd, size) }

// Drop gives the page cache back what reading the bytes from start to end has
// brought into it.
func (f *File) Drop(start, end int64) { f.cache.drop(f.fd, start, end) }

// WillRead tells the kernel that the file will be read from start to end.
func (f *File) WillRead() { unix.Fadvise(f.fd, 0, 0, unix.FADV_SEQUENTIAL) }

// NextData returns the first range of data at or after off. There is none when
// it returns io.EOF: what is left is a hole, or off is not in the file. Where a
// file system knows no holes, everything is data.
func (f *File) NextData(off int64) (start, end int64, err error) {
	start, err = unix.Seek(f.fd, off, unix.SEEK_DATA)
	switch err {
	case nil:
	case unix.ENXIO:
		return 0, 0, io.EOF
	default:
		return 0, 0, fmt.Errorf("seek data: %w", err)
	}
	if end, err = unix.Seek(f.fd, start, unix.SEEK_HOLE); err != nil {
		if err == unix.ENXIO { // the file was cut short between the two calls
			return 0, 0, io.EOF
		}
		return 0, 0, fmt.Errorf("seek hole: %w", err)
	}
	return start, end, nil
}

// Xattrs returns the file's extended attributes, sorted by name.
func (f *File) Xattrs() ([]tree.Xattr, error) { return xattrTarget{fd: f.fd}.read() }
