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

type recentEntry struct {
	id    uint64
	entry view.Entry
}

func recentSlot(id uint64) uint64 {
	// Positions follow one another; the snapshot's number moves the window.
	number, position := splitTree(id)
	return (position + mix(uint64(number))) % recentSlots
}

func (r *recentEntries) get(id uint64) (view.Entry, bool) {
	if e := r.slots[recentSlot(id)].Load(); e != nil && e.id == id {
		return e.entry, true
	}
	return view.Entry{}, false
}

func (r *recentEntries) put(id uint64, e view.Entry) {
	r.slots[recentSlot(id)].Store(&recentEntry{id, e})
}
