// Package restore writes a stored tree, or a part of one, back into a directory
// of this machine: with holes, hard links, owners, modes, extended attributes
// (ACLs and capabilities among them), inode flags and times in nanoseconds.
//
// # Order
//
// One goroutine walks the tree in pre-order. It makes the directories (mode
// 0700), the hard links, and what may get hard links later; the rest goes to
// workers, in batches of neighbours, because neighbours lie in the same frames
// of a repository: two workers then seldom wait for the same frame.
//
//	walk ─┬─ mkdir, link ──────────────────────────────┐
//	      ├─ batch of small files ──┐                  ├─ directory's metadata,
//	      └─ piece of a large file ─┴─ worker ─ worker ┘  when nothing is left to
//	                                                      do in it
//
// An entry's owner is set first, because that takes set-id bits and
// capabilities away; then extended attributes, while the file is still
// writable; then the mode, the times, and flags such as "immutable". What a new
// entry has already is not set: in a directory of ours that nobody else can
// enter yet a file is made with its final mode and owner. A directory gets its
// metadata when all in it is done, so one without write permission can be
// filled and keeps its times.
//
// # What is there already
//
// Directories are merged; Options.Overwrite says what becomes of the rest. A
// file that takes the place of another is written without a name (O_TMPFILE) and
// gets it at the end, so that one of the two is always there; where that cannot
// be done the old one is removed first. Immutable and append-only entries are
// replaced by who has the right to unlock them.
//
// A destination that a run has made is closed to others, and marked by an
// attribute, until the run has come to its end. So one that was interrupted and
// is run again knows that the destination's own metadata are still to be set.
//
// # Nothing outside
//
// Every call names an entry by its directory's descriptor and one valid name,
// never through a symbolic link; files are created exclusively. Whoever plants
// a symbolic link below the destination, before or meanwhile, gets an error
// that names it, or with Overwrite sees it replaced; it is not followed. Only
// the destination's own path may contain links: it is the user's word.
//
// # What cannot be restored
//
// A blob that cannot be read leaves zeros in its range and the rest of the file
// is written, unless Options.Damaged says otherwise. A directory page that
// cannot be read costs its entries only. All that is reported through
// Options.Warn, by path, as a LostError or a LostEntriesError; what the user may
// not set, or the file system cannot keep (owners, device nodes, flags, times)
// is reported once a kind and counted. A full disk, or a file that is in the
// way, ends the run with an error. When a run ends early, the files it was
// writing are removed.
package restore
