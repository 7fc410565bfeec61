// Package snapshot walks file systems and stores what it finds: the data and
// tree blobs of one snapshot, through a [Store] that it declares.
//
// # The pipeline
//
// Entries go through four stages in the order of a depth-first walk by name.
// They travel in batches of memory that is used again and again, so that how
// far one stage may be ahead of the next is bounded.
//
//		scan ───────► match ───────► assemble ───────► Store, in walk order
//		(one)         (one) │        (one)  ▲
//		                    └──► read ──────┘
//		                         (several)
//
//	  - scan lists directories and asks for the metadata of their entries, links
//	    and attributes; it knows sources, boundaries and what is left out.
//	  - match goes through the parent snapshot's tree alongside. It decides for
//	    each file: content of the parent, content of another name of the same
//	    inode in this run, or to be read.
//	  - read opens files, cuts them into chunks and hashes those. Each reader has
//	    a ring of memory for chunks on their way, and hashes for the others while
//	    it has to wait (ring.go, crew.go).
//	  - assemble takes entries and the chunks of their files strictly in order,
//	    stores what is new, and builds content lists and directories.
//
// Nothing waits in a circle: a reader waits only for room in its own ring, which
// holds nothing but chunks of files before the one it is reading, or of this
// one; the file that assemble waits for is the earliest that is not done, so
// its reader's ring has room.
//
// # Unchanged files
//
// A file's content is taken from the parent without a look at it when type,
// size, modification and change time and inode are the same and every blob is
// still there to be used (Store.Has); a [Detection] may ask for less, or have
// everything read. A time stamp proves nothing while it could have been given
// again after the file was read, because clocks tick, and some tick slowly;
// unchanged.go has the rule.
//
// # Checkpoints
//
// When a run is stopped, and from time to time while it goes on, assemble
// finishes copies of the directories that are open, with what has been stored
// so far: a tree that is sound and lacks what comes later in the walk. The file
// that is being read stands in it up to its last chunk, under a name that ends
// in [Unfinished]. The run that has this tree as its parent takes over whole
// files as ever, and reads on behind the last chunk of the unfinished one if its
// metadata is still the same; cuts do not depend on what is before a chunk, so
// it makes the tree that an uninterrupted run would have made.
//
// # What is not perfect is said
//
// Whatever cannot be stored as it is ends in a [Warning], never in an error:
// only the Store's errors, and the caller's context, end a run. What is left out
// on request is counted ([Stats]); nothing is left out without a [Reason].
package snapshot
