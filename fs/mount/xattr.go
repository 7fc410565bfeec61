package mount

import (
	"github.com/hanwen/go-fuse/v2/fuse"
)

// absent is the answer for an attribute that occurs nowhere in the mount. In a
// mount that cannot come to hold any it is ENOSYS, after which the kernel does
// not ask again; else it is what makes ls and cp stop asking.
func (f *fileSystem) absent() fuse.Status {
	if f.single != nil && f.fixed.none() {
		return fuse.ENOSYS
	}
	return statusUnsupported
}

// GetXAttr returns the value of an extended attribute.
func (f *fileSystem) GetXAttr(cancel <-chan struct{}, header *fuse.InHeader, name string, dest []byte) (uint32, fuse.Status) {
	if !f.families().mayHold(name) {
		return 0, f.absent()
	}
	if f.isTop(header.NodeId) {
		return 0, fuse.ENODATA
	}
	ctx := newRequest(cancel)
	defer ctx.end()
	_, e, status := f.entry(ctx, header.NodeId)
	if !status.Ok() {
		return 0, status
	}
	for _, x := range e.Xattrs {
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
func (f *fileSystem) ListXAttr(cancel <-chan struct{}, header *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	if f.families().none() {
		return 0, f.absent()
	}
	if f.isTop(header.NodeId) {
		return 0, fuse.OK
	}
	ctx := newRequest(cancel)
	defer ctx.end()
	_, e, status := f.entry(ctx, header.NodeId)
	if !status.Ok() {
		return 0, status
	}
	size := 0
	for _, x := range e.Xattrs {
		size += len(x.Name) + 1
	}
	if size > len(dest) {
		return uint32(size), fuse.ERANGE
	}
	dest = dest[:0]
	for _, x := range e.Xattrs {
		dest = append(append(dest, x.Name...), 0)
	}
	return uint32(size), fuse.OK
}
