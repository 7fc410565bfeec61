// Package view gives random access to one stored tree: entries by position,
// by path and by index in their directory, and bytes of files by offset. It
// loads what a question needs, about one page a level, and keeps parsed pages in
// a bounded cache; everything else is computed anew.
//
// Positions number a tree's entries in pre-order. The root is 0; a directory's
// i-th child stands after the directory and the earlier children with all that
// is below these:
//
//	pos  entry          Dir.Total
//	 0   /                  5
//	 1   ├── bin            2        children of 0 begin at 0+1
//	 2   │   ├── cat
//	 3   │   └── ls
//	 4   ├── etc            1        1 + (1+2)
//	 5   │   └── fstab               4 + 1
//
// Since every reference to a page carries its totals, At finds an entry from its
// position alone, without an earlier visit.
//
// Stored trees are input. Each page is checked against what its parent says of
// it (level, totals, names), so positions are unique, a walk ends after the
// number of entries that the root gives, and hostile pages end in an error that
// wraps tree.ErrInvalid. A walk over a tree that refers to the same pages again
// and again can still be very long; the caller's context ends it.
//
// Errors: fs.ErrNotExist (as it is, for speed), syscall.ENOTDIR, EISDIR, EINVAL
// and ENXIO for wrong questions; else those of the loader and the decoder,
// wrapped.
package view
