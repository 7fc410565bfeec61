package uglytest

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Remove removes a tree whatever its permissions and inode flags are, and
// however deep it is. That it is not there is no error.
func Remove(path string) error {
	parent, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	defer unix.Close(parent)
	if err := remove(parent, filepath.Base(path)); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

func remove(parent int, name string) error {
	err := unix.Unlinkat(parent, name, 0)
	switch err {
	case nil, unix.ENOENT:
		return nil
	case unix.EPERM:
		unlock(parent, name)
		if err = unix.Unlinkat(parent, name, 0); err == nil {
			return nil
		}
	}
	if err != unix.EISDIR && err != unix.EPERM {
		return fmt.Errorf("%q: %w", name, err)
	}
	fd, err := openDir(parent, name)
	if err == unix.EACCES {
		if err = unix.Fchmodat(parent, name, 0o700, 0); err == nil {
			fd, err = openDir(parent, name)
		}
	}
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	defer unix.Close(fd)
	clearFlags(fd)
	if err := unix.Fchmod(fd, 0o700); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%q: %w", name, err)
	}
	names, err := readNames(fd)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	for _, child := range names {
		if err := remove(fd, child); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	if err := unix.Unlinkat(parent, name, unix.AT_REMOVEDIR); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

// unlock clears the flags of a regular file or directory.
func unlock(parent int, name string) {
	var st unix.Stat_t
	if unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return
	}
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		clearFlags(fd)
		unix.Close(fd)
	}
}

// Of linux/fs.h.
const (
	flagSync      = 0x8
	flagImmutable = 0x10
	flagAppend    = 0x20
	flagNoDump    = 0x40
	flagNoAtime   = 0x80
	flagDirSync   = 0x10000
	flagNoCOW     = 0x800000
)

func clearFlags(fd int) {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err == nil && flags&(flagImmutable|flagAppend) != 0 {
		_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^(flagImmutable|flagAppend)))
	}
}

// setFlags adds inode flags.
func (b *builder) setFlags(f flagged) {
	what := "append and immutable"
	switch f.bits {
	case flagNoDump:
		what = "nodump"
	case flagNoCOW:
		what = "nocow" // btrfs has it
	case flagSync, flagDirSync:
		what = "sync" // tmpfs lacks it
	case flagNoAtime:
		what = "noatime"
	}
	fd, err := unix.Open(b.path(f.path), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if !b.check(f.path, err) {
		return
	}
	defer unix.Close(fd)
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags)|f.bits)
	}
	b.may(what, f.path, err)
}
