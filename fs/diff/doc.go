// Package diff says how two stored trees of one repository differ, without
// reading what they share.
//
// Both trees are pages under IDs that say what they hold (package tree), so two
// directories are merged page by page: what both refer to by the same ID is
// passed over unread, at whatever level it stands.
//
//	A:  [ P1 ][ P2 ][ P3 ]        P1 and P3 are skipped; P2 and Q are read and
//	B:  [ P1 ][ Q  ][ P3 ]        their nodes compared by name
//
// Ten changes in a tree of a million entries so cost about ten pages a level on
// either side. The lists of blobs of large files are compared alike.
//
// Differences come in pre-order: a directory before what is in it, names in the
// order of their bytes. Memory does not grow with the trees. Change times, birth
// and access times and inode numbers are not compared: a copy of a tree that
// restore would write back alike does not differ.
//
// Stored trees are input: pages are checked against what their parents say of
// them. Errors are the loader's and those that wrap tree.ErrInvalid.
package diff
