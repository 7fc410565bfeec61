package restore

import (
	"fmt"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// The inode flags that are set: those that chattr(1) sets and that mean the
// same on every file system that has them (FS_…_FL of linux/fs.h).
const (
	flagCompressed = 0x4
	flagSync       = 0x8
	flagImmutable  = 0x10
	flagAppend     = 0x20
	flagNoDump     = 0x40
	flagNoAtime    = 0x80
	flagDirSync    = 0x10000
	flagTopDir     = 0x20000
	flagNoCOW      = 0x800000

	lockFlags  = flagImmutable | flagAppend // no links, no changes
	emptyFlags = flagCompressed | flagNoCOW // for content that is written later
	allFlags   = lockFlags | emptyFlags | flagSync | flagNoDump | flagNoAtime | flagDirSync | flagTopDir
)

// flagNames are the words for chattr's letters, in reports.
var flagNames = []struct {
	bit  uint32
	name string
}{
	{flagCompressed, "compressed"}, {flagSync, "synchronous"}, {flagImmutable, "immutable"}, {flagAppend, "append-only"},
	{flagNoDump, "nodump"}, {flagNoAtime, "noatime"}, {flagDirSync, "dirsync"}, {flagTopDir, "topdir"}, {flagNoCOW, "nocow"},
}

// setFlags sets the inode flags of an entry that is otherwise done, or clears
// what it has inherited from a directory that was there. It waits
// with "immutable" and "append-only" of what may get hard links until all links
// are made.
func (r *run) setFlags(d *directory, name string, i inode, n *tree.Node) {
	if r.o.NoFlags || i.name != "" {
		return
	}
	above := d
	if name == "" {
		above = d.parent
	}
	inherited := above != nil && above.flags != 0
	if n.Flags&allFlags == 0 && !inherited && !(n.Type == tree.Directory && d.existed) {
		return
	}
	if _, linked := groupOf(n); !linked || n.Flags&lockFlags == 0 {
		r.writeFlags(d, name, i.fd, n)
		return
	}
	fd, err := unix.FcntlInt(uintptr(i.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		r.warn(d, name, fmt.Errorf("inode flags: %w", err))
		return
	}
	r.later(func() {
		r.writeFlags(d, name, fd, n)
		unix.Close(fd)
	})
}

// writeFlags sets the flags of what fd is open on: all at once, or when that is
// refused, those that are not, and reports the others.
func (r *run) writeFlags(d *directory, name string, fd int, n *tree.Node) {
	want := n.Flags & allFlags
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		if want != 0 {
			r.notSet("inode flags", d, name, err)
		}
		return
	}
	if flags&allFlags == want {
		return
	}
	set := func(want uint32) error {
		return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^allFlags|want))
	}
	if set(want) == nil {
		return
	}
	got := uint32(0)
	_ = set(got) // what it has inherited; it may have to stay
	for _, f := range flagNames {
		if want&f.bit == 0 {
			continue
		}
		if err := set(got | f.bit); err != nil {
			r.notSet("inode flag "+f.name, d, name, err)
		} else {
			got |= f.bit
		}
	}
}

// setEmptyFlags sets, of a new file, the flags that have no effect on content
// that is there already. Whether that worked is reported with all flags.
func (r *run) setEmptyFlags(fd int, n *tree.Node) {
	if r.o.NoFlags || n.Flags&emptyFlags == 0 {
		return
	}
	if flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil {
		unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags|n.Flags&emptyFlags))
	}
}

// unlockFD clears the flags of what fd is open on that forbid changes. Without
// the right to, nothing happens, and what comes next fails.
func unlockFD(fd int) {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err == nil && flags&lockFlags != 0 {
		unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^lockFlags))
	}
}

// unlock is unlockFD for a regular file of a directory.
func unlock(dir int, name string) {
	if fd, err := openRegular(dir, name); err == nil {
		unlockFD(fd)
		unix.Close(fd)
	}
}

// flagsOf returns the flags of what fd is open on; none where there are none.
func flagsOf(fd int) uint32 {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return 0
	}
	return flags & allFlags
}

func flagsAt(dir int, name string) (uint32, error) {
	fd, err := openRegular(dir, name)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
}

// openRegular opens a regular file and nothing else: to open a device may mean
// something to it.
func openRegular(dir int, name string) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, unix.EINVAL
	}
	return unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
}
