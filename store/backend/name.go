package backend

import (
	"fmt"
	"strings"
)

// Bounds of names.
const (
	MaxName  = 512 // bytes of a whole name
	MaxDepth = 8   // elements of a name

	// maxElement is the longest file name of all usual file systems.
	maxElement = 255
)

// TempPrefix begins the names of files that are being written. No object's
// name has an element that begins with it.
const TempPrefix = "tmp-"

// CheckName returns an error that wraps ErrName unless name is one that an
// object can have.
func CheckName(name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("%w: %.32q… is %d bytes long, at most %d are allowed", ErrName, name, len(name), MaxName)
	}
	if strings.Count(name, "/") >= MaxDepth {
		return fmt.Errorf("%w: %q is more than %d folders deep", ErrName, name, MaxDepth-1)
	}
	for element := range strings.SplitSeq(name, "/") {
		if !ValidElement(element) {
			return fmt.Errorf("%w: %q", ErrName, name)
		}
	}
	return nil
}

// CheckFolder is CheckName for the prefix of a listing, which may be empty.
func CheckFolder(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckName(prefix)
}

// ValidElement reports whether s may be one element of an object's name. A
// backend leaves everything else that it finds alone: another program's files,
// lost+found, what is being written.
func ValidElement(s string) bool {
	if s == "" || len(s) > maxElement || s[0] == '.' || strings.HasPrefix(s, TempPrefix) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// Inside reports whether the object name lies below the folder prefix.
func Inside(name, prefix string) bool {
	if prefix == "" {
		return true
	}
	return len(name) > len(prefix) && name[len(prefix)] == '/' && name[:len(prefix)] == prefix
}
