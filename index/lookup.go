package index

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"runtime/debug"
)

// Lookup calls visit with every copy of the blob, until visit returns false.
// Rows that refer to no pack are left out.
func (s *Segment) Lookup(id ID, visit func(Location) bool) {
	first, end := s.find(&id)
	for i := first; i < end; i++ {
		if _, loc, _, ok := s.at(i); ok && !visit(loc) {
			return
		}
	}
}

// find returns the range of the rows with that ID.
func (s *Segment) find(id *ID) (first, end int) {
	defer s.caught(debug.SetPanicOnFault(true))
	return s.search(id)
}

// findUsable reports whether some row with that ID refers to a pack whose bit
// is set in usable, and whether some row refers to one whose bit is not.
func (s *Segment) findUsable(id *ID, usable bitmap) (good, bad bool) {
	defer s.caught(debug.SetPanicOnFault(true))
	first, end := s.search(id)
	var g, b bool
	for i := first; i < end; i++ {
		switch pack := s.packOf(i); {
		case int(pack) >= s.NumPacks():
		case usable.has(pack):
			g = true
		default:
			b = true
		}
	}
	return g, b
}

// packOf returns the pack ordinal in row i, which may be out of range.
func (s *Segment) packOf(i int) uint32 { return uint24(s.rows[i*rowSize+rowPack:]) }

func (s *Segment) search(id *ID) (first, end int) {
	p := prefix(id[:])
	lo, hi := s.bucket(p)
	first = s.lowerBound(id, p, lo, hi)
	for end = first; end < hi && *id == ID(s.rows[end*rowSize:][:rowPack]); end++ {
	}
	return first, end
}

// bucket returns the range of the rows that share the prefix's first bits by
// the fan-out's account; an empty one when that makes no sense.
func (s *Segment) bucket(p uint64) (lo, hi int) {
	if len(s.fan) == 0 {
		return 0, 0 // closed
	}
	b := int(p >> (64 - s.head.fanBits))
	hi = int(binary.LittleEndian.Uint32(s.fan[b*fanSize:]))
	if b > 0 {
		lo = int(binary.LittleEndian.Uint32(s.fan[(b-1)*fanSize:]))
	}
	if lo > hi || hi > s.Len() {
		return 0, 0
	}
	return lo, hi
}

// lowerBound returns the first row in [lo, hi) that is not before id, or hi. It
// starts where the ID would be if the rows were spread evenly, gallops from
// there and halves what is left: about two probes in uniform rows, a
// logarithmic number in any.
func (s *Segment) lowerBound(id *ID, p uint64, lo, hi int) int {
	if lo == hi {
		return lo
	}
	offset, _ := bits.Mul64(p<<s.head.fanBits, uint64(hi-lo))
	guess := lo + int(offset)
	if s.before(guess, id, p) {
		lo = guess + 1
		for step := 1; lo+step <= hi; step *= 2 {
			if !s.before(lo+step-1, id, p) {
				hi = lo + step - 1
				break
			}
			lo += step
		}
	} else {
		hi = guess
		for step := 1; hi-step >= lo; step *= 2 {
			if s.before(hi-step, id, p) {
				lo = hi - step + 1
				break
			}
			hi -= step
		}
	}
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if s.before(mid, id, p) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// before reports whether row i's ID is less than id, whose prefix is p.
func (s *Segment) before(i int, id *ID, p uint64) bool {
	b := s.rows[i*rowSize:][:rowPack]
	if q := prefix(b); q != p {
		return q < p
	}
	return bytes.Compare(b, id[:]) < 0
}

// bitmap marks pack ordinals.
type bitmap []uint64

func newBitmap(n int) bitmap { return make(bitmap, (n+63)/64) }

func (m bitmap) has(i uint32) bool { return m[i/64]&(1<<(i%64)) != 0 }
func (m bitmap) set(i uint32)      { m[i/64] |= 1 << (i % 64) }
