package source

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are those of x/sys/unix without its copy of the path: a walk
// makes one or two for each entry, and the copy is a third of their time.

// openat opens name below the directory fd. It repeats a call that a signal
// interrupted, as network and FUSE file systems do.
func openat(fd int, name Name, flags int) (int, error) {
	for {
		r, _, e := unix.Syscall6(unix.SYS_OPENAT, uintptr(fd), uintptr(name.pointer()),
			uintptr(flags|unix.O_CLOEXEC|unix.O_LARGEFILE), 0, 0, 0)
		switch e {
		case 0:
			return int(r), nil
		case unix.EINTR:
		default:
			return -1, e
		}
	}
}

// openatQuiet opens without changing the access time where that is allowed: the
// owner and root may, others get EPERM and open as everybody does.
func openatQuiet(fd int, name Name, flags int) (int, error) {
	r, err := openat(fd, name, flags|unix.O_NOATIME)
	if err == unix.EPERM {
		return openat(fd, name, flags)
	}
	return r, err
}

func statx(fd int, name Name, flags int, buf *unix.Statx_t) error {
	const mask = unix.STATX_BASIC_STATS | unix.STATX_BTIME | unix.STATX_MNT_ID
	for {
		_, _, e := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(name.pointer()),
			uintptr(flags|unix.AT_NO_AUTOMOUNT), mask, uintptr(unsafe.Pointer(buf)), 0)
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return e
		}
	}
}

func readlinkat(fd int, name Name, buf []byte) (int, error) {
	r, _, e := unix.Syscall6(unix.SYS_READLINKAT, uintptr(fd), uintptr(name.pointer()),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

// listxattrat and getxattrat came with Linux 6.13; before, they are ENOSYS.

func listxattrat(fd int, name Name, buf []byte) (int, error) {
	r, _, e := unix.Syscall6(unix.SYS_LISTXATTRAT, uintptr(fd), uintptr(name.pointer()),
		unix.AT_SYMLINK_NOFOLLOW, uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0)
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

func getxattrat(fd int, name Name, attr string, buf []byte) (int, error) {
	args := struct { // struct xattr_args
		value       unsafe.Pointer
		_           [8 - unsafe.Sizeof(uintptr(0))]byte
		size, flags uint32
	}{value: unsafe.Pointer(unsafe.SliceData(buf)), size: uint32(len(buf))}
	a := NewName(attr)
	r, _, e := unix.Syscall6(unix.SYS_GETXATTRAT, uintptr(fd), uintptr(name.pointer()),
		unix.AT_SYMLINK_NOFOLLOW, uintptr(a.pointer()), uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args))
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}
