package snapshot

import "garret/fs/tree"

// Result is what a run has stored.
type Result struct {
	Root     *tree.Node // nil in a dry run, and when Stop was closed from the start
	Stats    Stats
	Devices  []Device
	Warnings int  // without notices
	Partial  bool // not all of the sources is there: Stop has ended the run, or it goes on
	// Unfinished is the path in the snapshot, and on the source file system, of
	// the file that a partial Result has the beginning of; empty when there is none.
	Unfinished, UnfinishedSource string
}

// Stats count what a run met and did.
type Stats struct {
	Files, Dirs, Others uint64 // entries stored, by type
	New, Modified       uint64 // regular files that the parent lacks, or has otherwise
	Unmodified          uint64 // regular files taken from the parent unread
	Same                uint64 // regular files that were read and have the parent's content
	Linked              uint64 // regular files that are another name of one met before
	Changed             uint64 // regular files that changed while they were read, or could not be read to their end
	FilesRead           uint64 // files opened
	Excluded            uint64 // entries left out because the options say so, what is below them not counted
	Errors              uint64 // entries left out because they could not be read

	// Reasons says why entries are not stored, or not as they are: warnings and
	// what was excluded, by Reason.
	Reasons map[Reason]uint64

	BytesTotal uint64 // sizes of the regular files stored
	BytesRead  uint64 // bytes of content read
	BytesAdded uint64 // raw bytes of blobs that were new, pages of trees included
	BlobsAdded uint64
}
