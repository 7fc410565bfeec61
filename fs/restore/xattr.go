package restore

import (
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
