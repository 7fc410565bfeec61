package restore

import (
	"cmp"
	"fmt"
	"slices"
)

// Range is a piece of a file, bytes.
type Range struct{ Offset, Length uint64 }

// LostError tells which ranges of a file could not be read: they are zeros now.
type LostError struct {
	Ranges []Range // by offset; the first maxRanges that were found
	Bytes  uint64  // in all
	Err    error   // the cause of one of them
}

// maxRanges bounds what is kept of a file that has lost nearly everything.
const maxRanges = 1000

func (e *LostError) Error() string {
	return fmt.Sprintf("%d bytes could not be read and are zeros, first at offset %d: %v", e.Bytes, e.Ranges[0].Offset, e.Err)
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
