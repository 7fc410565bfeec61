package compare

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// InodeFlags are the flags that are compared: those that somebody sets with
// chattr(1) and that mean the same on every file system which has them
// (FS_…_FL of linux/fs.h).
const InodeFlags = 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x10000 | 0x20000 | 0x800000

var flagNames = []struct {
	bit  uint32
	name string
}{
	{0x4, "compressed"}, {0x8, "sync"}, {0x10, "immutable"}, {0x20, "append"}, {0x40, "nodump"}, {0x80, "noatime"},
	{0x10000, "dirsync"}, {0x20000, "topdir"}, {0x800000, "nocow"},
}

// flags compares the inode flags of what two descriptors are open on.
func (r *run) flags(path string, a, b int) {
	if r.o.IgnoreFlags {
		return
	}
	flagsA, errA := readFlags(a)
	flagsB, errB := readFlags(b)
	if !r.failed(path, "inode flags", errA, errB) && flagsA != flagsB {
		r.differ(path, Flags, flagText(flagsA), flagText(flagsB))
	}
}

// readFlags returns 0 where a file system has no flags.
func readFlags(fd int) (uint32, error) {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	switch err {
	case unix.ENOTTY, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL:
		return 0, nil
	}
	return flags & InodeFlags, err
}

func flagText(flags uint32) string {
	var names []string
	for _, f := range flagNames {
		if flags&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// blockSlack is what two file systems may count differently for the same file,
// in bytes: they round to blocks of their own, and add their own metadata.
const blockSlack = 32 << 10

// blocks reports a second file that takes more room than the first. It may take
// less: blocks that were allocated and never written are holes to a copy.
func (r *run) blocks(path string, a, b *unix.Stat_t) {
	const unit = 512 // stat(2)
	if (b.Blocks-a.Blocks)*unit > blockSlack {
		r.differ(path, Blocks, fmt.Sprintf("%d bytes allocated", a.Blocks*unit), fmt.Sprintf("%d bytes", b.Blocks*unit))
	}
}
