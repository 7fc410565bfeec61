package tarball

import (
	"strings"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/view"
)

var typeflags = map[tree.Type]byte{
	tree.Regular: typeFile, tree.Directory: typeDirectory, tree.Symlink: typeSymlink,
	tree.BlockDevice: typeBlock, tree.CharDevice: typeChar, tree.FIFO: typeFIFO,
}

// write writes one entry.
func (e *exporter) write(path string, n view.Entry) error {
	h := header{
		typeflag: typeflags[n.Type], name: path, link: n.Target, mode: n.Mode, uid: n.UID, gid: n.GID,
		user: n.User, group: n.Group, mtime: n.ModTime,
	}
	if n.Type == tree.Directory {
		h.name += "/"
	}
	if n.Type == tree.CharDevice || n.Type == tree.BlockDevice {
		h.major, h.minor = unix.Major(n.Rdev), unix.Minor(n.Rdev)
	}
	if !n.AccessTime.IsZero() {
		h.records.add("atime", formatTime(n.AccessTime))
	}
	e.stats.Entries++
	if first := e.firstName(path, n.Node); first != "" {
		e.stats.Links++
		h.typeflag, h.link = typeLink, first
		return e.header(&h)
	}
	h.attributes(n.Xattrs)
	if n.Type != tree.Regular {
		return e.header(&h)
	}
	return e.file(path, &h, n)
}

// firstName returns the name that an entry has in the archive already, if any.
func (e *exporter) firstName(path string, n *tree.Node) string {
	group, ok := n.HardLink()
	if !ok {
		return ""
	}
	l := e.links[group]
	if l == nil {
		e.links[group] = &linked{path, n.Links - 1}
		return ""
	}
	if l.left--; l.left == 0 {
		delete(e.links, group)
	}
	return l.name
}

// attributes adds extended attributes and ACLs.
func (h *header) attributes(list []tree.Xattr) {
	for _, x := range list {
		if key, ok := aclKeys[x.Name]; ok {
			if text, ok := aclText(x.Value); ok {
				h.records.add(key, text)
				continue
			}
		}
		h.records.add(xattrRecord+xattrEncoding.Replace(x.Name), string(x.Value))
	}
}

const xattrRecord = "SCHILY.xattr."

// xattrEncoding is how GNU tar writes names: = would end a record's key.
var (
	xattrEncoding = strings.NewReplacer("%", "%25", "=", "%3D")
	xattrDecoding = strings.NewReplacer("%25", "%", "%3D", "=")
)

// file writes a regular file.
func (e *exporter) file(path string, h *header, n view.Entry) error {
	c := content{exporter: e, entry: n}
	var sparseMap []byte
	if n.Allocated() < n.Size {
		c.findHoles()
		sparseMap = c.keep.sparseMap(n.Size)
		h.sparse(n.Node)
	} else if n.Size > 0 {
		c.keep.add(0, n.Size)
	}
	h.size = uint64(len(sparseMap)) + c.keep.size()
	if err := e.ctx.Err(); err != nil {
		return err
	}
	err := e.header(h)
	if err == nil {
		err = e.put(sparseMap)
	}
	if err == nil {
		err = c.write()
	}
	if err == nil {
		err = e.zeros(padding(h.size))
	}
	if err != nil {
		return err
	}
	e.stats.Bytes += n.Size
	if c.lost.Bytes > 0 {
		e.stats.Lost += c.lost.Bytes
		e.warn(path, &c.lost)
	}
	return nil
}

func (e *exporter) header(h *header) error {
	e.block = h.append(e.block[:0])
	return e.put(e.block)
}
