package snapshot

import (
	"context"
	"sync/atomic"
)

// ring is the memory for the content that one reader has read and assemble has
// not stored yet. The reader takes room at the head; assemble frees it at the
// tail, in the same order, because both go through files in walk order.
//
//	     tail            head
//	──────┬───────────────┬──────────┬────────────
//	 free │ chunks on     │ kept     │ free
//	      │ their way     │ (not cut)│
//	──────┴───────────────┴──────────┴────────────
//
// Positions only grow; position p is at buf[p % len(buf)]. A chunk never wraps:
// when what is left at the end of buf is too short, the kept bytes are copied
// to its start. Memory is touched only as it is needed, and a ring that is empty
// starts again at the beginning, so that small files stay in the processor's
// cache.
type ring struct {
	buf   []byte
	head  uint64          // the reader's
	tail  atomic.Uint64   // moved by assemble; by the reader when nothing is on its way
	freed chan struct{}   // a token when tail has moved
	size  int             // of buf, which is made when it is first needed
	help  <-chan *hashing // what to do while waiting, or nil
}

// newRing returns a ring that space can ask for half of size from.
func newRing(size int) *ring {
	return &ring{size: size, freed: make(chan struct{}, 1)}
}

// space returns memory at the head whose first keep bytes are those kept there,
// and which has room for want bytes in all, more if it is there. It waits for
// assemble when it must. Want is at most half of the ring.
func (r *ring) space(ctx context.Context, keep, want int) ([]byte, error) {
	if r.buf == nil {
		r.buf = make([]byte, r.size)
	}
	size := uint64(len(r.buf))
	at := r.head % size
	if keep == 0 && at != 0 && r.tail.Load() == r.head {
		// Nothing is on its way, so assemble does not touch the tail.
		r.head += size - at
		r.tail.Store(r.head)
		at = 0
	}
	if at+uint64(want) <= size {
		if err := r.wait(ctx, r.head+uint64(want)); err != nil {
			return nil, err
		}
		free := r.tail.Load() + size - r.head
		return r.buf[at : at+min(free, size-at)], nil
	}
	if err := r.wait(ctx, r.head+(size-at)+uint64(want)); err != nil {
		return nil, err
	}
	r.head += size - at
	copy(r.buf, r.buf[at:at+uint64(keep)])
	free := r.tail.Load() + size - r.head
	return r.buf[:min(free, size)], nil
}

// wait returns when everything before position end fits.
func (r *ring) wait(ctx context.Context, end uint64) error {
	for end > r.tail.Load()+uint64(len(r.buf)) {
		select {
		case <-r.freed:
		case h := <-r.help:
			h.run()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// commit hands over the first n bytes at the head and returns the position to
// release them by.
func (r *ring) commit(n int) uint64 {
	r.head += uint64(n)
	return r.head
}

// release frees everything before position end. It is assemble's only call.
func (r *ring) release(end uint64) {
	r.tail.Store(end)
	select {
	case r.freed <- struct{}{}:
	default:
	}
}
