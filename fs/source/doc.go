// Package source reads a Linux file system for a snapshot: directories in the
// order of their names, the metadata of their entries, and the bytes and holes
// of files. It stores nothing and decides nothing.
//
// # Names, not paths
//
// Every system call names an entry by the descriptor of its directory and its
// last element (openat, statx, readlinkat, listxattrat). So paths may be longer
// than PATH_MAX, and a directory that somebody swaps for a symbolic link in the
// middle of a walk leads nowhere. A [Dir] is such a descriptor. Trees can be
// deeper than the process may have descriptors, so [Handles] closes those that
// are idle and opens them again, from the nearest ancestor that is open, when
// they are needed; a directory that is then no longer the same inode is an
// error.
//
//	Handles ──┬── Dir /          fd 5
//	          ├── Dir /home      closed, idle
//	          └── Dir /home/ann  fd 7, pinned
//
// A [Name] carries its terminating NUL, so that none of the calls copies it.
//
// # Memory
//
// [Names] holds one directory's entries in one piece of memory, about the
// length of the name and eight bytes for each:
//
//	arena  ┌──────┬─────────┬──────┬─────┬──────┬─────────┬─ ─
//	       │ type │ length  │ name │ NUL │ type │ length  │
//	       │  u8  │ u16 LE  │      │     │  u8  │ u16 LE  │
//	       └──────┴─────────┴──────┴─────┴──────┴─────────┴─ ─
//	order  u32 offsets into the arena, sorted by name bytes
//
// # File systems
//
// [Mounts] says what file system an entry is on. Three things matter to a
// snapshot: whether its files are made up by the kernel (proc, sysfs, devtmpfs
// and the like), whether its time stamps come from another machine's clock or a
// user-space server (NFS, SMB, FUSE), and whether they are coarse (FAT).
package source
