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
// be done the old one is removed first. Of a file of more than 16 MiB only the
// blocks that differ are written, see below. Immutable and append-only entries are
// replaced by who has the right to unlock them.
//
// A destination that a run has made is closed to others, and marked by an
// attribute, until the run has come to its end. So one that was interrupted and
// is run again knows that the destination's own metadata are still to be set.
//
// # Changed in place
//
// When Options.Hasher is given, and Damaged is KeepOld or Zero, a file of more than
// 16 MiB that takes the place of another such file is not made anew. The old one is
// read along the list of parts that was stored: a part whose bytes have the
// stored ID already is not even read from the repository, of others the pages
// that differ are written, and holes are punched where holes were stored. When
// the first 64 MiB have nothing in common, the rest is not compared.
//
// So there is a time in which there is neither the old file nor the new one.
// The file has mode 0600, a new modification time, and the attribute
// "user.garret.unfinished" then, until its data are on the disk. What is
// interrupted stays like that; Overwrite set to Replace, ReplaceChanged or
// ReplaceOlder goes on with it.
//
// Nobody else shall notice. The old file is replaced after all when it, or what
// was stored, has further names, when somebody has it open or mapped (which a
// lease tells, fcntl(2)), when it belongs to another user or group than the
// stored one, when its mode or ACL lets more users in, when its inode flags
// differ, when something is mounted on it, when holes are to get blocks, or
// when the file system lacks leases or attributes.
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
// is written, unless a file is in the way, which stays, or Options.Damaged says
// otherwise. A directory page that cannot be read costs its entries only. All that
// is reported through Options.Warn, by path, as a LostError or a LostEntriesError; what the user may
// not set, or the file system cannot keep (owners, device nodes, flags, times)
// is reported once a kind and counted. A full disk, or a file that is in the
// way, ends the run with an error. When a run ends early, the files it was
// writing are removed, those that it was changing in place excepted.
package restore
