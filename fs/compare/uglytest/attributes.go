package uglytest

import (
	"bytes"
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"
)

// xattrs makes extended attributes of every namespace, on every type that may
// have them.
func (b *builder) xattrs() {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	b.dir("xattrs")
	b.file("xattrs/file", []byte("x"))
	b.dir("xattrs/dir")
	b.file("xattrs/read-only", []byte("x"))
	b.file("xattrs/large", []byte("x"))
	b.file("xattrs/many", nil)
	b.symlink("xattrs/symlink", "x")
	b.fifo("xattrs/fifo")
	for _, on := range []string{"xattrs/file", "xattrs/dir", "xattrs/read-only"} {
		b.xattr("user xattrs", on, "user.empty", nil)
		b.xattr("user xattrs", on, "user.binary", all)
		b.xattr("user xattrs", on, "user.\xff\n=", []byte("an odd name"))
		b.xattr("user xattrs", on, "user."+strings.Repeat("n", 250), []byte("a long name"))
	}
	b.chmod("xattrs/read-only", 0o444)
	b.large("xattrs/large")
	for i := range 60 {
		b.xattr("user xattrs", "xattrs/many", "user.a"+strings.Repeat("m", i), []byte{byte(i)})
	}
	for _, on := range []string{"xattrs/file", "xattrs/dir", "xattrs/symlink", "xattrs/fifo", "special/char null", "special/block large"} {
		if strings.HasPrefix(on, "special/") && !b.exists(on) {
			continue
		}
		b.xattr("trusted xattrs", on, "trusted.garret", []byte("of root\x00"))
		b.xattr("security xattrs", on, "security.garret", all[:7])
	}
	// Capabilities (linux/capability.h): version 2, and 3 with a root of a
	// user namespace; also of a file that belongs to somebody.
	v2 := append([]byte{1, 0, 0, 2, 0, 32, 0, 0}, make([]byte, 12)...)
	v3 := append([]byte{1, 0, 0, 3, 0, 32, 0, 0}, append(make([]byte, 12), 0xa0, 0x86, 1, 0)...)
	for name, value := range map[string][]byte{"xattrs/capability": v2, "xattrs/capability of somebody": v2, "xattrs/capability 3": v3} {
		b.file(name, []byte("#!/bin/sh\n"))
		if name == "xattrs/capability of somebody" {
			b.chown(name, 1234, 5678)
		}
		b.chmod(name, 0o4755)
		b.xattr("capabilities", name, "security.capability", value)
	}
}

// large sets the largest attribute that the file system takes.
func (b *builder) large(name string) {
	for size := 64 << 10; size > 256 && b.err == nil; size -= size / 8 {
		err := unix.Setxattr(b.path(name), "user.large", bytes.Repeat([]byte("large "), size)[:size], 0)
		if err == unix.ENOSPC || err == unix.E2BIG || err == unix.ERANGE {
			continue
		}
		b.may("user xattrs", name, err)
		return
	}
}

func (b *builder) exists(name string) bool {
	var st unix.Stat_t
	return unix.Lstat(b.path(name), &st) == nil
}

// The tags of an ACL's entries (linux/posix_acl.h).
const (
	tagOwner = 1 << iota
	tagUser
	tagOwningGroup
	tagGroup
	tagMask
	tagOther
)

type aclEntry struct {
	tag, permissions uint16
	id               uint32
}

// acl returns an ACL as its attribute holds it (linux/posix_acl_xattr.h).
func acl(entries ...aclEntry) []byte {
	value := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range entries {
		value = binary.LittleEndian.AppendUint16(value, e.tag)
		value = binary.LittleEndian.AppendUint16(value, e.permissions)
		value = binary.LittleEndian.AppendUint32(value, e.id)
	}
	return value
}

