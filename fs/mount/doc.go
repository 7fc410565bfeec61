// Package mount serves stored trees as a read-only FUSE file system.
//
// Mount shows an archive of snapshots:
//
//	/latest                      → snapshots/<the newest complete one>
//	/snapshots/<name>/…          the trees; name: 2026-11-22T13-00-00Z_host_label_1a2b3c4d
//	/hosts/<host>/<name>         → ../../snapshots/<name>
//	/hosts/<host>/latest         → the newest complete one of that host
//	/ids/<short id>              → ../snapshots/<name>
//
// MountTree shows one tree, or a directory of it, at the root.
//
// Options.Versions has Mount show all complete snapshots as one tree instead:
//
//	/home/me/                                  what any snapshot has in /home/me
//	/home/me/report.odt/2026-11-22T13-00-00Z.odt   its distinct versions
//
// A directory there is a path, not an entry: it has the children that any
// snapshot has at the path, and a version for each distinct thing, other than a
// directory, that is or was there. A version goes by the time of the oldest
// snapshot that has it, and keeps its own mtime; what differs in nothing but
// inode, link count, ctime and atime is no version of its own. If a name would
// come up twice, the later one gets its snapshot's short ID too. Directories
// that are equal in many snapshots are looked into once.
//
// # No object per inode
//
// The server keeps nothing for an inode that the kernel knows: a node ID says
// where the entry is, and package view finds it again by descending the
// subtree totals. The same ID stands for the same entry in the next mount, so
// file handles (open_by_handle_at, NFS) survive a remount.
//
//	 63 62 61              36 35                                   0
//	┌──┬──┬──────────────────┬──────────────────────────────────────┐
//	│0 │0 │ snapshot (not 0) │ position in pre-order, the root is 0 │  an entry of a tree
//	├──┼──┼──────────────────┼────────┬─────────────────────────────┤
//	│0 │0 │ 0                │ kind 4 │ argument 32                 │  what stands above the trees
//	├──┼──┼──────────────────┴────────┴─────────────────────────────┤
//	│0 │1 │ hash of snapshot, device, inode                         │  only as st_ino: a hard-link group
//	├──┼──┼──────────────────┬──────────────────────────────────────┤
//	│1 │0 │ snapshot         │ position in pre-order                │  a path of the versions view
//	└──┴──┴─────────────────────────────────────────────────────────┘
//
// Node 1 is the root of the mount, as FUSE wants it. A snapshot's number is a
// hash of its ID; when two collide, the older one keeps it, and as long as the
// mount lasts no other snapshot gets it, for the kernel's requests name nothing
// else. The generation of an inode holds more bits of that hash, so a handle that
// was taken in an earlier mount does not open a snapshot that came by the number
// since. A path goes by the entry that the oldest snapshot has there.
//
// # What the kernel may cache
//
// Snapshots never change: entries, attributes, absent names, directory
// listings, file content and link targets below a snapshot's directory are the
// kernel's to keep. What stands above is good for a second at most: names and
// attributes time out, a directory's mtime changes with its listing (the
// kernel then drops the listing it has cached), and a link that changes its
// target changes its node ID. The archive is asked for its list when somebody
// looks and the last answer is older than Options.Interval.
//
// In the versions view names and directories are good for a second too: each new
// snapshot may add to any of them. The nanoseconds of a directory's mtime stand
// for the set of snapshots there; versions never change.
//
// Where no snapshot holds extended attributes or ACLs the kernel is told so, once,
// and does not ask for those of every file that is copied. It cannot be told
// otherwise later: when a snapshot comes that has some, the mount is made anew
// in its place (renew.go), and what is open in the old one stays.
//
// OPEN and OPENDIR are answered ENOSYS, once, after which the kernel opens
// files and directories alone, keeping their cached pages.
//
// When a READ of a small file has been answered, the files that follow it in
// its directory and lie in memory decoded are stored in the kernel's cache too;
// so are those of a directory that has been listed, where the one before was
// read from (push.go). What a sequential reader will want next is loaded by
// package store. Nothing depends on either.
//
// # Who answers
//
// One worker reads a request and answers it at once (connection.go). Where somebody
// goes through a tree it then encodes the listing that will be asked for next, if
// what that needs is in memory (walk.go). Before it waits for anything, or copies
// much, it hands the lead to another, which reads on. What may wait asks the request's context for it: package view does before a
// page or a blob is loaded that is not in memory (view.Waiter), and whoever asks
// for the context's Done has it done. Nothing that waits for the kernel's locks
// may be done by the leader, since the request that holds them may still have to
// be read.
package mount
