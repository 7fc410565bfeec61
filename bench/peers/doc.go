// Command peers compares garret with BorgBackup and restic, where they are
// installed, and with cp and find, on files that every machine with Go can have.
//
//	corpus     A                           B, stored under the same path
//	linux      Debian's linux-source-6.1
//	go         Go 1.24.0 for linux/amd64   Go 1.24.1
//	image      an ext4 image of 2 GiB      the same after files were replaced
//	random     2 GiB of noise
//	many       1,000,000 small files
//
// Every tool goes through the same steps, in turn with the others, as often as
// -runs says: a new repository, the first snapshot of A, one of A unchanged, one
// of B, restore, check of every byte, find in a mount and the memory that the mount
// has then, copy out of it. Whole processes are
// measured: wall time, processor time, and the peak of memory that is their own.
// Everything is encrypted, compressed with zstd, and lies on a tmpfs. What a run
// has left is deleted between the runs, outside of what is timed. Two settings of a
// virtual machine are changed meanwhile, where root may (internal/machine), unless
// -as-found says otherwise; the tables say so.
//
// The results are kept as JSON, from which -render makes tables and plots anew.
package main
