package source

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Handles bounds how many directories are open at once. Pinned ones are never
// closed, so that there can be more than the limit for a moment.
type Handles struct {
	mu     sync.Mutex
	limit  int
	opened int
	// The idle directories, least recently used first: a ring with a sentinel.
	idle Dir

	dirents sync.Pool // of *[direntBuffer]byte
}

// NewHandles returns a set that keeps at most limit idle directories open.
func NewHandles(limit int) *Handles {
	h := &Handles{limit: max(limit, 1)}
	h.idle.prev, h.idle.next = &h.idle, &h.idle
	h.dirents.New = func() any { return new([direntBuffer]byte) }
	return h
}

func (h *Handles) borrowDirents() []byte { return h.dirents.Get().(*[direntBuffer]byte)[:] }

func (h *Handles) returnDirents(b []byte) { h.dirents.Put((*[direntBuffer]byte)(b)) }

// adopt puts a directory that was just opened among the idle.
func (h *Handles) adopt(d *Dir, fd int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.fd = fd
	h.opened++
	h.park(d)
}

func (h *Handles) pin(d *Dir) (fd int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.fd < 0 {
		return -1, false
	}
	h.take(d)
	return d.fd, true
}

// pinOpened pins d with a new descriptor, unless somebody was faster.
func (h *Handles) pinOpened(d *Dir, fd int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.fd >= 0 {
		unix.Close(fd)
	} else {
		d.fd = fd
		h.opened++
	}
	h.take(d)
	return d.fd
}

func (h *Handles) unpin(d *Dir) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.pins--; d.pins == 0 {
		h.park(d)
	}
}

func (h *Handles) retain(d *Dir) {
	h.mu.Lock()
	d.refs++
	h.mu.Unlock()
}

// drop reports whether d lost its last user and its parent one with it.
func (h *Handles) drop(d *Dir) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.refs--; d.refs > 0 {
		return false
	}
	h.shut(d)
	return true
}

// take removes d from the idle, for a pin.
func (h *Handles) take(d *Dir) {
	if d.pins++; d.next != nil {
		d.prev.next, d.next.prev = d.next, d.prev
		d.prev, d.next = nil, nil
	}
}

// park puts d at the end of the idle and closes those that are too many.
func (h *Handles) park(d *Dir) {
	d.prev, d.next = h.idle.prev, &h.idle
	d.prev.next, d.next.prev = d, d
	for h.opened > h.limit && h.idle.next != &h.idle {
		h.shut(h.idle.next)
	}
}

// shut closes the descriptor of d, which nobody pins.
func (h *Handles) shut(d *Dir) {
	if d.next != nil {
		d.prev.next, d.next.prev = d.next, d.prev
		d.prev, d.next = nil, nil
	}
	if d.fd >= 0 {
		unix.Close(d.fd)
		d.fd = -1
		h.opened--
	}
}

// Open returns how many directories are open now.
func (h *Handles) Open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.opened
}

// Close closes every directory that is not pinned; those that were not closed
// by their users open again when they are used.
func (h *Handles) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.idle.next != &h.idle {
		h.shut(h.idle.next)
	}
}
