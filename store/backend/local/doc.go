// Package local is a backend in a directory, on any file system that Linux
// mounts: a disk, NFS, SMB, sshfs, a USB stick with FAT.
//
// An object is a file of mode 0600 in folders of mode 0700. It is never made
// read-only: servers that know the MS-DOS flag would refuse to delete it.
//
// # Put
//
//	mkdir packs, sync .; mkdir packs/3f, sync packs     folders, once a process
//	create packs/3f/tmp-5d6c0e9a41b7f283                exclusively
//	write, sync, close                                  the data is durable
//	rename to packs/3f/3f09…e1                          whole or not at all
//	sync packs/3f                                       the name is durable
//
// The temporary file lies in the object's own folder: renaming then never
// crosses a file system, a quota or an NFS export, and a single folder has to
// be synced. If anything fails before the rename, the temporary file is
// removed; one that a crash leaves behind is no object, and CleanTemp removes
// it later. A folder's own entry is synced when this process first writes to
// the folder, even if the folder was there: another process may have made it
// and died before its sync.
//
// Objects of more than 1 MiB, which are packs, leave the page cache when they are
// durable: the next to read one is a restore some day.
//
// Delete is unlink and a sync of the folder, so that what is deleted first is
// also gone first after a power cut.
//
// A folder's sync that the file system does not know (EINVAL, ENOTSUP: sshfs,
// SMB, FAT) counts as done.
//
// # ReadAt
//
// Files stay open for a short while in a small cache, so that a read is one
// pread. This process's own Put and Delete drop the handle at once; what
// another process replaces or deletes is noticed after handleAge.
//
// # FS
//
// All of it goes through the small interface FS, so that tests can watch the
// order of calls, make each of them fail, and cut the power (package
// powercut).
package local
