package snapshot

import (
	"context"
	"errors"
	"time"

	"garret/chunking"
	"garret/fs/tree"
	"garret/fs/view"
	"garret/index"
)

// Store takes the blobs.
type Store interface {
	// ID returns the ID of a blob. It is safe for concurrent use.
	ID(kind index.Kind, data []byte) index.ID
	// IDs sets ids[i] to the ID of blobs[i]. It is safe for concurrent use.
	IDs(kind index.Kind, ids []index.ID, blobs [][]byte)
	// Has reports whether a blob is stored where it can be relied on. It is
	// safe for concurrent use.
	Has(kind index.Kind, id index.ID) bool
	// Put stores a blob unless it is there. It does not keep data, and is
	// called in walk order from one goroutine.
	Put(ctx context.Context, kind index.Kind, id index.ID, data []byte) (added bool, err error)
	// PutPart is Put for a part of a large file, of which others may be read
	// without this one.
	PutPart(ctx context.Context, id index.ID, data []byte) (added bool, err error)
}

// Parent is an earlier snapshot whose content is taken over where files have
// not changed.
type Parent struct {
	Tree    *view.Tree
	Started time.Time // when its run began, by this machine's clock
	Devices []Device

	// Partial: its run was stopped early, and may have left a file unfinished
	// (see Unfinished).
	Partial bool
	// Older is asked for files that Tree does not have as they are: after a run
	// that was stopped early, the last complete snapshot.
	Older *Parent
}

// Device is a file system that a snapshot has entries of. Node.Device is an
// ordinal in the list of them.
type Device struct {
	FSType string `json:"fs_type"`
	// Network: its time stamps are not this machine's or are coarse (network
	// file systems, FUSE, FAT), so they prove less.
	Network bool `json:"network,omitempty"`
	// Newest is the latest change time of a regular file stored from it.
	Newest tree.Time `json:"newest"`
	Mount  []byte    `json:"mount"` // path at which the walk first met it
}

// Verdict is what a Filter says of an entry.
type Verdict uint8

// Verdicts of a Filter.
const (
	Include Verdict = iota
	Exclude         // leave it out, but look below: a directory stays if anything below does
	Prune           // leave it out with everything below
)

// Options say what to store and how. The callbacks are called from one
// goroutine each, Filter and Skip from two when ScanAhead is set.
type Options struct {
	Store   Store
	Chunker *chunking.Chunker

	// Sources are the paths to store; they may lie in each other. One that is a
	// symbolic link is stored as such, and followed when it ends in a slash.
	Sources []string
	// Exact stores the sources themselves and nothing below them.
	Exact bool
	// Root, when set, is the directory that paths in the snapshot are relative
	// to, instead of "/". Sources must lie below it.
	Root string

	Parent  *Parent
	Started time.Time // of this run; now when zero

	// Filter decides about an entry by its path in the snapshot (no leading
	// slash) and its metadata, before any content is known. It is not asked about the
	// directories above a source.
	Filter func(path string, n *tree.Node) Verdict
	// Skip names inodes that are left out without a word: the repository itself,
	// mounts of snapshots. Dev is as in stat(2).
	Skip func(dev, ino uint64) bool
	// SkipMounts are mount points that are not even looked at: what serves them
	// may be dead, or wait for this program. Paths as in /proc/self/mountinfo.
	SkipMounts []string
	// OneFileSystem leaves directories empty that other file systems are
	// mounted on, below each source.
	OneFileSystem bool
	// ExcludeCaches leaves out directories that hold a CACHEDIR.TAG
	// (https://bford.info/cachedir/), ExcludeIfPresent those that hold an entry of
	// one of these names. With KeepTags the directory stays, with its tags only.
	ExcludeCaches    bool
	ExcludeIfPresent []string
	KeepTags         bool
	ExcludeNoDump    bool   // what is marked so (chattr +d), directories with everything below
	ExcludeLarger    uint64 // regular files of more bytes than that, when not 0
	// ReadSpecial stores block devices and FIFOs, and symbolic links to them, as
	// regular files with what can be read from them.
	ReadSpecial bool

	// Detection says what makes a file count as unchanged.
	Detection Detection

	AccessTimes bool // keep them
	DryRun      bool // walk and compare only: read and store nothing

	Warn     func(Warning)
	Item     func(Item)
	Progress *Progress
	// ScanAhead walks the sources once more, ahead, for Progress's totals.
	ScanAhead bool

	// Stop, when closed, ends the walk early with what there is so far, as a
	// Result that is Partial.
	Stop <-chan struct{}
	// Checkpoint, when set, is given such a Result every CheckpointEvery while
	// the walk goes on, to make it durable. Its error ends the run. It is called
	// from the goroutine that calls Item.
	Checkpoint      func(context.Context, *Result) error
	CheckpointEvery time.Duration

	// Workers is how many files are read at once, 0 for as many as there are
	// processors. Memory for chunks bounds it.
	Workers int

	// openFile replaces the opening of files in tests, the others the constants
	// of the same names.
	openFile     func(path string, open func() (file, error)) (file, error)
	maxReread    uint64
	waitingAfter time.Duration
}

// Errors of Run.
var (
	ErrNoSource    = errors.New("none of the sources exists")
	ErrOutsideRoot = errors.New("source is not below the root directory")
)
