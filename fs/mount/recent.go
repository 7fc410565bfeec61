package mount

import (
	"sync/atomic"

	"garret/fs/view"
)

// recentEntries remembers entries by node ID, so that a GETATTR or READ that
// follows a LOOKUP or a READDIRPLUS need not find them again. It is a
// direct-mapped cache: bounded, without locks, and nothing depends on an
// entry being there.
type recentEntries struct {
	slots [recentSlots]atomic.Pointer[recentEntry]
}

const recentSlots = 4096 // some 2 MB when full

// recentKey names an entry. The generation stands in it because a snapshot may
// come by the number of one that is gone.
type recentKey struct {
	id         uint64
	generation uint32
}

type recentEntry struct {
	key   recentKey
	entry view.Entry
}

func recentSlot(id uint64) uint64 {
	// Positions follow one another; the snapshot's number moves the window.
	number, position := splitTree(id)
	return (position + mix(uint64(number))) % recentSlots
}

func (r *recentEntries) get(key recentKey) (view.Entry, bool) {
	if e := r.slots[recentSlot(key.id)].Load(); e != nil && e.key == key {
		return e.entry, true
	}
	return view.Entry{}, false
}

func (r *recentEntries) put(key recentKey, e view.Entry) {
	r.slots[recentSlot(key.id)].Store(&recentEntry{key, e})
}
