package snapshot

import (
	"slices"
	"sync/atomic"
	"unsafe"

	"garret/fs/source"
	"garret/fs/tree"
)

// links remembers the content of files that have more names, so that it is
// read once. It is match's, but for the content of a link, which assemble
// fills in when it comes by: before any entry that refers to it, because they
// go in order.
type links struct {
	byInode map[linkKey]*link
	bytes   atomic.Int64
}

type linkKey struct{ dev, ino uint64 }

// link is one inode with several names.
type link struct {
	stat source.Stat // of the name met first
	left uint64      // names not met yet

	// By assemble.
	ok    bool      // the file could be read as stat says
	node  tree.Node // size, content, digest and attributes
	bytes int64     // what it holds
}

// maxLinkBytes bounds what links hold. A file beyond it is read again by its
// next name; its blobs are not stored again.
const (
	maxLinkBytes = 16 << 20
	linkOverhead = 1 << 10
)

// meet is asked for each name of a file. It sets what e shall do with the link:
// copy from it, or fill it in when it is worth remembering, or forget it.
func (l *links) meet(e *entry) {
	st := &e.stat
	if st.Links < 2 {
		return
	}
	key := linkKey{st.Dev, st.Ino}
	k := l.byInode[key]
	if k == nil {
		if l.bytes.Load() < maxLinkBytes {
			e.link = l.remember(key, st, st.Links-1)
		}
		return
	}
	k.left--
	same := k.stat.SameVersion(st)
	if same {
		e.link, e.how = k, fromLink
	}
	if k.left == 0 || !same {
		e.forget = k
		delete(l.byInode, key)
	}
	if k.left > 0 && !same { // it was changed since: what is read now is newer
		e.link = l.remember(key, st, k.left)
	}
}

func (l *links) remember(key linkKey, st *source.Stat, left uint64) *link {
	k := &link{stat: *st, left: left, bytes: linkOverhead}
	l.bytes.Add(k.bytes)
	if l.byInode == nil {
		l.byInode = map[linkKey]*link{}
	}
	l.byInode[key] = k
	return k
}

// fill remembers what n has. The node's slices are used again, so it copies.
func (l *links) fill(k *link, n *tree.Node) {
	k.ok = true
	k.node.Size, k.node.Digest, k.node.Xattrs, k.node.Flags = n.Size, slices.Clone(n.Digest), n.Xattrs, n.Flags
	k.node.Content = tree.Content{Inline: slices.Clone(n.Content.Inline), Parts: slices.Clone(n.Content.Parts), Pages: n.Content.Pages}
	more := int64(len(k.node.Content.Parts)) * int64(unsafe.Sizeof(tree.Part{}))
	k.bytes += more
	l.bytes.Add(more)
}

// forgotten accounts for a link that nothing refers to any more.
func (l *links) forgotten(k *link) { l.bytes.Add(-k.bytes) }

// copyTo gives another name what the first has.
func (k *link) copyTo(n *tree.Node) {
	n.Size, n.Digest, n.Xattrs, n.Flags, n.Content = k.node.Size, k.node.Digest, k.node.Xattrs, k.node.Flags, k.node.Content
}
