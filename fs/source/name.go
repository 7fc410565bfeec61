package source

import (
	"strings"
	"unsafe"
)

// Name is one element of a path, as a system call wants it: with a NUL at its
// end. The zero Name is the empty name.
type Name struct {
	z string // the bytes and the NUL
}

// NewName returns the name with the bytes of s, which are cut at a NUL if there
// is one: no file system has such a name.
func NewName(s string) Name {
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return Name{s + "\x00"}
}

// String returns the name's bytes without copying them.
func (n Name) String() string {
	if n.z == "" {
		return ""
	}
	return n.z[:len(n.z)-1]
}

// pointer returns the address of the NUL-terminated bytes.
func (n Name) pointer() unsafe.Pointer {
	if n.z == "" {
		return unsafe.Pointer(unsafe.StringData("\x00"))
	}
	return unsafe.Pointer(unsafe.StringData(n.z))
}
