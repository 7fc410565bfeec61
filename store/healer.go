package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
)

// healer reads frames of damaged packs by their parity, in memory only. It
// holds the pack that it healed last: its other frames are likely to be read
// next. The zero healer is ready for use.
type healer struct {
	told atomic.Pointer[func(pack index.PackID, damage error)]

	mu       sync.Mutex // held while a pack is healed: memory for one is enough
	id       index.PackID
	data     []byte // of pack id, or nil
	untold   bool   // nobody has been told of it
	forget   *time.Timer
	hopeless map[index.PackID]failedHeal
}

type failedHeal struct {
	err  error
	when time.Time
}

const (
	healedFor   = 30 * time.Second // how long a healed pack stays in memory
	hopelessFor = 30 * time.Second // how long a pack that cannot be healed is not tried again
)

// OnHeal sets what is called with a damaged pack, and with what is wrong with
// it, when parity has healed it in memory. Calls come one at a time.
func (r *Reader) OnHeal(f func(pack index.PackID, damage error)) { r.healer.told.Store(&f) }

// fill fills sealed with a frame's original bytes, by its pack's parity.
func (h *healer) fill(ctx context.Context, b backend.Backend, at index.Location, sealed []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.data == nil || h.id != at.Pack {
		if failed, ok := h.hopeless[at.Pack]; ok && time.Since(failed.when) < hopelessFor {
			return failed.err
		}
		h.data = nil
		data, err := healedPack(ctx, b, at.Pack)
		if err != nil {
			if h.hopeless == nil {
				h.hopeless = make(map[index.PackID]failedHeal)
			}
			if ctx.Err() == nil && !refused(err) {
				h.hopeless[at.Pack] = failedHeal{err, time.Now()}
			}
			return err
		}
		h.id, h.data, h.untold = at.Pack, data, true
		if h.forget == nil {
			h.forget = time.AfterFunc(healedFor, h.drop)
		}
		h.forget.Reset(healedFor)
	}
	if int64(at.Offset)+int64(at.Length) > int64(len(h.data)) {
		return fmt.Errorf("it ends early: %w", object.ErrDamaged)
	}
	copy(sealed, h.data[at.Offset:])
	return nil
}

// tell tells of a pack that was healed because of that damage, if it was so lately
// and nobody knows.
func (h *healer) tell(id index.PackID, damage error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if told := h.told.Load(); told != nil && h.untold && h.id == id {
		(*told)(id, damage)
	}
	h.untold = h.untold && h.id != id
}

func (h *healer) drop() {
	h.mu.Lock()
	h.data = nil
	h.mu.Unlock()
}

func (h *healer) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.forget != nil {
		h.forget.Stop()
	}
	h.data = nil
}
