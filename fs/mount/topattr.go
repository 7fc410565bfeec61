package mount

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// topMode returns the mode of a node above the trees, or of a snapshot's
// directory.
func topMode(id uint64) uint32 {
	if number, _ := splitTree(id); number != 0 {
		return syscall.S_IFDIR | 0o755
	}
	if k, _ := splitTop(id); k == kindFixed || k == kindHost {
		return syscall.S_IFDIR | 0o755
	}
	return syscall.S_IFLNK | 0o777
}

// topAttr sets the attributes of a node above the trees.
func (f *fileSystem) topAttr(c *catalog, id uint64, a *fuse.Attr) fuse.Status {
	*a = fuse.Attr{Ino: id, Mode: topMode(id), Nlink: 1, Owner: f.owner}
	when := c.changed
	if a.Mode&syscall.S_IFMT == syscall.S_IFLNK {
		target, s, ok := c.target(id)
		if !ok {
			return statusStale
		}
		a.Size = uint64(len(target))
		when = s.Time
	} else {
		if !c.isDir(id) {
			return statusStale
		}
		a.Nlink = 2
		switch id {
		case nodeRoot:
			a.Nlink += uint32(len(fixedDirs))
		case nodeSnapshots:
			a.Nlink += uint32(len(c.snapshots))
		case nodeHosts:
			a.Nlink += uint32(len(c.hosts))
		}
	}
	a.SetTimes(&when, &when, &when)
	return fuse.OK
}

// lookupTop answers a LOOKUP in a directory above the trees.
func (f *fileSystem) lookupTop(ctx context.Context, dir uint64, name string, out *fuse.EntryOut) fuse.Status {
	c := f.list.fresh(ctx)
	id, ok := dir, true
	switch {
	case name == ".":
	case name == "..":
		id = c.parent(dir)
	case !c.isDir(dir):
		return statusStale
	default:
		id, ok = c.child(dir, name)
	}
	out.SetEntryTimeout(f.topTimeout)
	if !ok {
		if len(name) > maxName {
			return statusNameTooLong
		}
		return fuse.OK // with no node: the kernel remembers that there is none
	}
	return f.topEntry(ctx, c, id, out)
}

// topEntry fills in what LOOKUP returns for something above the trees, or for
// a snapshot's directory.
func (f *fileSystem) topEntry(ctx context.Context, c *catalog, id uint64, out *fuse.EntryOut) fuse.Status {
	out.NodeId = id
	out.SetEntryTimeout(f.topTimeout)
	if number, _ := splitTree(id); number == 0 {
		out.Generation = fixedGeneration
		out.SetAttrTimeout(f.topTimeout)
		status := f.topAttr(c, id, &out.Attr)
		f.present(&out.Attr)
		return status
	}
	number, _ := splitTree(id)
	s := c.byNumber[number]
	out.Generation = uint64(s.generation)
	out.SetAttrTimeout(forever)
	if !s.snapshotAttr(&out.Attr) {
		t, err := f.trees.get(ctx, s)
		if err != nil {
			return f.openFailed(ctx, s, err)
		}
		t.attr(t.root, &out.Attr)
	}
	f.present(&out.Attr)
	return fuse.OK
}

// snapshotAttr sets the attributes of a snapshot's directory, if the root of
// its tree is known.
func (s *listed) snapshotAttr(a *fuse.Attr) (ok bool) {
	root := s.root.Load()
	if root == nil {
		return false
	}
	setAttr(a, s.number, treeNode(s.number, 0), root)
	a.SetTimes(nil, &s.Time, nil)
	return true
}
