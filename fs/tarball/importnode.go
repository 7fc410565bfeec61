package tarball

import (
	"archive/tar"
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

var typesOf = map[byte]tree.Type{
	tar.TypeReg: tree.Regular, tar.TypeCont: tree.Regular, tar.TypeGNUSparse: tree.Regular, tar.TypeDir: tree.Directory,
	tar.TypeSymlink: tree.Symlink, tar.TypeBlock: tree.BlockDevice, tar.TypeChar: tree.CharDevice, tar.TypeFifo: tree.FIFO,
}

// nodeOf makes a header a node, without its name, its place, and its content.
// An archive has no change times: they are the modification's, so that the same
// archive is the same tree whenever it is imported.
// An error of ErrACL comes with the node, which then lacks that ACL.
func nodeOf(h *tar.Header) (*tree.Node, error) {
	t, ok := typesOf[h.Typeflag]
	if !ok {
		return nil, fmt.Errorf("%q: %w", h.Typeflag, ErrEntryType)
	}
	if h.Uid < 0 || h.Gid < 0 || uint64(h.Uid) > math.MaxUint32 || uint64(h.Gid) > math.MaxUint32 {
		return nil, fmt.Errorf("owner %d, group %d: %w", h.Uid, h.Gid, tree.ErrInvalid)
	}
	n := &tree.Node{
		Type: t, Mode: uint16(h.Mode & 0o7777), UID: uint32(h.Uid), GID: uint32(h.Gid), User: h.Uname, Group: h.Gname,
		ModTime: tree.TimeOf(h.ModTime), ChangeTime: tree.TimeOf(h.ModTime), Links: 1,
	}
	if !h.AccessTime.IsZero() {
		n.AccessTime = tree.TimeOf(h.AccessTime)
	}
	if !h.ChangeTime.IsZero() {
		n.ChangeTime = tree.TimeOf(h.ChangeTime)
	}
	switch t {
	case tree.Symlink:
		n.Target = h.Linkname
	case tree.BlockDevice, tree.CharDevice:
		if h.Devmajor < 0 || h.Devminor < 0 || h.Devmajor > math.MaxUint32 || h.Devminor > math.MaxUint32 {
			return nil, fmt.Errorf("device %d:%d: %w", h.Devmajor, h.Devminor, tree.ErrInvalid)
		}
		n.Rdev = unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	}
	var err error
	n.Xattrs, err = xattrsOf(h.PAXRecords)
	return n, err
}

// xattrsOf returns the extended attributes, ACLs among them, by name.
func xattrsOf(records map[string]string) ([]tree.Xattr, error) {
	found := make(map[string][]byte)
	var failed error
	for key, value := range records {
		if name, ok := strings.CutPrefix(key, xattrRecord); ok {
			found[xattrDecoding.Replace(name)] = []byte(value)
		}
	}
	for name, key := range aclKeys {
		if text, ok := records[key]; ok {
			value, err := parseACL(text)
			if err != nil {
				failed = err
				continue
			}
			found[name] = value
		}
	}
	var list []tree.Xattr
	for name, value := range found {
		list = append(list, tree.Xattr{Name: name, Value: value})
	}
	slices.SortFunc(list, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return list, failed
}

// isSparse reports whether the archive has a file without its holes, of which
// archive/tar makes zeros.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}
