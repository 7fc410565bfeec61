package snapshot

import (
	"errors"
	"io/fs"
	"syscall"
)

// Reason says in a word why something was not stored, or not as it is. The
// words are part of a snapshot's record.
type Reason string

// Reasons of what was left out because the options say so.
const (
	ByPattern    Reason = "pattern"    // Filter
	ByTag        Reason = "tag"        // ExcludeCaches, ExcludeIfPresent
	ByNoDump     Reason = "nodump"     // ExcludeNoDump
	BySize       Reason = "size"       // ExcludeLarger
	ByRepository Reason = "repository" // Skip, SkipMounts
	ByFileSystem Reason = "filesystem" // the content of a directory that another file system is mounted on
	BySocket     Reason = "socket"     // never stored
)

// Reasons of warnings.
const (
	WasChanged    Reason = "changed"    // while it was read
	WasDeleted    Reason = "deleted"    // while it was read
	WasCut        Reason = "truncated"  // it could not be read to its end
	WasReplaced   Reason = "replaced"   // by something else, while it was read
	HasVanished   Reason = "vanished"   // it was there when the directory was listed
	NotAllowed    Reason = "permission" // to read it
	Unreadable    Reason = "unreadable" // an error of the file system
	OfNoType      Reason = "type"
	LinkAsSource  Reason = "symlink"
	OtherProblems Reason = "other"
)

// reasonOf returns the reason of a warning.
func reasonOf(err error) Reason {
	for _, r := range []struct {
		err    error
		reason Reason
	}{
		{ErrChanged, WasChanged},
		{ErrVanished, WasDeleted},
		{ErrTruncated, WasCut},
		{ErrEndless, WasCut},
		{ErrNotRegular, WasReplaced},
		{ErrType, OfNoType},
		{ErrSymlink, LinkAsSource},
		{ErrThrough, LinkAsSource},
		{fs.ErrNotExist, HasVanished},
		{fs.ErrPermission, NotAllowed},
	} {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return Unreadable
	}
	return OtherProblems
}
