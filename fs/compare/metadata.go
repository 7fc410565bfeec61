package compare

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// metadata compares what stat says of entries of any type.
func (r *run) metadata(path string, a, b *unix.Stat_t) {
	if ma, mb := a.Mode&0o7777, b.Mode&0o7777; ma != mb {
		r.differ(path, Mode, fmt.Sprintf("%04o", ma), fmt.Sprintf("%04o", mb))
	}
	if !r.o.IgnoreOwner && (a.Uid != b.Uid || a.Gid != b.Gid) {
		r.differ(path, Owner, fmt.Sprintf("%d:%d", a.Uid, a.Gid), fmt.Sprintf("%d:%d", b.Uid, b.Gid))
	}
	directory := a.Mode&unix.S_IFMT == unix.S_IFDIR
	if a.Mtim != b.Mtim && !r.o.IgnoreTimes && !(directory && r.o.IgnoreDirTimes) {
		r.differ(path, ModTime, timeText(a.Mtim), timeText(b.Mtim))
	}
}

func timeText(t unix.Timespec) string {
	sec, nsec := t.Unix()
	return time.Unix(sec, nsec).UTC().Format("2006-01-02T15:04:05.000000000Z")
}

func typeName(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "file"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFCHR:
		return "character device"
	case unix.S_IFBLK:
		return "block device"
	}
	return fmt.Sprintf("type %#o", mode&unix.S_IFMT)
}

func deviceName(dev uint64) string { return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev)) }

// quote shows bytes, cut when there are very many.
func quote(s string) string {
	if len(s) > 200 {
		return fmt.Sprintf("%q… (%d bytes)", s[:200], len(s))
	}
	return strconv.Quote(s)
}
