package mount

import (
	"context"
	"syscall"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/view"
)

// maxKernelName is the longest name that the kernel takes from a FUSE server
// (FUSE_NAME_MAX); it refuses the whole listing that has a longer one.
const maxKernelName = 1024

// listing is the answer to a READDIR or READDIRPLUS.
type listing struct {
	out    *fuse.DirEntryList
	plus   bool
	count  int    // entries
	full   bool   // there are more entries than it has
	ahead  bool   // nobody has asked for it
	memory []byte // of a READDIRPLUS: for the answer's header and the entries
}

// newListing returns an empty answer to a READDIRPLUS in memory for its header and
// for as much as may be asked for.
func newListing(memory []byte, in *fuse.ReadIn) *listing {
	room := memory[outHeaderSize:][:min(int(in.Size), len(memory)-outHeaderSize)]
	return &listing{out: fuse.NewDirEntryList(room, in.Offset), plus: true, memory: memory}
}

// answer is the whole answer to a request.
func (l *listing) answer(unique uint64) []byte {
	a := l.memory[:outHeaderSize+len(l.out.Bytes())]
	*(*fuse.OutHeader)(unsafe.Pointer(&a[0])) = fuse.OutHeader{Length: uint32(len(a)), Unique: unique}
	return a
}

// add adds an entry; ok is false when it does not fit any more. For a
// READDIRPLUS, entry is to be filled in, or left empty to say nothing.
func (l *listing) add(name string, inode uint64, mode uint32, offset uint64) (entry *fuse.EntryOut, ok bool) {
	d := fuse.DirEntry{Name: name, Ino: inode, Mode: mode, Off: offset}
	if l.plus {
		entry = l.out.AddDirLookupEntry(d)
		ok = entry != nil
	} else {
		ok = l.out.AddDirEntry(d)
	}
	if ok {
		l.count++
	} else {
		l.full = true
	}
	return entry, ok
}

// addDots adds "." and ".." unless they stand before the offset.
func (l *listing) addDots(offset, self, parent uint64) (ok bool) {
	if offset < offsetDot {
		if _, ok := l.add(".", self, syscall.S_IFDIR, offsetDot); !ok {
			return false
		}
	}
	if offset < offsetDotDot {
		if _, ok := l.add("..", parent, syscall.S_IFDIR, offsetDotDot); !ok {
			return false
		}
	}
	return true
}

// ReadDir lists a directory.
func (f *fileSystem) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	ctx := f.begin(&in.InHeader)
	defer ctx.end()
	return f.readDir(ctx, in, &listing{out: out})
}

func (f *fileSystem) readDir(ctx context.Context, in *fuse.ReadIn, l *listing) fuse.Status {
	if f.isTop(in.NodeId) {
		return f.readTopDir(ctx, in.NodeId, in.Offset, l)
	}
	if f.isMerged(in.NodeId) {
		return f.readMergedDir(ctx, in.NodeId, in.Offset, l)
	}
	t, e, status := f.entry(ctx, in.NodeId)
	if !status.Ok() {
		return status
	}
	parent := t.above
	if e.Pos != t.root.Pos {
		parent = t.nodeID(e.Parent)
	}
	if !l.addDots(in.Offset, in.NodeId, parent) {
		return fuse.OK
	}
	// The i-th child stands at offset i+3, behind the dots.
	from := max(in.Offset, offsetDotDot) - offsetDotDot
	err := t.List(ctx, e, from, func(i uint64, child view.Entry) bool {
		if len(child.Name) > maxKernelName {
			if l.ahead { // it is logged when somebody asks for it
				l.full = true
				return false
			}
			f.failed(ctx, t, child, "name", syscall.ENAMETOOLONG)
			return true
		}
		id := t.nodeID(child.Pos)
		entry, ok := l.add(child.Name, inode(t.number, id, child.Node), fileType(child.Type), i+offsetDotDot+1)
		if ok && l.plus {
			f.fillEntry(t, child, entry)
		}
		return ok
	})
	switch {
	case err != nil && l.ahead: // not to be kept; it is logged when somebody asks for it
		return fuse.EIO
	case err != nil && l.count == 0: // else the next READDIR meets it
		return f.failed(ctx, t, e, "directory", err)
	}
	return fuse.OK
}

// readTopDir lists a directory above the trees.
func (f *fileSystem) readTopDir(ctx context.Context, dir, offset uint64, l *listing) fuse.Status {
	c := f.list.catalog()
	if offset == 0 {
		c = f.list.fresh(ctx)
	}
	if !c.isDir(dir) {
		return statusStale
	}
	if !l.addDots(offset, dir, c.parent(dir)) {
		return fuse.OK
	}
	c.children(dir, offset, func(next uint64, name string, id uint64) bool {
		entry, ok := l.add(name, id, topMode(id), next)
		if ok && l.plus {
			f.fillListed(c, id, entry)
		}
		return ok
	})
	return fuse.OK
}

// fillListed fills in what READDIRPLUS returns for something above the trees,
// or for a snapshot's directory. Of a snapshot whose root is not known it says
// nothing: there may be thousands, and whoever wants to know its attributes
// looks it up.
func (f *fileSystem) fillListed(c *catalog, id uint64, out *fuse.EntryOut) {
	number, _ := splitTree(id)
	var ok bool
	var attr fuse.Attr
	if number == 0 {
		ok = f.topAttr(c, id, &attr).Ok()
		out.Generation = fixedGeneration
	} else {
		ok = c.byNumber[number].snapshotAttr(&attr)
		out.Generation = uint64(c.byNumber[number].generation)
	}
	if !ok {
		*out = fuse.EntryOut{}
		return
	}
	f.present(&attr)
	out.Attr = attr
	out.NodeId = id
	out.SetEntryTimeout(f.topTimeout)
	out.SetAttrTimeout(f.topTimeout)
}
