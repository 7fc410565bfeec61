package snapshot

import (
	"garret/fs/source"
	"garret/fs/tree"
	"garret/fs/view"
)

// op is what an entry of a batch means.
type op uint8

const (
	opEnter    op = iota // a directory begins
	opLeave              // the directory ends
	opFile               // a regular file
	opOther              // a symbolic link, FIFO or device
	opWarning            // nothing but a problem
	opExcluded           // left out because the options say so
)

// how is where a file's content comes from.
type how uint8

const (
	fromReader how = iota
	fromParent
	fromLink   // another name of the inode, met before
	fromNobody // dry run
)

// entry is one step of the walk. Each stage fills in its part and is then done
// with it; entries are used again.
type entry struct {
	op   op
	node tree.Node

	// By scan.
	stat    source.Stat
	device  *device
	name    source.Name
	dir     *source.Dir // opEnter: retained for match
	path    string      // opWarning, opExcluded: in the snapshot
	reason  Reason      // opExcluded; opEnter, opWarning: why what is in it is not stored, or empty
	problem error       // a warning that does not keep the entry out
	notice  bool        // problem is a Notice
	lost    bool        // opWarning: for that reason it is not stored
	drop    bool        // opEnter: leave out if nothing is in it
	special bool        // opFile: a block device or FIFO to be read

	// By match.
	how    how
	before *tree.Node // the parent's regular file of this path, or nil
	link   *link      // fromLink: to copy from; else to fill in
	forget *link      // nothing refers to it after this entry
	lookup error      // of the parent's tree; does not concern the entry itself
	prior  view.Entry // fromParent
	parent *Parent    // fromParent, resume: whose prior it is
	resume uint64     // fromReader: prior is an unfinished one, whose first bytes need not be read

	// By read. The node is the reader's until its last piece is taken.
	from    *source.Dir // of the file, retained for its reader, by match
	pieces  chan piece
	failed  error // it could not be read at all
	changed error // why it is not quite what it was
	opened  bool
	inline  [tree.MaxInline]byte
	onePart [1]tree.Part
}

// piece is a part of a file's content on its way to the store, or something to
// be known about the content.
type piece struct {
	part    tree.Part
	hashing *hashing // who works out part.ID, or nil when it is known
	nth     int      // of the chunks in hashing
	data    []byte   // in ring
	large   bool     // it is of a large file, as the reader knows it now
	ring    *ring
	release uint64 // position up to which the ring is free once data is stored
	last    bool   // no part: the file ends here

	begun   *tree.Node // no part: of a file that takes a while, its metadata
	restart bool       // no part: what has been sent of the file does not count
	notice  error      // no part: something to tell
}

// piecesAhead is how many pieces of one file may wait.
const piecesAhead = 8

// clear makes e ready for the next use; it keeps its channel, which is empty.
func (e *entry) clear() { *e = entry{pieces: e.pieces} }

// batch is what travels from stage to stage.
type batch struct {
	entries []entry
	n       int
}

// Entries of a batch, and batches in all. Their product bounds how much later
// than its metadata a small file is read.
const (
	batchEntries = 64
	batches      = 20
)

func newBatch() *batch {
	b := &batch{entries: make([]entry, batchEntries)}
	for i := range b.entries {
		b.entries[i].pieces = make(chan piece, piecesAhead)
	}
	return b
}
