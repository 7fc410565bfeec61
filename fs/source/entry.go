package source

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// StatAt fills s for the entry name of the directory that fd is the pinned
// descriptor of. A symbolic link is not followed.
func StatAt(fd int, name Name, s *Stat) error {
	return statAt(fd, name, unix.AT_SYMLINK_NOFOLLOW, s)
}

// StatThrough is StatAt, but follows a symbolic link.
func StatThrough(fd int, name Name, s *Stat) error { return statAt(fd, name, 0, s) }

// StatPath fills s for a path.
func StatPath(path string, follow bool, s *Stat) error {
	flags := unix.AT_SYMLINK_NOFOLLOW
	if follow {
		flags = 0
	}
	return statAt(unix.AT_FDCWD, NewName(path), flags, s)
}

func statFD(fd int, s *Stat) error { return statAt(fd, Name{}, unix.AT_EMPTY_PATH, s) }

func statAt(fd int, name Name, flags int, s *Stat) error {
	var x unix.Statx_t
	if err := statx(fd, name, flags, &x); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	s.from(&x)
	return nil
}

// ReadlinkAt returns the target of the symbolic link name in the directory that
// fd is the pinned descriptor of.
func ReadlinkAt(fd int, name Name) (string, error) {
	var short [512]byte
	buf := short[:]
	for {
		n, err := readlinkat(fd, name, buf)
		if err != nil {
			return "", fmt.Errorf("read link: %w", err)
		}
		if n < len(buf) {
			return string(buf[:n]), nil
		}
		buf = make([]byte, 4*len(buf)) // it was cut, or just fits
	}
}
