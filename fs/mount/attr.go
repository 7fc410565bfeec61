package mount

import (
	"context"
	"math"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/view"
)

// blockUnit is the unit of st_blocks, whatever the block size (stat(2)).
const blockUnit = 512

// blockSize is what st_blksize says of a file, bytes: that long ones are read best
// in long blocks, since whoever reads a byte of one has a whole frame decoded, of
// 512 KiB or more. 0 is the file system's, 4 KiB.
//
// Other files gain more by it than those it is said of. Out of another file
// system cp reads with a buffer of at least 128 KiB (coreutils 9.1) or 256 KiB
// (9.5), which glibc maps, and gives back to the system with all pages that were
// touched, for every file anew; but from the first longer one on it keeps what is
// shorter (M_MMAP_THRESHOLD in mallopt(3)).
func blockSize(size uint64) uint32 {
	switch {
	case size > 4<<20:
		return 1 << 20
	case size > 128<<10:
		return 512 << 10
	}
	return 0
}

// dirEntrySize is what an entry adds to a directory's size, as on tmpfs.
const dirEntrySize = 20

// fileType returns the S_IFMT bits of a node.
func fileType(t tree.Type) uint32 {
	switch t {
	case tree.Directory:
		return syscall.S_IFDIR
	case tree.Symlink:
		return syscall.S_IFLNK
	case tree.BlockDevice:
		return syscall.S_IFBLK
	case tree.CharDevice:
		return syscall.S_IFCHR
	case tree.FIFO:
		return syscall.S_IFIFO
	}
	return syscall.S_IFREG
}

// inode returns the st_ino of a node.
func inode(number uint32, id uint64, n *tree.Node) uint64 {
	if group, ok := n.HardLink(); ok {
		return groupInode(number, group)
	}
	return id
}

// setAttr sets all attributes of an entry from its node.
func setAttr(a *fuse.Attr, number uint32, id uint64, n *tree.Node) {
	*a = fuse.Attr{
		Ino:   inode(number, id, n),
		Mode:  fileType(n.Type) | uint32(n.Mode)&0o7777,
		Nlink: uint32(min(max(n.Links, 1), math.MaxUint32)),
		Owner: fuse.Owner{Uid: n.UID, Gid: n.GID},
	}
	switch n.Type {
	case tree.Regular:
		a.Size = n.Size
		a.Blocks = blocksOf(dataBytes(n))
		a.Blksize = blockSize(n.Size)
	case tree.Directory:
		// find(1) counts on it: two, and one for each directory in it.
		a.Nlink = uint32(min(n.Dir.Subdirs, math.MaxUint32-2)) + 2
		a.Size = n.Dir.Entries * dirEntrySize
	case tree.Symlink:
		a.Size = uint64(len(n.Target))
	case tree.BlockDevice, tree.CharDevice:
		a.Rdev = kernelDevice(n.Rdev)
	}
	setTimes(a, n)
}

func setTimes(a *fuse.Attr, n *tree.Node) {
	access, change := n.AccessTime, n.ChangeTime
	if access.IsZero() {
		access = n.ModTime
	}
	if change.IsZero() {
		change = n.ModTime
	}
	a.Atime, a.Atimensec = uint64(access.Sec), access.Nsec
	a.Mtime, a.Mtimensec = uint64(n.ModTime.Sec), n.ModTime.Nsec
	a.Ctime, a.Ctimensec = uint64(change.Sec), change.Nsec
}

// kernelDevice converts a device number from the C library's 64 bits to the
// kernel's 32 (new_encode_dev in linux/kdev_t.h).
func kernelDevice(dev uint64) uint32 {
	major, minor := unix.Major(dev), unix.Minor(dev)
	return minor&0xff | major<<8 | minor&^0xff<<12
}

func blocksOf(bytes uint64) uint64 { return bytes/blockUnit + min(bytes%blockUnit, 1) }

// dataBytes returns how much of a file is not hole, so that du, cp and tar see
// which files are sparse.
func dataBytes(n *tree.Node) uint64 {
	if n.Content.Pages.Parts > 0 {
		return n.Size - min(n.Content.Pages.Holes, n.Size)
	}
	bytes := uint64(len(n.Content.Inline))
	for _, p := range n.Content.Parts {
		if !p.IsHole() {
			bytes += p.Length
		}
	}
	return bytes
}

// attr sets the attributes of an entry.
func (t *openTree) attr(e view.Entry, a *fuse.Attr) {
	setAttr(a, t.number, t.nodeID(e.Pos), e.Node)
	if e.Pos == t.root.Pos && t.modTime != nil {
		a.Mtime, a.Mtimensec = uint64(t.modTime.Sec), t.modTime.Nsec
	}
}

// GetAttr answers stat.
func (f *fileSystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	ctx := f.begin(&in.InHeader)
	defer ctx.end()
	_, timeout, status := f.attrOf(ctx, in.NodeId, &out.Attr)
	out.SetTimeout(timeout)
	return status
}

// attrOf sets a node's attributes and says how long they hold. The entry is
// that of the tree, without a node for what is no entry of one.
func (f *fileSystem) attrOf(ctx context.Context, id uint64, a *fuse.Attr) (e view.Entry, timeout time.Duration, status fuse.Status) {
	timeout = f.topTimeout
	switch {
	case f.isTop(id):
		status = f.topAttr(f.list.fresh(ctx), id, a)
	case f.isMerged(id):
		status = f.mergedAttr(ctx, id, a)
	default:
		var t *openTree
		if t, e, status = f.entry(ctx, id); status.Ok() {
			t.attr(e, a)
		}
		timeout = forever
	}
	f.present(a)
	return e, timeout, status
}

// Statx answers statx when somebody wants the birth time.
func (f *fileSystem) Statx(_ <-chan struct{}, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	ctx := f.begin(&in.InHeader)
	defer ctx.end()
	var a fuse.Attr
	e, timeout, status := f.attrOf(ctx, in.NodeId, &a)
	if !status.Ok() {
		return status
	}
	out.SetTimeout(timeout)
	setStatx(&out.Statx, &a)
	if e.Node != nil && !e.BirthTime.IsZero() {
		out.Mask |= unix.STATX_BTIME
		out.Btime = fuse.SxTime{Sec: uint64(e.BirthTime.Sec), Nsec: e.BirthTime.Nsec}
	}
	return fuse.OK
}

func setStatx(s *fuse.Statx, a *fuse.Attr) {
	s.Mask = unix.STATX_BASIC_STATS
	s.Ino, s.Size, s.Blocks, s.Blksize = a.Ino, a.Size, a.Blocks, a.Blksize
	s.Mode, s.Nlink = uint16(a.Mode), a.Nlink
	s.Uid, s.Gid = a.Uid, a.Gid
	s.RdevMajor, s.RdevMinor = a.Rdev>>8&0xfff, a.Rdev&0xff|a.Rdev>>12&0xfff00
	s.Atime = fuse.SxTime{Sec: a.Atime, Nsec: a.Atimensec}
	s.Mtime = fuse.SxTime{Sec: a.Mtime, Nsec: a.Mtimensec}
	s.Ctime = fuse.SxTime{Sec: a.Ctime, Nsec: a.Ctimensec}
}
