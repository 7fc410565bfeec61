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
// writable; then the mode, the times, and flags such as "immutable". A
// directory gets its metadata when all in it is done, so one without write
// permission can be filled and keeps its times.
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
// is written. A directory page that cannot be read costs its entries only. All
// that is reported through Options.Warn, by path; what the user may not set
// (owners, device nodes) is reported once a kind and counted. A full disk, or a
// file that is in the way, ends the run with an error. When a run ends early,
// the files it was writing are removed.
package restore
