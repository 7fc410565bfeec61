package source

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// XattrsAt returns the extended attributes of the entry name in the directory
// that fd is the pinned descriptor of, sorted by name; of a symbolic link
// itself. ACLs and capabilities are among them, as the kernel keeps them. Of a
// file system without attributes there are none.
//
// Attributes that cannot be read are left out; the error then names the first
// of them and the others are returned with it.
func XattrsAt(fd int, name Name) ([]tree.Xattr, error) {
	return xattrTarget{fd: fd, name: name, at: true}.read()
}

// Xattrs returns the directory's extended attributes; see XattrsAt.
func (d *Dir) Xattrs() ([]tree.Xattr, error) {
	fd, err := d.Pin()
	if err != nil {
		return nil, err
	}
	defer d.Unpin()
	return xattrTarget{fd: fd, path: d.flags&unix.O_PATH != 0}.read()
}

// xattrTarget is whose attributes are meant: those of name in the directory fd
// (at), of what fd is open on, or of what an O_PATH descriptor stands for
// (path), which only a path through /proc reaches.
type xattrTarget struct {
	fd   int
	name Name
	at   bool
	path bool
}

// oldKernel is set once the kernel has said that it lacks listxattrat; then
// /proc/self/fd/N/name stands in for the pair of descriptor and name.
var oldKernel atomic.Bool

func (t xattrTarget) procPath() string {
	p := "/proc/self/fd/" + strconv.Itoa(t.fd)
	if t.at {
		p += "/" + t.name.String()
	}
	return p
}

func (t xattrTarget) list(buf []byte) (int, error) {
	switch {
	case t.at && !oldKernel.Load():
		n, err := listxattrat(t.fd, t.name, buf)
		if err != unix.ENOSYS {
			return n, err
		}
		oldKernel.Store(true)
		fallthrough
	case t.at:
		return unix.Llistxattr(t.procPath(), buf)
	case t.path:
		return unix.Listxattr(t.procPath(), buf)
	}
	return unix.Flistxattr(t.fd, buf)
}

func (t xattrTarget) get(attr string, buf []byte) (int, error) {
	switch {
	case t.at && !oldKernel.Load():
		return getxattrat(t.fd, t.name, attr, buf)
	case t.at:
		return unix.Lgetxattr(t.procPath(), attr, buf)
	case t.path:
		return unix.Getxattr(t.procPath(), attr, buf)
	}
	return unix.Fgetxattr(t.fd, attr, buf)
}

// The kernel's bounds for the list of names and for one value, bytes.
const maxXattr = 64 << 10

func (t xattrTarget) read() ([]tree.Xattr, error) {
	var short [256]byte
	list := short[:]
	n, err := t.list(list)
	if err == unix.ERANGE {
		list = make([]byte, maxXattr)
		n, err = t.list(list)
	}
	switch {
	case noXattrs(err) || err == nil && n == 0:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("list extended attributes: %w", err)
	}
	return t.values(list[:n])
}

// values reads the attributes of a NUL-separated list of names.
func (t xattrTarget) values(list []byte) (attrs []tree.Xattr, first error) {
	var buf []byte
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if len(name) == 0 {
			continue
		}
		if buf == nil {
			buf = make([]byte, 1024)
		}
		n, err := t.get(string(name), buf)
		if err == unix.ERANGE {
			buf = make([]byte, maxXattr)
			n, err = t.get(string(name), buf)
		}
		switch {
		case err == unix.ENODATA || noXattrs(err): // removed meanwhile, or listed without being there
		case err != nil:
			if first == nil {
				first = fmt.Errorf("read extended attribute %s: %w", name, err)
			}
		default:
			attrs = append(attrs, tree.Xattr{Name: string(name), Value: bytes.Clone(buf[:n])})
		}
	}
	slices.SortFunc(attrs, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	attrs = slices.CompactFunc(attrs, func(a, b tree.Xattr) bool { return a.Name == b.Name })
	return attrs, first
}

// noXattrs reports whether err says that the file system keeps no attributes,
// or not of this family.
func noXattrs(err error) bool {
	return errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS)
}
