package diff

import (
	"bytes"
	"slices"
	"strings"

	"garret/fs/tree"
)

// aclPrefix begins the names of the extended attributes that are ACLs.
const aclPrefix = "system.posix_acl_"

// compare fills in the kinds in which the entries differ.
func (r *run) compare(d *Difference) error {
	a, b := d.A, d.B
	differs := func(k Kind, yes bool) {
		if yes && !(r.o.ContentOnly && k.metadata()) {
			d.Kinds = append(d.Kinds, k)
		}
	}
	if a.Type != b.Type {
		// Another entry has taken its place: the rest says nothing.
		d.Bytes = Bytes{Added: b.Size, Removed: a.Size}
		d.Kinds = []Kind{Type}
		return nil
	}
	if a.Type == tree.Regular && !sameContent(a, b) {
		var err error
		if d.Bytes, err = r.content(a, b); err != nil {
			return err
		}
		differs(Content, true)
	}
	differs(Target, a.Target != b.Target)
	differs(Device, a.Rdev != b.Rdev)
	differs(Links, a.Type != tree.Directory && a.Links != b.Links)
	differs(Mode, a.Mode != b.Mode)
	differs(Owner, !sameOwner(a.UID, b.UID, a.User, b.User) || !sameOwner(a.GID, b.GID, a.Group, b.Group))
	differs(ModTime, a.ModTime != b.ModTime)
	names := XattrNames(a, b)
	acl := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, aclPrefix) })
	differs(ACL, acl >= 0)
	differs(Xattrs, slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, aclPrefix) }))
	differs(Flags, a.Flags != b.Flags)
	return nil
}

// sameOwner compares users or groups by number, and by name where both have one:
// an account that was deleted since does not change its files.
func sameOwner(a, b uint32, nameA, nameB string) bool {
	return a == b && (nameA == nameB || nameA == "" || nameB == "")
}

// XattrNames returns the names of the extended attributes that two entries do
// not have alike, in order.
func XattrNames(a, b *tree.Node) []string {
	var names []string
	x, y := a.Xattrs, b.Xattrs
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0].Name < y[0].Name:
			names, x = append(names, x[0].Name), x[1:]
		case len(x) == 0 || y[0].Name < x[0].Name:
			names, y = append(names, y[0].Name), y[1:]
		default:
			if !bytes.Equal(x[0].Value, y[0].Value) {
				names = append(names, x[0].Name)
			}
			x, y = x[1:], y[1:]
		}
	}
	return names
}

// IsACL reports whether an extended attribute of that name is an ACL.
func IsACL(name string) bool { return strings.HasPrefix(name, aclPrefix) }

// sameContent reports whether two files are sure to hold the same bytes.
func sameContent(a, b *tree.Node) bool {
	if a.Size != b.Size {
		return false
	}
	if len(a.Digest) > 0 && bytes.Equal(a.Digest, b.Digest) {
		return true
	}
	x, y := &a.Content, &b.Content
	return bytes.Equal(x.Inline, y.Inline) && x.Pages.ID == y.Pages.ID && slices.Equal(x.Parts, y.Parts)
}
