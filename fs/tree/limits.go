package tree

import (
	"errors"
	"fmt"
)

// ErrInvalid is wrapped by every error about a node or page that is damaged,
// forged, or that no file system could have had.
var ErrInvalid = errors.New("invalid tree data")

// ErrOrder is wrapped when entries are added out of the order of their names.
var ErrOrder = errors.New("names are not in ascending order")

// What a node and a page may hold.
const (
	MaxInline    = 128     // bytes of a file that stand in its node
	MaxNodeParts = 64      // parts that stand in a node; more go to pages
	MaxName      = 4095    // bytes of a name, of an xattr's name, of a user's or group's name
	MaxTarget    = 1 << 16 // bytes of a symlink's target
	MaxDigest    = 64      // bytes
	MaxNode      = 4 << 20 // bytes of an encoded node
	MaxPage      = 8 << 20 // bytes of an encoded page
	MaxBlob      = 1 << 24 // a data blob is shorter than this, bytes
	MaxLevel     = 8       // levels of pages above the lowest
	MaxTotal     = 1 << 40 // entries in a tree
	MaxSize      = 1<<63 - 1
	MaxDepth     = 1 << 16 // directories one in another
)

// LargeFile is the size, bytes, from which on a file's parts are stored apart
// from other files: who wants some of it rarely wants all of it, or its
// neighbours.
const LargeFile = 16 << 20

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
