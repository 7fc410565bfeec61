// Package tree is the data model of a stored directory tree: nodes, the pages
// that hold a directory's nodes, and the pages that hold a large file's content
// list. It encodes and decodes them; storing and loading blobs is the caller's.
//
// A directory is one page when it is small, else a tree of pages: pages of
// level 0 hold nodes in the order of their names' bytes, pages of level n hold
// references to pages of level n-1. A content list of more than MaxNodeParts
// parts is kept alike.
//
//	node "src"  Dir{ID, Level 1, Entries, Subdirs, Total, Bytes}
//	              │
//	              ▼
//	            page, level 1:  [first "a.c" │ totals │ ID] [first "lib" │ totals │ ID] …
//	              │                                           │
//	              ▼                                           ▼
//	            page, level 0:  [node "a.c"] [node "b"] …   page, level 0: [node "lib"] …
//	                                              │
//	                                              ▼
//	                                            its own pages
//
// Where a page begins is a property of the entry it begins with (a hash of its
// name, or the blob ID of a part), so an entry that comes, goes or changes
// rewrites the one page it stands in, and one page on each level above. Every
// reference carries the totals of what lies below it, so that an entry is found
// by its name, its index or its pre-order position with one page a level.
//
// # Bytes
//
// Pages and nodes are Protocol Buffers messages (proto3), written by hand: in
// ascending field order, zero fields left out, so that equal content has equal
// bytes. Unknown fields are skipped. Node fields 1 to 4 must stand first, once,
// and in order: a page's index is made from them without decoding the rest.
//
//	syntax = "proto3";
//
//	message DirPage {
//	  uint32 level = 1;
//	  repeated Node   nodes = 2;      // level 0 only; names strictly ascending
//	  repeated DirRef refs  = 3;      // level > 0 only; firsts strictly ascending
//	}
//	message ContentPage {
//	  uint32 level = 1;
//	  repeated Part    parts = 4;     // level 0 only
//	  repeated PartRef refs  = 5;     // level > 0 only
//	}
//	message Node {
//	  bytes  name  = 1;               // no "/", no NUL, not "." or ".."; empty for the root alone
//	  uint32 type  = 2;               // 1 regular 2 directory 3 symlink 4 block 5 character device 6 FIFO
//	  uint64 size  = 3;               // regular files, bytes
//	  Dir    dir   = 4;               // directories
//	  uint32 mode  = 5;               // 07777
//	  uint32 uid   = 6;
//	  uint32 gid   = 7;
//	  bytes  user  = 8;
//	  bytes  group = 9;
//	  sint64 mtime = 10;              // seconds since 1970-01-01 UTC
//	  uint32 mtime_nsec = 11;
//	  sint64 ctime = 12;
//	  uint32 ctime_nsec = 13;
//	  uint64 inode = 14;
//	  repeated Part parts = 15;       // content of a regular file …
//	  uint64 links = 16;
//	  sint64 btime = 17;
//	  uint32 btime_nsec = 18;
//	  sint64 atime = 19;
//	  uint32 atime_nsec = 20;
//	  uint32 device = 21;
//	  uint64 rdev   = 22;             // block and character devices
//	  bytes  target = 23;             // symlinks
//	  repeated Xattr xattrs = 24;     // names strictly ascending
//	  uint32 flags  = 25;
//	  bytes  inline = 26;             // … or its bytes themselves
//	  Pages  pages  = 27;             // … or a tree of content pages
//	  bytes  digest = 28;
//	}
//	message Dir {
//	  bytes  id = 1;                  // 32 bytes; left out when the directory is empty
//	  uint32 level   = 2;
//	  uint64 entries = 3;             // direct children
//	  uint64 subdirs = 4;             // those that are directories
//	  uint64 total   = 5;             // all entries below
//	  uint64 bytes   = 6;             // sizes of all regular files below
//	}
//	message DirRef {
//	  bytes  id = 1;
//	  uint64 entries = 3;             // as in Dir, of the part of the directory below
//	  uint64 subdirs = 4;
//	  uint64 total   = 5;
//	  uint64 bytes   = 6;
//	  bytes  first   = 7;             // name of the first node below
//	}
//	message Xattr   { bytes name = 1; bytes value = 2; }
//	message Part    { bytes id = 1; uint64 length = 2; }    // no id: a hole
//	message Pages   { bytes id = 1; uint32 level = 2; uint64 parts = 3; uint64 holes = 4; }
//	message PartRef { bytes id = 1; uint64 bytes = 2; uint64 parts = 3; uint64 holes = 4; }
//
// # Trust
//
// What is decoded may come from someone hostile who has a key. Decoders bound
// sizes before they take memory, refuse what no file system has, and return
// errors that wrap ErrInvalid. What only two pages together can show, a child
// that does not fit what its parent says of it, Fits tells.
package tree
