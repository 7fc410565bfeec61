package snapshot

import (
	"errors"
	"sync/atomic"

	"garret/fs/tree"
)

// Warning is something that was not stored, or not as it was.
type Warning struct {
	Path string // on the source file system
	Err  error
	// Notice: as it should be, and worth a word.
	Notice bool
}

// Reasons of warnings; others are errors of system calls.
var (
	ErrChanged    = errors.New("changed while it was read; stored as read")
	ErrVanished   = errors.New("was deleted while it was read; stored as read")
	ErrTruncated  = errors.New("could not be read to its end; stored up to there")
	ErrGone       = errors.New("has vanished since its directory was listed")
	ErrNotRegular = errors.New("was replaced by something that is not a regular file")
	ErrFileSystem = errors.New("is on another file system, which is not entered")
	ErrPseudo     = errors.New("holds a pseudo file system, which is not entered")
	ErrSymlink    = errors.New("is a symbolic link, stored as such; end it with a slash to store what it leads to")
	ErrThrough    = errors.New("is a symbolic link that another source leads through; stored as a directory")
	ErrType       = errors.New("is of a type that is not stored")
	ErrTooDeep    = errors.New("is too deep below the others; what is in it is left out")
	ErrEndless    = errors.New("has more than can be believed of a pseudo file; the rest is left out")
	ErrWaiting    = errors.New("nobody writes to it; still waiting")
	ErrParentTree = errors.New("directory of the parent snapshot cannot be read; its files are read anew")
)

// Status says what became of an entry, in BorgBackup's letters.
type Status byte

// Statuses.
const (
	Added     Status = 'A'
	Modified  Status = 'M'
	Unchanged Status = 'U'
	Changed   Status = 'C' // while it was read
	Failed    Status = 'E'
	Link      Status = 'h' // another name of a file, FIFO or device already met
	Stdin     Status = 'i' // a stream
	Dir       Status = 'd'
	Symlink   Status = 's'
	FIFO      Status = 'f'
	BlockDev  Status = 'b'
	CharDev   Status = 'c'
	Excluded  Status = 'x'
	WouldRead Status = '-' // dry run
)

// Item tells of one entry, in walk order, a directory before what is in it.
type Item struct {
	Path   string // in the snapshot; empty for its root
	Status Status
	// Node is valid during the call. A directory's content is not known yet; of
	// what could not be looked at, or was not, nothing is.
	Node *tree.Node
}

func statusOf(t tree.Type) Status {
	switch t {
	case tree.Directory:
		return Dir
	case tree.Symlink:
		return Symlink
	case tree.FIFO:
		return FIFO
	case tree.BlockDevice:
		return BlockDev
	case tree.CharDevice:
		return CharDev
	}
	return Added
}

// Progress can be read at any time during a run.
type Progress struct {
	Entries, Files, Bytes atomic.Uint64 // done; Bytes counts unread content too
	BytesRead, BytesAdded atomic.Uint64
	Current               atomic.Pointer[string] // directory being stored, a path in the snapshot

	// What the scan ahead has found so far, and whether that is all.
	TotalEntries, TotalFiles, TotalBytes atomic.Uint64
	Scanned                              atomic.Bool
}
