package view

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"garret/index"
)

// PageCache holds parsed pages by blob ID, evicting with the clock algorithm.
// It is safe for concurrent use. A hit takes a shared lock and no allocation.
type PageCache struct {
	shards []shard
}

// page is a *tree.DirPage or *tree.ContentPage.
type page interface{ MemSize() int64 }

type shard struct {
	mu   sync.RWMutex
	m    map[index.ID]*slot
	ring []*slot
	hand int
	used int64
	max  int64
}

type slot struct {
	id    index.ID
	page  page
	size  int64
	index int         // in ring
	hit   atomic.Bool // since the hand last passed
}

const (
	maxShards = 16
	minShard  = 4 << 20 // bytes: several of the largest pages
	slotSize  = 160     // memory of a slot and its place in map and ring, about
)

// NewPageCache returns a cache that holds about so many bytes.
func NewPageCache(bytes int64) *PageCache {
	n := int64(1)
	for n < maxShards && bytes/(2*n) >= minShard {
		n *= 2
	}
	c := &PageCache{shards: make([]shard, n)}
	for i := range c.shards {
		c.shards[i].m = make(map[index.ID]*slot)
		c.shards[i].max = bytes / n
	}
	return c
}

// Used returns the bytes that the cached pages take.
func (c *PageCache) Used() int64 {
	var n int64
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += s.used
		s.mu.RUnlock()
	}
	return n
}

func (c *PageCache) shard(id *index.ID) *shard {
	return &c.shards[binary.LittleEndian.Uint32(id[:])&uint32(len(c.shards)-1)]
}

func (c *PageCache) get(id *index.ID) page {
	s := c.shard(id)
	s.mu.RLock()
	e := s.m[*id]
	s.mu.RUnlock()
	if e == nil {
		return nil
	}
	if !e.hit.Load() { // so that hits do not write to shared memory
		e.hit.Store(true)
	}
	return e.page
}

func (c *PageCache) put(id *index.ID, p page) {
	s := c.shard(id)
	e := &slot{id: *id, page: p, size: p.MemSize() + slotSize}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.size > s.max {
		return
	}
	if old := s.m[*id]; old != nil {
		s.remove(old)
	}
	for s.used+e.size > s.max {
		if s.hand >= len(s.ring) {
			s.hand = 0
		}
		if victim := s.ring[s.hand]; victim.hit.Swap(false) {
			s.hand++
		} else {
			s.remove(victim)
		}
	}
	e.index = len(s.ring)
	s.ring = append(s.ring, e)
	s.m[*id] = e
	s.used += e.size
}

func (s *shard) remove(e *slot) {
	last := len(s.ring) - 1
	s.ring[e.index] = s.ring[last]
	s.ring[e.index].index = e.index
	s.ring[last] = nil
	s.ring = s.ring[:last]
	delete(s.m, e.id)
	s.used -= e.size
}
