package faulty

import (
	"slices"
	"sync/atomic"
	"time"
)

// Add adds a rule.
func (b *Backend) Add(r Rule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = append(slices.Clip(b.rules), r) // a copy: the old slice is in use
}

// StopAfter lets n more operations of the kinds ops begin and refuses the next
// one and everything after it, of any kind, with ErrStopped.
func (b *Backend) StopAfter(n int, ops Op) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stop = &stop{ops: ops, left: n}
}

// FailAt gives the fault to the n-th operation of the kinds ops from now on,
// the next one being the first, and to no other.
func (b *Backend) FailAt(n int, ops Op, f Fault) {
	var seen atomic.Int64
	b.FailIf(func(c Call) bool { return c.Op&ops != 0 && seen.Add(1) == int64(n) }, f)
}

// FailIf gives the fault to all operations that match.
func (b *Backend) FailIf(match func(Call) bool, f Fault) {
	b.Add(func(c Call) Fault {
		if match(c) {
			return f
		}
		return Fault{}
	})
}

// SetLatency delays every operation by d more.
func (b *Backend) SetLatency(d time.Duration) {
	b.Add(func(Call) Fault { return Fault{Delay: d} })
}

// SetCapacity lets puts of so many bytes altogether succeed from now on; a Put
// that would exceed them is backend.ErrFull and has no effect. Smaller ones may
// still fit. What is deleted gives nothing back.
func (b *Backend) SetCapacity(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limited, b.space = true, bytes
}

// FlipBit inverts one bit of an object in all that is read of it from now on;
// bit counts from the first byte's lowest bit. Flipping it again heals it.
func (b *Backend) FlipBit(name string, bit int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flips[name] = append(b.flips[name], bit)
}

// flip damages p, read from offset off of the object.
func (b *Backend) flip(name string, p []byte, off int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, bit := range b.flips[name] {
		if i := bit/8 - off; 0 <= i && i < int64(len(p)) {
			p[i] ^= 1 << (bit % 8)
		}
	}
}
