package restore

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// The attributes that hold a POSIX ACL and what entries made in a directory
// inherit.
const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

func (i inode) setXattr(x *tree.Xattr) error {
	if i.name == "" {
		return unix.Fsetxattr(i.fd, x.Name, x.Value, 0)
	}
	return unix.Lsetxattr(procPath(i.fd, i.name), x.Name, x.Value, 0)
}

func hasXattr(n *tree.Node, name string) bool {
	for i := range n.Xattrs {
		if n.Xattrs[i].Name == name {
			return true
		}
	}
	return false
}

// family returns the namespace that decides who may set an attribute.
func family(name string) string {
	if head, _, ok := strings.Cut(name, "."); ok && head != "system" {
		return head + ".*"
	}
	return name
}

// takes reports whether an attribute is restored at all.
func (r *run) takes(name string) bool {
	if name == aclAccess || name == aclDefault {
		return !r.o.NoACLs
	}
	return !r.o.NoXattrs
}

// removable reports whether an attribute that a directory has and shall not
// have is removed: not those that the system gives it, such as SELinux's.
func removable(name string) bool {
	return name == aclAccess || name == aclDefault || strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "trusted.")
}

// xattrNotSet reports it. That there is no room is said of an attribute that is
// too large for the file system.
func (r *run) xattrNotSet(x *tree.Xattr, d *directory, name string, err error) {
	what := "extended attribute " + family(x.Name)
	for _, size := range []error{unix.ENOSPC, unix.E2BIG, unix.ERANGE} {
		if errors.Is(err, size) {
			r.warn(d, name, fmt.Errorf("extended attribute %q of %d bytes: the file system has no room for it: %w", x.Name, len(x.Value), err))
			return
		}
	}
	r.notSet(what, d, name, err)
}

// removeXattrs removes the attributes of the directory fd that n lacks.
func (r *run) removeXattrs(fd int, n *tree.Node) {
	list := make([]byte, 64<<10) // the kernel's bound
	size, err := unix.Flistxattr(fd, list)
	if err != nil {
		return
	}
	for name := range strings.SplitSeq(string(list[:size]), "\x00") {
		if removable(name) && r.takes(name) && !hasXattr(n, name) {
			unix.Fremovexattr(fd, name)
		}
	}
}