// acls makes access ACLs, and default ACLs with what has inherited from them.
func (b *builder) acls() {
	const none = 1<<32 - 1
	access := acl(aclEntry{tagOwner, 7, none}, aclEntry{tagUser, 5, 1000}, aclEntry{tagUser, 0, 1234}, aclEntry{tagOwningGroup, 5, none},
		aclEntry{tagGroup, 6, 12}, aclEntry{tagMask, 5, none}, aclEntry{tagOther, 0, none})
	inherited := acl(aclEntry{tagOwner, 7, none}, aclEntry{tagUser, 4, 7}, aclEntry{tagOwningGroup, 5, none},
		aclEntry{tagMask, 7, none}, aclEntry{tagOther, 1, none})
	const accessName, defaultName = "system.posix_acl_access", "system.posix_acl_default"
	b.dir("xattrs/acl")
	b.file("xattrs/acl/file", []byte("x"))
	b.fifo("xattrs/acl/fifo")
	b.dir("xattrs/acl/access")
	b.dir("xattrs/acl/default")
	b.dir("xattrs/acl/both")
	for _, name := range []string{"file", "fifo", "access", "both"} {
		b.xattr("ACLs", "xattrs/acl/"+name, accessName, access)
	}
	b.file("xattrs/acl/setgid", []byte("x"))
	b.xattr("ACLs", "xattrs/acl/setgid", accessName, access)
	if b.err == nil {
		var st unix.Stat_t
		if b.check("xattrs/acl/setgid", unix.Stat(b.path("xattrs/acl/setgid"), &st)) {
			b.chmod("xattrs/acl/setgid", st.Mode&0o7777|0o2000)
		}
	}
	b.xattr("ACLs", "xattrs/acl/default", defaultName, inherited)
	b.xattr("ACLs", "xattrs/acl/both", defaultName, inherited)
	for _, dir := range []string{"xattrs/acl/default", "xattrs/acl/both"} {
		b.file(dir+"/inherits", []byte("x"))
		b.dir(dir + "/inherits too")
		b.file(dir+"/inherits too/file", nil)
		b.fifo(dir + "/inherits as well")
		// And what lies there without an ACL.
		b.file(dir+"/has none", []byte("x"))
		b.dir(dir + "/has none either")
		if b.err == nil {
			_ = unix.Removexattr(b.path(dir+"/has none"), accessName)
			_ = unix.Removexattr(b.path(dir+"/has none either"), accessName)
			_ = unix.Removexattr(b.path(dir+"/has none either"), defaultName)
		}
		b.chmod(dir+"/has none", 0o664)
		b.file(dir+"/has none either/file", nil)
	}
}

// inodeFlags notes what gets flags at the end.
func (b *builder) inodeFlags() {
	b.dir("flags")
	for name, bits := range map[string]int{
		"append": flagAppend, "immutable": flagImmutable, "nodump": flagNoDump, "nocow": flagNoCOW, "noatime": flagNoAtime,
		"sync": flagSync, "three": flagAppend | flagImmutable | flagNoDump,
	} {
		b.file("flags/file "+name, []byte("with a flag\n"))
		b.dir("flags/dir " + name)
		b.file("flags/dir "+name+"/file", []byte("below one with a flag\n"))
		b.dir("flags/dir " + name + "/dir")
		for _, kind := range []string{"file ", "dir "} {
			b.flags = append(b.flags, flagged{"flags/" + kind + name, bits})
		}
		b.xattr("user xattrs", "flags/file "+name, "user.x", []byte("y"))
	}
	b.dir("flags/dir dirsync")
	b.file("flags/dir dirsync/file", nil)
	b.flags = append(b.flags, flagged{"flags/dir dirsync", flagDirSync})
	// An immutable file with a name in an immutable directory and one outside,
	// which sorts before it, and a second after.
	b.file("flags/dir immutable/linked", []byte("linked"))
	b.hardLink("flags/dir immutable/linked", "flags/a name of it")
	b.hardLink("flags/dir immutable/linked", "links/z/name of an immutable file")
	b.file("flags/empty", nil)
	b.flags = append(b.flags, flagged{"flags/dir immutable/linked", flagImmutable}, flagged{"flags/empty", flagImmutable | flagNoDump},
		flagged{"flags", flagNoDump})
}
