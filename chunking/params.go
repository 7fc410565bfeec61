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
	// Programs is the average for content that begins like a program, whose
	// Min and Max are a quarter of it and four times it; 0 for the same as of
	// everything else.
	Programs int `json:"programs,omitempty"`
}

const (
	kib = 1 << 10
	mib = 1 << 20

	minFastCDC  = 1 * kib // far above the window's 64 bytes
	minPrograms = 4 * minFastCDC
	minFixed    = 512     // a sector
	maxSize     = 8 * mib // a chunk fits into a frame
)

// Default returns the parameters of a new repository.
func Default() Params {
	return Average(128 * kib)
}

// Average returns content-defined chunks of avg bytes on average, and of an
// eighth of that in programs, 4 KiB at least: bench/PARAMETERS.md says why.
func Average(avg int) Params {
	p := Params{Algorithm: FastCDC, Min: avg / 4, Avg: avg, Max: 4 * avg, Programs: max(avg/8, minPrograms)}
	if p.Programs >= avg {
		p.Programs = 0
	}
	return p
}

// programs returns the parameters for programs.
func (p Params) programs() Params {
	return Params{Algorithm: p.Algorithm, Min: p.Programs / 4, Avg: p.Programs, Max: 4 * p.Programs}
}

// Validate reports whether the parameters are usable; errors wrap [ErrParams].
// FastCDC takes 1 KiB ≤ Min, 2 Min ≤ Avg, 2 Avg ≤ Max ≤ 8 MiB, and Programs of 0
// or 4 KiB ≤ Programs < Avg; Fixed takes 512 ≤ Avg = Max ≤ 8 MiB, a Min of 0 or
// the same, and no Programs.
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
		case p.Programs != 0 && (p.Programs < minPrograms || p.Programs >= p.Avg):
			return fmt.Errorf("%w: the average for programs (%d) is not from %d bytes to less than that of everything else (%d)",
				ErrParams, p.Programs, minPrograms, p.Avg)
		}
	case Fixed:
		switch {
		case p.Avg < minFixed || p.Avg > maxSize:
			return fmt.Errorf("%w: a size of %d is not from %d to %d bytes", ErrParams, p.Avg, minFixed, maxSize)
		case p.Max != p.Avg || p.Min != 0 && p.Min != p.Avg:
			return fmt.Errorf("%w: minimum (%d), average (%d) and maximum (%d) of fixed chunks differ",
				ErrParams, p.Min, p.Avg, p.Max)
		case p.Programs != 0:
			return fmt.Errorf("%w: fixed chunks of programs have no size of their own", ErrParams)
		}
	default:
		return fmt.Errorf("%w: there is no algorithm %q", ErrParams, p.Algorithm)
	}
	return nil
}
