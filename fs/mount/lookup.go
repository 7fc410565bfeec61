package mount

import (
	"io/fs"

	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/view"
)

// maxName is the longest file name of Linux file systems, bytes.
const maxName = 255

// Lookup finds a name in a directory. The kernel asks for "." and ".." when a
// file handle is opened whose entry it does not know any more.
func (f *fileSystem) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	ctx := f.begin(header)
	defer ctx.end()
	if f.isTop(header.NodeId) {
		return f.lookupTop(ctx, header.NodeId, name, out)
	}
	if f.isMerged(header.NodeId) {
		return f.lookupMerged(ctx, header.NodeId, name, out)
	}
	t, e, status := f.entry(ctx, header.NodeId)
	if !status.Ok() {
		return status
	}
	switch name {
	case ".":
	case "..":
		if e.Pos == t.root.Pos {
			if f.single == nil {
				return f.topEntry(ctx, f.list.catalog(), t.above, out)
			}
			break // the root of the mount is its own parent
		}
		if t, e, status = f.entry(ctx, t.nodeID(e.Parent)); !status.Ok() {
			return status
		}
	default:
		child, err := t.Lookup(ctx, e, name)
		if err == fs.ErrNotExist { // as it is; a loader's, wrapped, is a loss
			if len(name) > maxName {
				return statusNameTooLong
			}
			out.SetEntryTimeout(forever)
			return fuse.OK // with no node: the kernel remembers that there is none
		}
		if err != nil {
			return f.failed(ctx, t, e, "directory", err)
		}
		e = child
	}
	f.fillEntry(t, e, out)
	return fuse.OK
}

// fillEntry fills in what LOOKUP and READDIRPLUS return for an entry of a tree.
func (f *fileSystem) fillEntry(t *openTree, e view.Entry, out *fuse.EntryOut) {
	out.NodeId = t.nodeID(e.Pos)
	out.Generation = uint64(t.generation)
	if e.Pos == t.root.Pos && f.single == nil {
		out.SetEntryTimeout(f.topTimeout)
	} else {
		out.SetEntryTimeout(forever)
	}
	out.SetAttrTimeout(forever)
	t.attr(e, &out.Attr)
	f.present(&out.Attr)
	f.recent.put(out.NodeId, e)
}
