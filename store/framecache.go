package store

import (
	"container/list"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"

	"garret/index"
	"garret/store/pack"
)

// frame is a decoded frame that knows which IDs its blobs have been found to
// have, and who uses its memory: when nobody does, it is used for another frame.
type frame struct {
	pack.Frame
	ids     []atomic.Pointer[index.ID] // by ordinal; nil: not computed yet
	place   index.Location             // the frame's; not of those that check keeps
	ahead   atomic.Bool                // nobody has asked for it yet
	holders atomic.Int32
	release func() // drop; made once, so that it costs nothing to hand out
}

// decode decodes a frame's plaintext.
func (f *frame) decode(plain []byte) error {
	if err := f.DecodeIn(plain, frameBuffer); err != nil {
		return err
	}
	f.ids = make([]atomic.Pointer[index.ID], f.Len())
	return nil
}

// cost is the memory that a frame takes, bytes.
func (f *frame) cost() int64 { return int64(f.Size() + f.Len()*(8+len(index.ID{}))) }

// verify notes which blobs have the IDs that the frame's blobs should have, in
// order.
func (f *frame) verify(h *hasher, kind index.Kind, ids []index.ID) {
	ids = slices.Clone(ids[:min(len(ids), f.Len())]) // or those of the whole pack would stay
	for i, good := range h.verify(kind, &f.Frame, storedFrame{ids: ids}) {
		if good {
			f.ids[i].Store(&ids[i])
		}
	}
}

// newFrame returns an empty frame with one holder: the caller.
func newFrame() *frame {
	f := new(frame)
	f.holders.Store(1)
	f.release = f.drop
	return f
}

// hold adds a holder. It returns false when the frame had none left.
func (f *frame) hold() bool {
	for {
		n := f.holders.Load()
		if n == 0 {
			return false
		}
		if f.holders.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// drop ends what hold or newFrame began.
func (f *frame) drop() {
	if f.holders.Add(-1) == 0 {
		releaseFrame(f.Memory())
	}
}

// frameCache holds decoded frames in two parts (W-TinyLFU: Einziger, Friedman
// and Manes, 2017): a window of those that were used last, and what falls out
// of it in a ristretto cache, if it was used more often than what it would
// displace. Without the window a walk over more than the cache holds would be
// refused its frames one after another, for those behind it have been used
// more often, and would decode each of them several times; and ristretto shows
// an entry only some time after it was put in.
type frameCache struct {
	often *ristretto.Cache[uint64, *frame]

	mu    sync.Mutex
	order list.List // of *windowed; what was used last is in front
	byKey map[uint64]*list.Element
	used  int64 // bytes
	max   int64
}

type windowed struct {
	key   uint64
	frame *frame
	size  int64 // bytes
}

const (
	windowShare = 4 // of the cache's memory the window has one part in so many
	windowLeast = 2 // frames that it holds however large they are
)

// open prepares a cache of so many bytes.
func (c *frameCache) open(size int64) (err error) {
	c.byKey, c.max = make(map[uint64]*list.Element), size/windowShare
	c.often, err = ristretto.NewCache(&ristretto.Config[uint64, *frame]{
		// Ten counters for each frame that fits, as ristretto recommends.
		NumCounters:        max(1000, 10*size/DefaultFrameSize),
		MaxCost:            max(1, size-c.max),
		BufferItems:        64,
		IgnoreInternalCost: true,
		OnExit: func(f *frame) {
			if f != nil {
				f.drop()
			}
		},
	})
	return err
}

// Get returns a frame for the caller to drop.
func (c *frameCache) Get(key uint64) (*frame, bool) {
	c.mu.Lock()
	if e, ok := c.byKey[key]; ok {
		c.order.MoveToFront(e)
		f := e.Value.(*windowed).frame
		f.hold() // it has a holder: the window
		c.mu.Unlock()
		return f, true
	}
	c.mu.Unlock()
	if f, ok := c.often.Get(key); ok && f.hold() {
		return f, true
	}
	return nil, false
}

// has reports whether a frame is there, without any effect on how long.
func (c *frameCache) has(key uint64) bool {
	c.mu.Lock()
	_, ok := c.byKey[key]
	c.mu.Unlock()
	if !ok {
		_, ok = c.often.GetTTL(key)
	}
	return ok
}

// Set puts a frame in that takes so many bytes; the cache then holds it too.
func (c *frameCache) Set(key uint64, f *frame, size int64) {
	var out []*windowed
	c.mu.Lock()
	if _, ok := c.byKey[key]; !ok {
		f.hold() // it has a holder: the caller
		c.byKey[key] = c.order.PushFront(&windowed{key, f, size})
		c.used += size
	}
	for c.used > c.max && c.order.Len() > windowLeast {
		w := c.order.Remove(c.order.Back()).(*windowed)
		delete(c.byKey, w.key)
		c.used -= w.size
		out = append(out, w)
	}
	c.mu.Unlock()
	for _, w := range out {
		if !c.often.Set(w.key, w.frame, w.size) {
			w.frame.drop()
		}
	}
}

// Close drops all frames.
func (c *frameCache) Close() {
	c.often.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; e = e.Next() {
		e.Value.(*windowed).frame.drop()
	}
	c.order.Init()
	clear(c.byKey)
	c.used = 0
}
