// Package powercut is a file system in memory whose power can be cut, to test
// that what is said to be durable is.
//
// It implements local.FS. Beside the present state it keeps what a disk would
// hold for certain: the bytes of each file up to its last Sync, the entries of
// each folder as of its last SyncDir. Crash gives the disk as it may be found
// when the power comes back: what was not synced has survived or not,
// piece by piece and independently:
//
//	bytes written since the file's Sync      the file is as long as it was
//	                                         synced, or longer; each further
//	                                         block is as written, zeros, or
//	                                         garbage
//	a name changed since the folder's SyncDir   names what it did at the Sync or
//	                                         at any moment since
//
// This is worse than any real file system: a rename may have survived at one
// of its ends only, and syncing a file does not keep its name. What holds here
// holds on a real disk.
//
//	disk := powercut.New()
//	b, _ := local.CreateFS(disk, "/repo")
//	disk.CutAfter(17)                  // 17 more changes, then nothing works
//	…                                  // errors wrap ErrCut
//	for seed := range uint64(8) {
//		left, _ := local.OpenFS(disk.Crash(seed), "/repo")
//		…
//	}
package powercut
