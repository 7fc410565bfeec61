package chunking

import (
	"errors"
	"fmt"
)

// The algorithms.
const (
	FastCDC = "fastcdc" // content-defined
	Fixed   = "fixed"   // chunks of one size
)

// ErrParams says that parameters are out of bounds.
var ErrParams = errors.New("unusable chunker parameters")

// Params says how content is cut. Sizes are in bytes. A repository keeps its
// parameters for good: with others, nothing deduplicates against what is there.
type Params struct {
	Algorithm string `json:"algorithm"`
	Min       int    `json:"min"`
	Avg       int    `json:"avg"`
	Max       int    `json:"max"`
}

const (
	kib = 1 << 10
	mib = 1 << 20

	minFastCDC = 1 * kib // far above the window's 64 bytes
	minFixed   = 512     // a sector
	maxSize    = 8 * mib // a chunk fits into a frame
)

// Default returns the parameters of a new repository.
func Default() Params {
	return Params{Algorithm: FastCDC, Min: 32 * kib, Avg: 128 * kib, Max: 512 * kib}
}

// Validate reports whether the parameters are usable; errors wrap [ErrParams].
// FastCDC takes 1 KiB ≤ Min, 2 Min ≤ Avg, 2 Avg ≤ Max ≤ 8 MiB; Fixed takes
// 512 ≤ Avg = Max ≤ 8 MiB, and a Min of 0 or the same.
func (p Params) Validate() error {
	switch p.Algorithm {
	case FastCDC:
		switch {
		case p.Min < minFastCDC:
			return fmt.Errorf("%w: a minimum of %d is below %d bytes", ErrParams, p.Min, minFastCDC)
		case p.Max > maxSize:
			return fmt.Errorf("%w: a maximum of %d is above %d bytes", ErrParams, p.Max, maxSize)
		case p.Avg > p.Max/2 || p.Min > p.Avg/2:
			return fmt.Errorf("%w: the average (%d) must be at least twice the minimum (%d) and at most half the maximum (%d)",
				ErrParams, p.Avg, p.Min, p.Max)
		}
	case Fixed:
		switch {
		case p.Avg < minFixed || p.Avg > maxSize:
			return fmt.Errorf("%w: a size of %d is not from %d to %d bytes", ErrParams, p.Avg, minFixed, maxSize)
		case p.Max != p.Avg || p.Min != 0 && p.Min != p.Avg:
			return fmt.Errorf("%w: minimum (%d), average (%d) and maximum (%d) of fixed chunks differ",
				ErrParams, p.Min, p.Avg, p.Max)
		}
	default:
		return fmt.Errorf("%w: there is no algorithm %q", ErrParams, p.Algorithm)
	}
	return nil
}
