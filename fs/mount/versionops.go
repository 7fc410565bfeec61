package mount

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// offsetVersions is the offset of a path's first version in its listing; the
// children follow.
const offsetVersions = offsetDotDot + 1

// isMerged reports whether the node is a path of the versions view.
func (f *fileSystem) isMerged(id uint64) bool {
	return f.versions != nil && (id == nodeRoot || id&mergedBit != 0)
}

// isSynthetic reports whether the node is no entry of a tree.
func (f *fileSystem) isSynthetic(id uint64) bool { return f.isTop(id) || f.isMerged(id) }

// mergedNow returns the newest edition and the path that a node ID stands for.
func (f *fileSystem) mergedNow(ctx context.Context, id uint64) (*edition, *merged, fuse.Status) {
	e := f.versions.of(f.list.fresh(ctx))
	m, status := e.path(ctx, id)
	return e, m, status
}

// lookupMerged answers a LOOKUP in a path.
func (f *fileSystem) lookupMerged(ctx context.Context, dir uint64, name string, out *fuse.EntryOut) fuse.Status {
	e, m, status := f.mergedNow(ctx, dir)
	if !status.Ok() {
		return status
	}
	switch name {
	case ".":
	case "..":
		m, status = e.path(ctx, m.parent)
	default:
		if v := m.findVersion(name); v != nil {
			return f.versionEntry(ctx, e, v, out)
		}
		m, status = e.child(ctx, m, name)
	}
	out.SetEntryTimeout(f.topTimeout)
	if status == fuse.ENOENT {
		if len(name) > maxName {
			return statusNameTooLong
		}
		return fuse.OK // with no node: the kernel remembers that there is none
	}
	if !status.Ok() {
		return status
	}
	f.fillMerged(m.id, m.generation, &m.shown, e.nsec(m), out)
	return fuse.OK
}

// fillMerged fills in what LOOKUP and READDIRPLUS return for a path.
func (f *fileSystem) fillMerged(id uint64, generation uint32, s *shown, nsec uint32, out *fuse.EntryOut) {
	out.NodeId = id
	out.Generation = uint64(generation)
	out.SetEntryTimeout(f.topTimeout)
	out.SetAttrTimeout(f.topTimeout)
	s.attr(id, nsec, &out.Attr)
	f.present(&out.Attr)
}

// versionEntry fills in what LOOKUP and READDIRPLUS return for a version. It
// never changes; but when the oldest snapshot that has it is removed, it gets
// another name.
func (f *fileSystem) versionEntry(ctx context.Context, e *edition, v *version, out *fuse.EntryOut) fuse.Status {
	t, entry, status := f.entry(ctx, e.versionID(v))
	if !status.Ok() {
		return status
	}
	f.fillEntry(t, entry, out)
	out.SetEntryTimeout(f.topTimeout)
	return fuse.OK
}

// mergedAttr answers a GETATTR.
func (f *fileSystem) mergedAttr(ctx context.Context, id uint64, a *fuse.Attr) fuse.Status {
	e, m, status := f.mergedNow(ctx, id)
	if status.Ok() {
		m.shown.attr(id, e.nsec(m), a)
	}
	return status
}

// readMergedDir lists a path: its versions, then its children.
func (f *fileSystem) readMergedDir(ctx context.Context, dir, offset uint64, l *listing) fuse.Status {
	e := f.versions.of(f.list.catalog())
	if offset == 0 {
		e = f.versions.of(f.list.fresh(ctx))
	}
	m, status := e.path(ctx, dir)
	if !status.Ok() {
		return status
	}
	if !l.addDots(offset, dir, m.parent) {
		return fuse.OK
	}
	count := uint64(len(m.versions))
	for i := max(offset, offsetDotDot) - offsetDotDot; i < count; i++ {
		v := &m.versions[i]
		t, entry, status := f.entry(ctx, e.versionID(v))
		if status == fuse.EINTR {
			return l.status(status)
		}
		if !status.Ok() { // its page is lost, which has been logged
			continue
		}
		id := e.versionID(v)
		out, ok := l.add(v.name, inode(t.number, id, entry.Node), fileType(entry.Type), offsetVersions+i)
		if !ok {
			return fuse.OK
		}
		if l.plus {
			f.fillEntry(t, entry, out)
			out.SetEntryTimeout(f.topTimeout)
		}
	}
	first := offsetDotDot + count // offset before the first child
	c, status := e.cursorAt(ctx, m, max(offset, first)-first)
	if !status.Ok() {
		return l.status(status)
	}
	return f.readChildren(ctx, e, c, first, l)
}

// readChildren lists a path's children from the cursor on.
func (f *fileSystem) readChildren(ctx context.Context, e *edition, c *cursor, first uint64, l *listing) fuse.Status {
	for {
		group, status := c.peek(ctx)
		if !status.Ok() {
			return l.status(status) // the next READDIR meets it
		}
		if group == nil {
			return fuse.OK
		}
		name := group[0].entry.Name
		if len(name) > maxKernelName {
			if t, status := e.tree(ctx, group[0].first); status.Ok() {
				f.failed(ctx, t, group[0].entry, "name", syscall.ENAMETOOLONG)
			}
			c.advance()
			continue
		}
		id := e.mergedID(&group[0])
		out, ok := l.add(name, id, syscall.S_IFDIR, first+c.next+1)
		if !ok {
			e.cursors.put(c)
			return fuse.OK
		}
		if l.plus {
			s := e.show(group)
			f.fillMerged(id, e.snapshots[group[0].first].generation, &s, e.nsec(c.dir), out)
		}
		c.advance()
	}
}

// status is the answer to a listing that met an error: what was added before it
// is shown first.
func (l *listing) status(s fuse.Status) fuse.Status {
	if l.count > 0 {
		return fuse.OK
	}
	return s
}
