package store

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"garret/index"
	"garret/store/cache"
)

// Part says which part of the data a check reads. The zero Part is all of it.
type Part struct {
	// Share is a random sample of the stored bytes: 0.05 is 5 %. It is taken
	// in stretches of up to 2 MiB, so that it takes about that share of the
	// time on a disk too; each stretch is as likely to be chosen as any other.
	Share float64

	// The Number-th, counted from 1, of Of parts. To which part a pack belongs
	// follows from its id: it stays there, whatever comes and goes, and all
	// parts together are everything.
	Number, Of int

	// Limit ends the reading of data: no pack is begun so long after the
	// check began. Packs that were verified longest ago come first.
	Limit time.Duration
}

// has reports whether a pack belongs to the part.
func (p Part) has(id index.PackID) bool {
	// The second half of an id is random, the first names the session.
	return p.Of == 0 || binary.BigEndian.Uint64(id[8:])%uint64(p.Of) == uint64(p.Number-1)
}

// reads reports whether the pack's data is to be read now.
func (c *checker) reads(p *packState) bool {
	return c.ReadData && c.Part.has(p.ID) && (c.Part.Limit == 0 || time.Since(c.began) < c.Part.Limit)
}

// sampler chooses a random share of what it is asked about: one of each so
// many, whichever.
type sampler struct {
	every float64 // one of so many is chosen

	mu     sync.Mutex
	n      int     // asked so far
	base   float64 // where the present so many begin
	chosen float64 // the one of them
}

// newSampler returns a sampler for about n questions; of which at least about
// one is answered with true.
func newSampler(share float64, n int) *sampler {
	s := &sampler{every: max(1, min(1/share, float64(n)))}
	s.chosen = rand.Float64() * s.every
	return s
}

func (s *sampler) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if float64(s.n) <= s.chosen {
		return false
	}
	s.base += s.every
	s.chosen = s.base + rand.Float64()*s.every
	return true
}

// sampled makes the sampler, once the packs have been listed.
func (c *checker) sampled() *sampler {
	if c.Part.Share == 0 {
		return nil
	}
	runs := 0
	for _, p := range c.packs {
		if p.indexed && p.size != absent && c.Part.has(p.ID) {
			runs += int((p.size + runSize - 1) / runSize)
		}
	}
	return newSampler(c.Part.Share, runs)
}

// verified knows which packs' data was verified when: the state that is kept
// between runs, as a hint.
type verified struct {
	cache *cache.Cache
	mode  string

	mu   sync.Mutex
	last map[[16]byte]time.Time
	err  error // why it cannot be kept
}

func newVerified(c *cache.Cache, mode string) *verified {
	return &verified{cache: c, mode: mode, last: c.Verified(mode)}
}

// pack notes that all of a pack has just been found sound, or that it was not.
func (v *verified) pack(id [16]byte, sound bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if sound {
		v.last[id] = time.Now()
	} else {
		delete(v.last, id)
	}
}

// oldestFirst sorts packs so that those that were never verified come first,
// then those that were longest ago.
func oldestFirst[P any](v *verified, packs []P, id func(P) [16]byte) {
	slices.SortStableFunc(packs, func(a, b P) int {
		return cmp.Compare(v.seconds(id(a)), v.seconds(id(b)))
	})
}

func (v *verified) seconds(id [16]byte) int64 {
	if t, ok := v.last[id]; ok {
		return t.Unix()
	}
	return 0
}

// keep stores what is known of the packs that there are, given by size. When
// not all of them are known, none is forgotten.
func (v *verified) keep(packs map[[16]byte]int64, all bool) {
	for id := range v.last {
		if _, there := packs[id]; all && !there {
			delete(v.last, id)
		}
	}
	v.err = v.cache.KeepVerified(v.mode, v.last)
}

// covered returns how much of the packs, given by size, has been verified at
// some time, and when the oldest of that was.
func (v *verified) covered(packs map[[16]byte]int64) (share float64, oldest time.Time) {
	var some, all int64
	for id, size := range packs {
		all += size
		if t, ok := v.last[id]; ok {
			some += size
			if oldest.IsZero() || t.Before(oldest) {
				oldest = t
			}
		}
	}
	if all == 0 {
		return 1, oldest
	}
	return float64(some) / float64(all), oldest
}
