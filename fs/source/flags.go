package source

import (
	"golang.org/x/sys/unix"
)

// keptFlags are the inode flags that a user can set and a restore can set
// again, of <linux/fs.h>; the others say how the file system keeps the file.
// They are secure deletion, undeletable, compressed, synchronous, immutable,
// append-only, no dump, no access time (0xff), and those named.
const (
	flagNoCompress    = 0x400
	flagJournalData   = 0x4000
	flagNoTail        = 0x8000
	flagDirSync       = 0x10000
	flagTopDir        = 0x20000
	flagNoCopyOnWrite = 0x800000
	flagDAX           = 0x2000000
	flagCaseFold      = 0x40000000

	keptFlags = 0xff | flagNoCompress | flagJournalData | flagNoTail | flagDirSync | flagTopDir |
		flagNoCopyOnWrite | flagDAX | flagCaseFold
)

// statFlags are those of them that statx tells, so that nothing has to be opened
// for them. The bits are the same numbers in both.
const statFlags = unix.STATX_ATTR_COMPRESSED | unix.STATX_ATTR_IMMUTABLE |
	unix.STATX_ATTR_APPEND | unix.STATX_ATTR_NODUMP

// UnseenFlags returns the flags of an inode that only opening it shows.
func UnseenFlags(flags uint32) uint32 { return flags & keptFlags &^ statFlags }

// NoDump reports whether the entry is marked as not to be backed up (chattr +d).
func (s *Stat) NoDump() bool { return s.Attributes&unix.STATX_ATTR_NODUMP != 0 }

// Flags returns the inode flags of the file; ok is false where the file system
// has none.
func (f *File) Flags() (flags uint32, ok bool) { return flagsOf(f.fd) }

// Flags returns the inode flags of the directory; ok is false where the file
// system has none, or the directory may be looked up but not read.
func (d *Dir) Flags() (flags uint32, ok bool) {
	fd, err := d.Pin()
	if err != nil {
		return 0, false
	}
	defer d.Unpin()
	return flagsOf(fd)
}

func flagsOf(fd int) (uint32, bool) {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	return flags & keptFlags, err == nil
}
