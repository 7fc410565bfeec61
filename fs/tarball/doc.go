// Package tarball writes a stored tree as a tar archive, and stores an archive
// as a tree.
//
// # Export
//
// The archive is one of POSIX.1-2001 (pax): each entry is a ustar header with a
// pax header in front of it for what that does not hold.
//
//	[ustar x│records] [ustar header│content] …                an entry
//	[ustar x│records] [ustar header│map of regions│regions] … a file with holes
//	[zeros]                                                   two blocks, the end
//
// Times have nanoseconds (mtime, atime), names and targets are the bytes that
// they are (hdrcharset=BINARY where they are not UTF-8), and what GNU tar and
// star have agreed upon carries the rest:
//
//	SCHILY.xattr.NAME             an extended attribute; in NAME % and = are %25 and %3D
//	SCHILY.acl.access, .default   a POSIX ACL as text, users and groups by number
//	GNU.sparse.*                  format 1.0: a file's regions without its holes
//
// A hard link refers to the name that came first. What tar has no place for is
// left out: inode flags, birth and change times; and the snapshot's root, which
// is no entry of anything, and would give its mode to the directory that
// somebody extracts into.
//
// What is lost of a tree becomes zeros, or is left out when it is a part of a
// directory; the caller is told of each.
// Stored trees are input: nothing in them makes memory grow beyond their pages,
// the hard links that wait for their other names, and 16,384 regions of a file.
//
// # Import
//
// Archives of others have their entries in any order, while a directory is
// stored in the order of its names, after what is in it. So content is stored as
// it is read, and nodes wait in memory, encoded, until the archive ends.
//
// archive/tar reads all formats (pax, GNU, ustar, v7), and gives zeros for the
// holes of a file that is marked as sparse; blocks of zeros become holes again
// in those. Looking at the zeros takes its time: 0.7 s for 16 GiB, and some minutes
// for 5 TiB.
//
// Paths lose "." and slashes that mean nothing; one with ".." is refused, as is
// one through what is no directory. Of an entry that comes twice the later one
// counts, but nothing takes the place of a directory that is not empty. Each of
// these is told to the caller. What an archive lacks is made up: directories
// (0755, of the caller), change times (the modification's).
package tarball
