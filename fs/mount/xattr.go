package mount

import (
	"context"

	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/tree"
)

// absent is the answer for an attribute that occurs nowhere in the mount. Where
// there are none at all it is ENOSYS, after which the kernel does not ask again,
// for any of them; else it is what makes ls stop asking.
func (f *fileSystem) absent() fuse.Status {
	if f.families().none() && (f.single != nil || f.list.deny()) {
		return fuse.ENOSYS
	}
	return statusUnsupported
}

// xattrs returns the extended attributes that a node shows.
func (f *fileSystem) xattrs(ctx context.Context, id uint64) ([]tree.Xattr, fuse.Status) {
	if f.isTop(id) {
		return nil, fuse.OK
	}
	if f.isMerged(id) {
		_, m, status := f.mergedNow(ctx, id)
		if !status.Ok() || m.shown.xattrs == 0 {
			return nil, status
		}
		id = m.shown.xattrs
	}
	_, e, status := f.entry(ctx, id)
	if !status.Ok() {
		return nil, status
	}
	return e.Xattrs, fuse.OK
}

// GetXAttr returns the value of an extended attribute.
func (f *fileSystem) GetXAttr(_ <-chan struct{}, header *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	hidden := isACL(name) && f.hidesACLs()
	if hidden || !f.families().mayHold(name) {
		if isACL(name) && f.enforcesACLs() {
			// The kernel asks for itself, and takes another error for a
			// reason to let nobody in.
			return 0, fuse.ENODATA
		}
		if hidden {
			return 0, statusUnsupported
		}
		return 0, f.absent()
	}
	ctx := f.begin(header)
	defer ctx.end()
	list, status := f.xattrs(ctx, header.NodeId)
	if !status.Ok() {
		return 0, status
	}
	for _, x := range list {
		if x.Name == name {
			if len(x.Value) > len(dest) {
				return uint32(len(x.Value)), fuse.ERANGE
			}
			return uint32(copy(dest, x.Value)), fuse.OK
		}
	}
	return 0, fuse.ENODATA
}

// ListXAttr returns the names of the extended attributes, each ended by NUL.
func (f *fileSystem) ListXAttr(_ <-chan struct{}, header *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	if f.families().none() {
		return 0, f.absent()
	}
	ctx := f.begin(header)
	defer ctx.end()
	list, status := f.xattrs(ctx, header.NodeId)
	if !status.Ok() {
		return 0, status
	}
	size := 0
	shown := func(x *tree.Xattr) bool { return !f.hidesACLs() || !isACL(x.Name) }
	for i := range list {
		if shown(&list[i]) {
			size += len(list[i].Name) + 1
		}
	}
	if size > len(dest) {
		return uint32(size), fuse.ERANGE
	}
	dest = dest[:0]
	for i := range list {
		if shown(&list[i]) {
			dest = append(append(dest, list[i].Name...), 0)
		}
	}
	return uint32(size), fuse.OK
}
