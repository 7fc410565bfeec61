package tree

import (
	"time"

	"garret/index"
)

// Type is what kind of file system entry a node describes.
type Type uint8

// The types of nodes. Sockets are not stored.
const (
	Regular Type = 1 + iota
	Directory
	Symlink
	BlockDevice
	CharDevice
	FIFO
)

// String names the type as find(1) and ls(1) do, in a word.
func (t Type) String() string {
	names := [...]string{"invalid", "file", "directory", "symlink", "block device", "character device", "fifo"}
	if int(t) < len(names) {
		return names[t]
	}
	return names[0]
}

// Time is an instant in signed seconds and nanoseconds since 1970-01-01 UTC,
// as file systems keep it: before 1970 and after 2038 too.
type Time struct {
	Sec  int64  `json:"sec"`
	Nsec uint32 `json:"nsec"`
}

// TimeOf converts a time.Time.
func TimeOf(t time.Time) Time { return Time{t.Unix(), uint32(t.Nanosecond())} }

// Time converts to a time.Time.
func (t Time) Time() time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// IsZero reports whether t is not set.
func (t Time) IsZero() bool { return t == Time{} }

// Compare orders instants.
func (t Time) Compare(u Time) int { return t.Time().Compare(u.Time()) }

// Xattr is one extended attribute with its full name ("user.comment").
type Xattr struct {
	Name  string
	Value []byte
}

// Node is one entry of a directory: everything about it that is kept.
type Node struct {
	Name string // bytes, never assumed to be UTF-8; empty for a snapshot's root
	Type Type
	Mode uint16 // permissions, setuid, setgid, sticky: the bits 07777

	UID, GID    uint32
	User, Group string // names, empty when unknown

	ModTime    Time
	ChangeTime Time
	BirthTime  Time // zero when unknown
	AccessTime Time // zero when not kept

	Inode  uint64 // of the source
	Links  uint64 // link count at the source
	Device uint32 // ordinal in the snapshot's list of devices

	Rdev   uint64  // devices: the kernel's 64-bit device number (unix.Mkdev)
	Target string  // symlinks
	Xattrs []Xattr // sorted by name
	Flags  uint32  // inode flags, as FS_IOC_GETFLAGS gives them

	Size    uint64  // logical size of a regular file, bytes
	Content Content // of a regular file
	Digest  []byte  // optional whole-file digest

	Dir Dir // of a directory
}

// HardLink identifies the group of names that share an inode in a snapshot.
type HardLink struct {
	Device uint32
	Inode  uint64
}

// HardLink returns the node's hard-link group; ok is false when it is alone.
func (n *Node) HardLink() (group HardLink, ok bool) {
	return HardLink{n.Device, n.Inode}, n.Type != Directory && n.Links > 1
}

// Allocated returns the bytes of a regular file that are not in holes.
func (n *Node) Allocated() uint64 {
	holes := n.Content.Pages.Holes
	for _, p := range n.Content.Parts {
		if p.IsHole() {
			holes += p.Length
		}
	}
	return n.Size - min(holes, n.Size)
}

// Content is what a regular file holds: inline bytes, or a list of parts, or
// a tree of pages of parts. At most one of the three is set; none for an
// empty file.
type Content struct {
	Inline []byte // at most MaxInline bytes
	Parts  []Part
	Pages  Pages // set when Pages.ID is not zero
}

// Part is a piece of a file: a data blob, or a hole.
type Part struct {
	ID     index.ID // zero for a hole
	Length uint64   // bytes
}

// IsHole reports whether the part is a hole.
func (p Part) IsHole() bool { return p.ID == index.ID{} }

// Pages refers to a long content list kept in tree blobs.
type Pages struct {
	ID    index.ID // the top page
	Level uint32   // 0: the page holds parts; n: it holds references to pages of level n-1
	Parts uint64   // number of parts below
	Holes uint64   // bytes of holes below
}

// Dir refers to a directory's content and carries the totals of the subtree.
type Dir struct {
	ID      index.ID // the top page; zero for an empty directory
	Level   uint32   // 0: the page holds nodes; n: it holds references to pages of level n-1
	Entries uint64   // direct children
	Subdirs uint64   // direct children that are directories
	Total   uint64   // all entries below, the directory itself not counted
	Bytes   uint64   // logical sizes of all regular files below
}
