package mount

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// read answers a READ.
func (f *fileSystem) read(in *fuse.ReadIn) (*answer, fuse.Status) {
	ctx := f.begin(&in.InHeader)
	defer ctx.end()
	if f.isSynthetic(in.NodeId) {
		return nil, fuse.EISDIR
	}
	t, e, status := f.entry(ctx, in.NodeId)
	if !status.Ok() {
		return nil, status
	}
	if e.Type != tree.Regular || in.Offset > math.MaxInt64 {
		return nil, fuse.EINVAL
	}
	length := uint64(min(in.Size, maxRequest))
	a := &answer{}
	if f.leads(t, e, in.Offset) {
		a.after = func() { f.push(t, e) }
	}
	// A short answer tells the kernel that the file ends there, and it would
	// cut it: so all that was asked for, or nothing.
	whole, err := t.Slices(ctx, e, &a.loan, in.Offset, length, maxPieces)
	a.pieces = a.loan.Pieces
	if err == nil && !whole {
		buf := make([]byte, length)
		var n int
		n, err = t.ReadAt(ctx, e, buf, int64(in.Offset))
		a.pieces = [][]byte{buf[:n]}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, f.readFailed(ctx, t, e, in.Offset, length, err)
	}
	for _, p := range a.pieces {
		a.size += len(p)
	}
	return a, fuse.OK
}

// Lseek finds data and holes.
func (f *fileSystem) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	ctx := f.begin(&in.InHeader)
	defer ctx.end()
	if f.isSynthetic(in.NodeId) {
		return fuse.EINVAL
	}
	t, e, status := f.entry(ctx, in.NodeId)
	if !status.Ok() {
		return status
	}
	if e.Type != tree.Regular || in.Offset > math.MaxInt64 {
		return fuse.EINVAL
	}
	seek := t.SeekData
	switch in.Whence {
	case unix.SEEK_DATA:
	case unix.SEEK_HOLE:
		seek = t.SeekHole
	default:
		return fuse.EINVAL
	}
	offset, err := seek(ctx, e, int64(in.Offset))
	if errors.Is(err, syscall.ENXIO) {
		return statusNoData
	}
	if err != nil {
		return f.failed(ctx, t, e, "content list", err)
	}
	out.Offset = uint64(offset)
	return fuse.OK
}

// Readlink returns where a link leads.
func (f *fileSystem) Readlink(_ <-chan struct{}, header *fuse.InHeader) ([]byte, fuse.Status) {
	ctx := f.begin(header)
	defer ctx.end()
	if f.isTop(header.NodeId) {
		target, _, ok := f.list.catalog().target(header.NodeId)
		if !ok {
			return nil, statusStale
		}
		return []byte(target), fuse.OK
	}
	if f.isMerged(header.NodeId) {
		return nil, fuse.EINVAL
	}
	_, e, status := f.entry(ctx, header.NodeId)
	if !status.Ok() {
		return nil, status
	}
	if e.Type != tree.Symlink {
		return nil, fuse.EINVAL
	}
	if len(e.Target) >= unix.PathMax {
		return nil, statusNameTooLong
	}
	return []byte(e.Target), fuse.OK
}

// Ioctl answers lsattr: the inode flags that the source had.
func (f *fileSystem) Ioctl(_ <-chan struct{}, in *fuse.IoctlIn, _ []byte, _ *fuse.IoctlOut, buf []byte) fuse.Status {
	if in.Cmd != unix.FS_IOC_GETFLAGS || len(buf) < 4 || f.isSynthetic(in.NodeId) {
		return statusNotTTY
	}
	ctx := f.begin(&in.InHeader)
	defer ctx.end()
	_, e, status := f.entry(ctx, in.NodeId)
	if !status.Ok() {
		return status
	}
	clear(buf)
	binary.NativeEndian.PutUint32(buf, e.Flags)
	return fuse.OK
}
