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

	// Overwrite replaces files that are in the way. Without it the first one
	// ends the run with ErrExists. Directories are merged in either case, and
	// never removed.
	Overwrite bool
	// NumericIDs takes the stored numbers of users and groups; otherwise
	// their names count where this machine knows them.
	NumericIDs bool
	// Accounts finds users and groups by name; nil means this machine's.
	Accounts Accounts

	Workers  int // files written at the same time; 0 means a good number
	Progress *Progress

	// Warn is told of what could not be restored, wholly or in part. Path is
	// that in Dest, Dest included. Calls come one at a time.
	Warn func(path string, err error)
}

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
	TotalEntries, TotalBytes atomic.Uint64 // set when the run starts
}

// Stats says what a run did.
type Stats struct {
	Files     uint64 // regular files, hard links not counted
	Dirs      uint64
	Symlinks  uint64
	Specials  uint64 // devices and FIFOs
	HardLinks uint64 // further names of files that were restored
	Bytes     uint64 // logical sizes of the files
	Written   uint64 // bytes written: without holes and what is lost
	Lost      uint64 // bytes that could not be read: zeros now

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
	files, dirs, symlinks, specials, links, bytes, written, lost atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Files: c.files.Load(), Dirs: c.dirs.Load(), Symlinks: c.symlinks.Load(), Specials: c.specials.Load(),
		HardLinks: c.links.Load(), Bytes: c.bytes.Load(), Written: c.written.Load(), Lost: c.lost.Load(),
	}
}
