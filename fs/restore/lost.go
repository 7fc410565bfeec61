package restore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Range is a piece of a file, bytes.
type Range struct{ Offset, Length uint64 }

// LostError tells which ranges of a file could not be read.
type LostError struct {
	Ranges  []Range // by offset; the first maxRanges that were found
	Cut     bool    // there are more
	Bytes   uint64  // in all
	Damaged Damaged // what became of the file: KeepOld if what was there stays in the ranges
	Err     error   // the cause of one of them
}

// maxRanges bounds what is kept of a file that has lost nearly everything.
const maxRanges = 1000

// shownRanges is how many of them stand in a message.
const shownRanges = 100

func (e *LostError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d bytes are lost", e.Bytes)
	switch e.Damaged {
	case Zero:
		b.WriteString(" and are zeros now")
	case KeepOld:
		b.WriteString(", and what was there stays in their place")
	default:
		b.WriteString(", so it is not restored")
	}
	b.WriteString(": bytes ")
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

// Restored reports whether the rest of the file was restored.
func (e *LostError) Restored() bool { return e.Damaged == Zero || e.Damaged == KeepOld }

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

// sort puts the ranges in order and joins neighbours.
func (e *LostError) sort() {
	slices.SortFunc(e.Ranges, func(a, b Range) int { return cmp.Compare(a.Offset, b.Offset) })
	kept := e.Ranges[:0]
	for _, r := range e.Ranges {
		if n := len(kept); n > 0 && kept[n-1].Offset+kept[n-1].Length == r.Offset {
			kept[n-1].Length += r.Length
		} else {
			kept = append(kept, r)
		}
	}
	e.Ranges = kept
}

// LostEntriesError tells that a part of a directory's list of entries cannot be
// read: what it named is not restored.
type LostEntriesError struct {
	Entries uint64 // that are lost
	Of      uint64 // that the directory had
	// What was in the directory, with all below: set when all of it is lost.
	Total, Bytes uint64
	Err          error
}

func (e *LostEntriesError) Error() string {
	if e.Entries < e.Of {
		return fmt.Sprintf("%d of %d entries are lost: %v", e.Entries, e.Of, e.Err)
	}
	return fmt.Sprintf("all %d entries are lost, %d with what was below them, files of %d bytes: %v", e.Of, e.Total, e.Bytes, e.Err)
}

func (e *LostEntriesError) Unwrap() error { return e.Err }
