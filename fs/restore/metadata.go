package restore

import (
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// inode is what metadata are set of: what fd is open on, or the entry name in
// the directory fd, of a symbolic link itself.
type inode struct {
	fd   int
	name string
}

// procPath names an entry for system calls that take no descriptor of its
// directory. What comes behind the descriptor is one name, so no symbolic link
// can lead away.
func procPath(fd int, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(fd) + "/" + name
}

// setMetadata sets all that is kept of an entry but its content. The package's
// documentation says why in this order.
func (r *run) setMetadata(d *directory, name string, i inode, n *tree.Node) {
	mode := r.setOwner(d, name, i, n)
	for k := range n.Xattrs {
		x := &n.Xattrs[k]
		if err := i.setXattr(x); err != nil {
			r.notSet("extended attribute "+family(x.Name), d, name, err)
		}
	}
	if n.Type != tree.Symlink {
		if err := i.chmod(mode); err != nil {
			r.notSet("mode", d, name, err)
		}
	}
	if err := i.setTimes(n); err != nil {
		r.notSet("times", d, name, err)
	}
	r.setFlags(d, name, i, n)
}

// setOwner sets user and group, or the group alone, and returns the mode that
// goes with that: a program whose owner could not be set must not run as
// somebody else.
func (r *run) setOwner(d *directory, name string, i inode, n *tree.Node) uint32 {
	mode := uint32(n.Mode)
	uid, gid := r.ids.of(n)
	err := i.chown(int(uid), int(gid))
	if err == nil {
		return mode
	}
	group := i.chown(-1, int(gid)) == nil
	if uid != r.euid {
		mode &^= unix.S_ISUID
	}
	if !group && n.Type != tree.Directory {
		mode &^= unix.S_ISGID
	}
	r.notSet("owner", d, name, err)
	return mode
}

func (i inode) chown(uid, gid int) error {
	if i.name == "" {
		return unix.Fchown(i.fd, uid, gid)
	}
	return unix.Fchownat(i.fd, i.name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

func (i inode) chmod(mode uint32) error {
	if i.name == "" {
		return unix.Fchmod(i.fd, mode)
	}
	return chmodAt(i.fd, i.name, mode)
}

// chmodAt changes the mode of what is not a symbolic link.
func chmodAt(dir int, name string, mode uint32) error {
	err := unix.Fchmodat(dir, name, mode, unix.AT_SYMLINK_NOFOLLOW)
	if err != unix.EOPNOTSUPP {
		return err
	}
	// Before Linux 6.6 there is no such call. A descriptor that is fixed on
	// the inode has a path through which there is.
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return unix.ELOOP
	}
	return unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), mode)
}

// setTimes sets the modification time, and the access time if it was kept.
func (i inode) setTimes(n *tree.Node) error {
	atime := unix.Timespec{Nsec: unix.UTIME_OMIT}
	var err error
	if !n.AccessTime.IsZero() {
		if atime, err = unix.TimeToTimespec(n.AccessTime.Time()); err != nil {
			return err
		}
	}
	mtime, err := unix.TimeToTimespec(n.ModTime.Time())
	if err != nil {
		return err
	}
	ts := [2]unix.Timespec{atime, mtime}
	if i.name != "" {
		return unix.UtimesNanoAt(i.fd, i.name, ts[:], unix.AT_SYMLINK_NOFOLLOW)
	}
	// futimens(3): the system call without a path.
	_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(i.fd), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

// The inode flags that are set: those that chattr(1) sets and that mean the
// same on every file system (FS_…_FL of linux/fs.h).
const (
	flagSync      = 0x8
	flagImmutable = 0x10
	flagAppend    = 0x20
	flagNoDump    = 0x40
	flagNoAtime   = 0x80
	flagDirSync   = 0x10000
	flagTopDir    = 0x20000

	lockFlags = flagImmutable | flagAppend // no links, no changes
	allFlags  = lockFlags | flagSync | flagNoDump | flagNoAtime | flagDirSync | flagTopDir
)

func (r *run) setFlags(d *directory, name string, i inode, n *tree.Node) {
	if n.Flags&allFlags == 0 || i.name != "" {
		return
	}
	set := func(fd int) {
		flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
		if err == nil {
			err = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^allFlags|n.Flags&allFlags))
		}
		if err != nil {
			r.notSet("inode flags", d, name, err)
		}
	}
	if _, linked := groupOf(n); !linked || n.Flags&lockFlags == 0 {
		set(i.fd)
		return
	}
	fd, err := unix.FcntlInt(uintptr(i.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		r.warn(d, name, fmt.Errorf("inode flags: %w", err))
		return
	}
	r.later(func() {
		set(fd)
		unix.Close(fd)
	})
}
