package source

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// Special is a block device or FIFO that is open to be read as content.
type Special struct {
	fd    int
	fifo  bool
	size  uint64
	cache pageCache // of a device
}

// ErrNoWriter says that nobody has written to a FIFO for a while.
var ErrNoWriter = errors.New("nobody writes to it")

// OpenSpecial opens the block device or FIFO name in d, following a symbolic link
// that leads to one. It does not wait for a FIFO's writer.
func (d *Dir) OpenSpecial(name Name) (*Special, error) {
	at, err := d.Pin()
	if err != nil {
		return nil, err
	}
	defer d.Unpin()
	// What a name leads to can change: opening a terminal or a tape does things,
	// so it is looked at first, through a descriptor that opens nothing.
	path, err := openat(at, name, unix.O_PATH)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer unix.Close(path)
	var st Stat
	if err := statFD(path, &st); err != nil {
		return nil, err
	}
	if !st.Readable() {
		return nil, fmt.Errorf("open: it is no block device or FIFO any more: %w", unix.ENXIO)
	}
	fd, err := openat(unix.AT_FDCWD, NewName(xattrTarget{fd: path}.procPath()), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	s := &Special{fd: fd, fifo: st.Mode&unix.S_IFMT == unix.S_IFIFO, size: math.MaxInt64}
	if !s.fifo {
		end, err := unix.Seek(fd, 0, io.SeekEnd)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("size of the device: %w", err)
		}
		s.size = uint64(end)
	}
	return s, nil
}

// Readable reports whether the entry is a block device or FIFO.
func (s *Stat) Readable() bool {
	t := s.Mode & unix.S_IFMT
	return t == unix.S_IFBLK || t == unix.S_IFIFO
}

// Size returns a device's bytes, and for a FIFO more than there can be.
func (s *Special) Size() uint64 { return s.size }

// Close closes it.
func (s *Special) Close() {
	s.cache.drop(s.fd, 0, math.MaxInt64)
	unix.Close(s.fd)
}

// KeepCache is like File's.
func (s *Special) KeepCache(size int64) {
	if !s.fifo {
		s.cache.note(s.fd, size)
	}
}

// Drop is like File's.
func (s *Special) Drop(start, end int64) { s.cache.drop(s.fd, start, end) }

// ReadAt reads what comes next, like pread(2) of a device; off is not looked at
// for a FIFO. After patience without a byte or an end it returns ErrNoWriter.
func (s *Special) ReadAt(p []byte, off int64, patience time.Duration) (int, error) {
	for {
		var n int
		var err error
		if s.fifo {
			if err = s.wait(patience); err == ErrNoWriter {
				return 0, err
			}
			if err == nil {
				n, err = unix.Read(s.fd, p)
			}
		} else {
			n, err = unix.Pread(s.fd, p, off)
		}
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
		case err != nil:
			return 0, fmt.Errorf("read: %w", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// wait returns when there is something to read, or the last writer has gone. A
// FIFO that nobody has opened for writing yet shows neither.
func (s *Special) wait(patience time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(patience.Milliseconds()))
	if err == nil && n == 0 {
		return ErrNoWriter
	}
	return err
}
