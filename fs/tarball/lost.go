package tarball

import (
	"fmt"
	"strings"
)

// Range is a piece of a file, bytes.
type Range struct{ Offset, Length uint64 }

// LostError tells which ranges of a file could not be read: the archive has
// zeros there.
type LostError struct {
	Ranges []Range // in the order in which they were found; the first maxRanges
	Cut    bool    // there are more
	Bytes  uint64  // in all
	Err    error   // the cause of one of them
}

// maxRanges bounds what is kept of a file that has lost nearly everything.
const maxRanges = 1000

// shownRanges is how many of them stand in a message.
const shownRanges = 100

func (e *LostError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d bytes are lost and are zeros now: bytes ", e.Bytes)
	for i, r := range e.Ranges[:min(len(e.Ranges), shownRanges)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d-%d", r.Offset, r.Offset+r.Length-1)
	}
	if len(e.Ranges) > shownRanges || e.Cut {
		b.WriteString(" and more")
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

func (e *LostError) Unwrap() error { return e.Err }

func (e *LostError) add(r Range, err error) {
	if e.Err == nil {
		e.Err = err
	}
	e.Bytes += r.Length
	if n := len(e.Ranges); n > 0 && e.Ranges[n-1].Offset+e.Ranges[n-1].Length == r.Offset {
		e.Ranges[n-1].Length += r.Length
	} else if n < maxRanges {
		e.Ranges = append(e.Ranges, r)
	} else {
		e.Cut = true
	}
}

// LostEntriesError tells that a part of a directory's list of entries cannot be
// read: what it named is not in the archive.
type LostEntriesError struct {
	Entries uint64 // that are lost
	Of      uint64 // that the directory had
	Err     error
}

func (e *LostEntriesError) Error() string {
	return fmt.Sprintf("%d of %d entries are lost, with what was below them: %v", e.Entries, e.Of, e.Err)
}

func (e *LostEntriesError) Unwrap() error { return e.Err }
