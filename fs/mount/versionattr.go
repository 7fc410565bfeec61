package mount

import (
	"bytes"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/tree"
)

// shown is what stat and getxattr show of a path of the versions view.
type shown struct {
	mode     uint16
	uid, gid uint32
	modified tree.Time
	changed  tree.Time
	xattrs   uint64 // node ID of the entry whose attributes are shown, 0 for none
}

// show describes a path by what is newest there, by a directory if it is one in
// any snapshot. When other users are let in, a directory whose permissions were
// not always the same is closed to all but the one who mounts: what it once
// protected must not be reached through what it later allowed.
func (e *edition) show(all []found) shown {
	s := shown{mode: 0o755, uid: e.f.owner.Uid, gid: e.f.owner.Gid}
	var dir, newest *found
	for i := range all {
		f := &all[i]
		if newest == nil || f.last >= newest.last {
			newest = f
		}
		if f.entry.Type == tree.Directory && (dir == nil || f.last >= dir.last) {
			dir = f
		}
	}
	if newest == nil {
		return s
	}
	s.modified, s.changed = newest.entry.ModTime, newest.entry.ChangeTime
	s.uid, s.gid = newest.entry.UID, newest.entry.GID
	if dir == nil {
		return s
	}
	s.mode, s.uid, s.gid = dir.entry.Mode&0o7777, dir.entry.UID, dir.entry.GID
	if len(dir.entry.Xattrs) > 0 {
		s.xattrs = treeNode(e.snapshots[dir.first].number, dir.entry.Pos)
	}
	if e.f.options.AllowOther {
		for i := range all {
			if n := all[i].entry.Node; n.Type == tree.Directory && !sameAccess(n, dir.entry.Node) {
				return shown{mode: 0o700, uid: e.f.owner.Uid, gid: e.f.owner.Gid, modified: s.modified, changed: s.changed}
			}
		}
	}
	return s
}

// sameAccess reports whether two directories let the same users in.
func sameAccess(a, b *tree.Node) bool {
	return a.Mode&0o7777 == b.Mode&0o7777 && a.UID == b.UID && a.GID == b.GID && bytes.Equal(accessACL(a), accessACL(b))
}

func accessACL(n *tree.Node) []byte {
	for _, x := range n.Xattrs {
		if x.Name == aclAccess {
			return x.Value
		}
	}
	return nil
}

// attr sets the attributes of a path. One link means that it is not known how
// many directories are below (as on btrfs): find(1) then looks. The nanoseconds
// of the mtime stand for the set of snapshots, by which the kernel sees whether
// a listing that it has cached still holds.
func (s *shown) attr(id uint64, nsec uint32, a *fuse.Attr) {
	*a = fuse.Attr{
		Ino:   id,
		Mode:  syscall.S_IFDIR | uint32(s.mode),
		Nlink: 1,
		Owner: fuse.Owner{Uid: s.uid, Gid: s.gid},
	}
	setTimes(a, &tree.Node{ModTime: s.modified, ChangeTime: s.changed})
	a.Mtimensec = nsec
}

// nsec returns the nanoseconds that a path's mtime has.
func (e *edition) nsec(m *merged) uint32 {
	if !m.failed.IsZero() {
		return uint32(m.failed.Nanosecond())
	}
	return e.stamp
}
