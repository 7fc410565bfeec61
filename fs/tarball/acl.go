package tarball

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// A POSIX ACL as its extended attribute holds it (linux/posix_acl_xattr.h):
// a version, then a tag, permissions and an id for each of its entries, all
// little-endian.
const (
	aclVersion    = 2
	aclHeaderSize = 4
	aclEntrySize  = 8
	aclNoID       = 1<<32 - 1
)

// The tags (linux/posix_acl.h), in the order in which the kernel wants them.
const (
	aclOwner       = 0x01
	aclUser        = 0x02
	aclOwningGroup = 0x04
	aclGroup       = 0x08
	aclMask        = 0x10
	aclOther       = 0x20
)

// aclKeys are the attributes that are ACLs, and the records of their texts.
var aclKeys = map[string]string{
	"system.posix_acl_access":  "SCHILY.acl.access",
	"system.posix_acl_default": "SCHILY.acl.default",
}

var aclTags = map[uint16]string{
	aclOwner: "user", aclUser: "user", aclOwningGroup: "group", aclGroup: "group", aclMask: "mask", aclOther: "other",
}

// aclText returns an ACL's text (acl(5), the long form), users and groups by
// number; ok is false when the attribute does not hold an ACL.
func aclText(value []byte) (text string, ok bool) {
	if len(value) < aclHeaderSize || binary.LittleEndian.Uint32(value) != aclVersion || (len(value)-aclHeaderSize)%aclEntrySize != 0 {
		return "", false
	}
	var b strings.Builder
	for e := value[aclHeaderSize:]; len(e) > 0; e = e[aclEntrySize:] {
		tag, permissions, id := binary.LittleEndian.Uint16(e), binary.LittleEndian.Uint16(e[2:]), binary.LittleEndian.Uint32(e[4:])
		word, known := aclTags[tag]
		if !known || permissions > 7 {
			return "", false
		}
		qualifier := ""
		if tag == aclUser || tag == aclGroup {
			qualifier = fmt.Sprint(id)
		}
		letters := []byte("rwx")
		for i := range letters {
			if permissions&(4>>i) == 0 {
				letters[i] = '-'
			}
		}
		fmt.Fprintf(&b, "%s:%s:%s\n", word, qualifier, letters)
	}
	return b.String(), true
}
