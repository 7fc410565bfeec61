package restore

import (
	"errors"
	"strings"
	"sync/atomic"

	"garret/fs/tree"
	"garret/fs/view"
)

// ErrExists is wrapped when something is in the way of what is restored.
var ErrExists = errors.New("already exists")

// Options says what to restore and where. Tree, Loader, From and Dest are
// required.
type Options struct {
	Tree   *view.Tree
	Loader tree.Loader // the one that Tree reads from
	From   view.Entry

	// Dest is the directory to write into; it and those above it are made when
	// they are missing. One that is there already keeps its own metadata.
	Dest string
	// As is the name in Dest that From gets. Empty: From must be a directory
	// and its content goes straight into Dest.
	As string

	// Path is where From is in the tree, as Select and List want it.
	Path string
	// Strip leaves out so many directories above each entry, and what lies in
	// none that is deeper. As counts as one.
	Strip int
	// Select chooses by an entry's path in the tree; nil takes everything.
	// Directories above what is chosen are made with their metadata.
	Select func(path string) Verdict
	// List is told of each entry that is to be written, in the order of the
	// walk, with its path in Dest, Dest included. Calls of List and Warn come
	// one at a time.
	List func(path string, n *tree.Node)
	// DryRun writes nothing. Stats then say what would be done.
	DryRun bool

	// Overwrite says what becomes of files that are in the way. Directories are
	// merged whatever it is, and never removed.
	Overwrite Overwrite
	// Delete deletes what is in directories that are restored and was not
	// stored, so that they become what they were; also a directory where a file
	// is to be. Not where it is not known what was stored, nor what Select would
	// leave out, nor other file systems. Overwrite must be one that replaces.
	Delete bool
	// Spare names inodes, directories, that are never deleted: the repository.
	// Dev is as in stat(2).
	Spare func(dev, ino uint64) bool
	// Deleted is told of each entry that is deleted, or in a dry run would be, a
	// directory with all below it being one. It is called as List is.
	Deleted func(path string)
	// Hasher names content as the repository does. With it, and Damaged at KeepOld or
	// Zero, a large file that is in the way is not replaced but changed in place, where
	// that is safe: only what differs is read from the repository and written.
	// The package's documentation says when. Without it files are replaced.
	Hasher Hasher
	// Damaged says what becomes of files that have lost a part.
	Damaged Damaged

	// Allocate has blocks allocated for the holes of sparse files.
	Allocate bool

	NoXattrs bool // leave out extended attributes but ACLs; capabilities are among them
	NoACLs   bool
	NoFlags  bool // leave out inode flags

	// NumericIDs takes the stored numbers of users and groups; otherwise
	// their names count where this machine knows them.
	NumericIDs bool
	// Accounts finds users and groups by name; nil means this machine's.
	Accounts Accounts

	Workers  int // files written at the same time; 0 means a good number
	Progress *Progress

	// Warn is told of what could not be restored, wholly or in part. Path is
	// that in Dest, Dest included.
	Warn func(path string, err error)
}

// Overwrite is what to do with an entry that is there already, unless both are
// directories.
type Overwrite uint8

const (
	// Refuse ends the run with ErrExists. What was restored until then stays.
	Refuse Overwrite = iota
	// Replace replaces it.
	Replace
	// ReplaceChanged replaces it unless type, size, modification time, owner,
	// mode, hard links, attributes and flags are those that were stored. Its
	// content is not read. Run again after an interruption, it goes on.
	ReplaceChanged
	// ReplaceOlder replaces it when it is older than what was stored.
	ReplaceOlder
	// Keep keeps it, and the metadata of directories that are there.
	Keep
)

// Damaged is what to do with a file of which some ranges cannot be read.
type Damaged uint8

const (
	// KeepOld writes the rest, and what is lost becomes zeros, where no file is in
	// the way. One that is may be the only sound copy: it stays, as with Skip and
	// within the same bounds. If it is changed in place, what it has in the lost
	// ranges stays, and the mark of an unfinished file.
	KeepOld Damaged = iota
	Zero            // write the rest; what is lost becomes zeros
	// Skip does not restore it; what is in its place stays. To that end a file
	// with hard links is read twice when Overwrite replaces: before any of its names
	// is touched, and to write it. Only what is lost between the two
	// costs what was there, and what is damaged where the file system has no files
	// without names (O_TMPFILE).
	Skip
	Fail // end the run with the LostError
)

// Verdict is what Options.Select says of a path.
type Verdict uint8

const (
	Take  Verdict = iota
	Leave         // leave it out, but look at what is below
	Prune         // leave it out with all that is below
)

// As returns Options.As for a path as a user types it: the item's own name, or
// for a path that ends in a slash, and for the root, nothing: its content.
func As(path string, e view.Entry) string {
	if path == "" || strings.HasSuffix(path, "/") {
		return ""
	}
	return e.Name
}

// Progress counts while a run goes on.
type Progress struct {
	Entries, Bytes           atomic.Uint64 // done; bytes are logical sizes of files
	TotalEntries, TotalBytes atomic.Uint64 // set when the run starts; less what is not chosen
}

// Stats says what a run did.
type Stats struct {
	Files     uint64 // regular files, hard links not counted
	Dirs      uint64
	Symlinks  uint64
	Specials  uint64 // devices and FIFOs
	HardLinks uint64 // further names of files that were restored
	Deleted   uint64 // entries that were not stored, a directory with all below it being one
	Kept      uint64 // entries that were there and stay as they are
	Bytes     uint64 // logical sizes of the files
	Written   uint64 // bytes written: without holes and what is lost
	Unchanged uint64 // bytes of files changed in place that were as they were stored
	Lost      uint64 // bytes that could not be read
	Damaged   uint64 // files that lack some
	Missing   uint64 // entries that are lost with the directory that listed them, as far as that is known

	Warnings uint64   // calls of Warn
	Denied   []Denied // what could not be set for lack of permission or support, by What
}

// Denied counts entries that lack something that the user may not set or that
// the file system does not support.
type Denied struct {
	What    string // "owner", "extended attribute security.*", …
	Entries uint64
}

// counters are the parts of Stats that several goroutines add to.
type counters struct {
	files, dirs, symlinks, specials, links, kept, deleted atomic.Uint64
	bytes, written, unchanged, lost, damaged, missing     atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Files: c.files.Load(), Dirs: c.dirs.Load(), Symlinks: c.symlinks.Load(), Specials: c.specials.Load(),
		HardLinks: c.links.Load(), Kept: c.kept.Load(), Deleted: c.deleted.Load(), Bytes: c.bytes.Load(), Written: c.written.Load(),
		Unchanged: c.unchanged.Load(), Lost: c.lost.Load(), Damaged: c.damaged.Load(), Missing: c.missing.Load(),
	}
}
