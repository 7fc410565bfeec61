package store

import "sync/atomic"

// marks is a bitmap over the ordinals of an index set. It takes one bit for a
// blob, and is safe for concurrent use but for grow.
type marks struct{ words []uint64 }

// newMarks returns an empty bitmap that grows with the set.
func (c *checker) newMarks() *marks {
	m := new(marks)
	m.grow(c.set.Rows())
	c.all = append(c.all, m)
	return m
}

func (m *marks) grow(bits uint64) {
	if n := (bits + 63) / 64; n > uint64(len(m.words)) {
		m.words = append(m.words, make([]uint64, n-uint64(len(m.words)))...)
	}
}

// clone returns a copy.
func (m *marks) clone() *marks { return &marks{append([]uint64(nil), m.words...)} }

// set marks i and reports whether it was marked before.
func (m *marks) set(i uint64) bool {
	bit := uint64(1) << (i % 64)
	return atomic.OrUint64(&m.words[i/64], bit)&bit != 0
}

func (m *marks) has(i uint64) bool {
	return atomic.LoadUint64(&m.words[i/64])&(1<<(i%64)) != 0
}

// within reports whether everything marked in m is marked in other.
func (m *marks) within(other *marks) bool {
	for i, w := range m.words {
		if w&^other.words[i] != 0 {
			return false
		}
	}
	return true
}
