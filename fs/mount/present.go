package mount

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const (
	aclAccess  = "system.posix_acl_access"
	aclDefault = "system.posix_acl_default"
)

// present puts Options.UID, GID and Umask over the attributes that are stored.
func (f *fileSystem) present(a *fuse.Attr) {
	o := &f.options
	if o.UID != nil {
		a.Uid = *o.UID
	}
	if o.GID != nil {
		a.Gid = *o.GID
	}
	if o.Umask == nil || a.Mode&syscall.S_IFMT == syscall.S_IFLNK {
		return // a link's permissions are nobody's
	}
	permissions := uint32(0o666)
	if a.Mode&syscall.S_IFMT == syscall.S_IFDIR || a.Mode&0o111 != 0 {
		permissions = 0o777
	}
	a.Mode = a.Mode&syscall.S_IFMT | permissions&^*o.Umask
}

// hidesACLs reports whether ACLs are neither shown nor enforced. An owner that
// is put over the stored one does not hide them: an ACL speaks of "the owner",
// whoever that is.
func (f *fileSystem) hidesACLs() bool { return f.options.Umask != nil }

// enforcesACLs reports whether the kernel is told to read ACLs and to enforce
// them. It does so only with default_permissions, and those go with
// AllowOther. Where snapshots come and go, the next one may have the first ACL.
func (f *fileSystem) enforcesACLs() bool {
	return f.options.AllowOther && !f.hidesACLs() && (f.single == nil || f.families().mayHoldACL())
}

// isACL reports whether an extended attribute is a POSIX ACL.
func isACL(name string) bool { return name == aclAccess || name == aclDefault }
