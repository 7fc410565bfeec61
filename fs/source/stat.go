package source

import (
	"garret/fs/tree"

	"golang.org/x/sys/unix"
)

// Stat is what statx says about an entry.
type Stat struct {
	Dev, Ino   uint64
	Mount      uint64 // id of the mount, 0 when the kernel does not tell
	Links      uint64
	Rdev       uint64
	Size       uint64 // bytes
	Blocks     uint64 // allocated, in units of 512 bytes
	UID, GID   uint32
	Mode       uint16 // type and permissions, as in st_mode
	Attributes uint64 // STATX_ATTR_…

	ModTime, ChangeTime, BirthTime, AccessTime tree.Time
}

func (s *Stat) from(x *unix.Statx_t) {
	*s = Stat{
		Dev: unix.Mkdev(x.Dev_major, x.Dev_minor), Ino: x.Ino,
		Links: uint64(x.Nlink), Size: x.Size, Blocks: x.Blocks,
		UID: x.Uid, GID: x.Gid, Mode: x.Mode, Attributes: x.Attributes,
		ModTime: timeOf(x.Mtime), ChangeTime: timeOf(x.Ctime), AccessTime: timeOf(x.Atime),
	}
	if x.Mask&unix.STATX_BTIME != 0 {
		s.BirthTime = timeOf(x.Btime)
	}
	if x.Mask&unix.STATX_MNT_ID != 0 {
		s.Mount = x.Mnt_id
	}
	switch x.Mode & unix.S_IFMT {
	case unix.S_IFBLK, unix.S_IFCHR:
		s.Rdev = unix.Mkdev(x.Rdev_major, x.Rdev_minor)
	}
}

func timeOf(t unix.StatxTimestamp) tree.Time { return tree.Time{Sec: t.Sec, Nsec: t.Nsec} }

// Type returns the type of node the entry makes; ok is false for a socket and
// for anything else that is not stored.
func (s *Stat) Type() (t tree.Type, ok bool) {
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return tree.Regular, true
	case unix.S_IFDIR:
		return tree.Directory, true
	case unix.S_IFLNK:
		return tree.Symlink, true
	case unix.S_IFBLK:
		return tree.BlockDevice, true
	case unix.S_IFCHR:
		return tree.CharDevice, true
	case unix.S_IFIFO:
		return tree.FIFO, true
	}
	return 0, false
}

// IsDir reports whether the entry is a directory.
func (s *Stat) IsDir() bool { return s.Mode&unix.S_IFMT == unix.S_IFDIR }

// IsSymlink reports whether the entry is a symbolic link.
func (s *Stat) IsSymlink() bool { return s.Mode&unix.S_IFMT == unix.S_IFLNK }

// IsSocket reports whether the entry is a socket.
func (s *Stat) IsSocket() bool { return s.Mode&unix.S_IFMT == unix.S_IFSOCK }

// SameInode reports whether s and t are the same file.
func (s *Stat) SameInode(t *Stat) bool { return s.Dev == t.Dev && s.Ino == t.Ino }

// SameVersion reports whether nothing about the file was changed between s and
// t, as far as its times and size can tell.
func (s *Stat) SameVersion(t *Stat) bool {
	return s.SameInode(t) && s.Mode == t.Mode && s.Size == t.Size &&
		s.ModTime == t.ModTime && s.ChangeTime == t.ChangeTime
}

// Sparse reports whether fewer blocks are allocated than the size needs: then
// there is a hole. There may be one otherwise too, beside blocks that hold
// attributes or lie beyond the end.
func (s *Stat) Sparse() bool { return s.Blocks < s.Size/512 }

// Fill sets the metadata of n that s holds, all but the device ordinal, the
// access time and what takes another system call; of the inode flags those that
// statx tells. It leaves the name, content and directory totals alone.
func (s *Stat) Fill(n *tree.Node, names *Accounts) {
	n.Type, _ = s.Type()
	n.Mode = s.Mode & 0o7777
	n.UID, n.GID = s.UID, s.GID
	n.User, n.Group = names.User(s.UID), names.Group(s.GID)
	n.ModTime, n.ChangeTime, n.BirthTime = s.ModTime, s.ChangeTime, s.BirthTime
	n.Inode, n.Links, n.Rdev = s.Ino, s.Links, s.Rdev
	n.Flags = uint32(s.Attributes & statFlags)
	n.Size = 0
	if n.Type == tree.Regular {
		n.Size = s.Size
	}
}
