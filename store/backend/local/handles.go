package local

import (
	"container/list"
	"sync"
	"time"

	"garret/store/backend"
)

// Bounds of the cache of open files.
const (
	maxHandles = 64

	// handleAge is how long an open file is used: so long may a read miss
	// that another process has healed or deleted the object. The sweep closes
	// it, and gives the space of a deleted one back, within twice that.
	handleAge = 20 * time.Second
)

// handles is a cache of files that are open for reading, the least recently
// used leaving first.
type handles struct {
	fs FS

	mu     sync.Mutex
	closed bool
	byPath map[string]*handle
	recent *list.List // of *handle, the most recently used first
	drops  uint64     // calls of drop
	timer  *time.Timer
}

// handle is an open file with its users. It is closed when it has left the
// cache and its last user has released it.
type handle struct {
	path    string
	file    File
	expires time.Time
	users   int
	place   *list.Element // nil when not in the cache
}

func (c *handles) init(fsys FS) {
	c.fs = fsys
	c.byPath = make(map[string]*handle)
	c.recent = list.New()
	c.timer = time.AfterFunc(handleAge, c.sweep)
	c.timer.Stop()
}

// acquire returns an open handle of the file, which the caller releases.
func (c *handles) acquire(path string) (*handle, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, backend.ErrClosed
	}
	if h := c.byPath[path]; h != nil {
		if time.Now().Before(h.expires) {
			h.users++
			c.recent.MoveToFront(h.place)
			c.mu.Unlock()
			return h, nil
		}
		c.forget(h)
	}
	drops := c.drops
	c.mu.Unlock()

	h, err := c.openHandle(path)
	if err != nil {
		return nil, err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	// A file opened before a drop may be the one that was replaced; it serves
	// this read, which began before, and no other.
	if !c.closed && c.drops == drops && c.byPath[path] == nil {
		c.remember(h)
	}
	return h, nil
}

func (c *handles) openHandle(path string) (*handle, error) {
	f, err := c.fs.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notObject("open", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &handle{path: path, file: f, users: 1, expires: time.Now().Add(handleAge)}, nil
}

func (c *handles) release(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.users--
	h.closeUnused()
}

// drop takes the file's handle out of the cache, because the name now means
// another file or none.
func (c *handles) drop(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops++
	if h := c.byPath[path]; h != nil {
		c.forget(h)
	}
}

// dropAll takes all handles out of the cache, because any name may mean another
// file now.
func (c *handles) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops++
	for _, h := range c.byPath {
		c.forget(h)
	}
}

func (c *handles) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.timer.Stop()
	for _, h := range c.byPath {
		c.forget(h)
	}
}

// sweep closes what is too old, also when nobody reads any more.
func (c *handles) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, h := range c.byPath {
		if !now.Before(h.expires) {
			c.forget(h)
		}
	}
	if len(c.byPath) > 0 {
		c.timer.Reset(handleAge)
	}
}

// remember puts h into the cache. Needs c.mu.
func (c *handles) remember(h *handle) {
	if len(c.byPath) == 0 {
		c.timer.Reset(handleAge)
	}
	c.byPath[h.path] = h
	h.place = c.recent.PushFront(h)
	if len(c.byPath) > maxHandles {
		c.forget(c.recent.Back().Value.(*handle))
	}
}

// forget takes h out of the cache. Needs c.mu.
func (c *handles) forget(h *handle) {
	delete(c.byPath, h.path)
	c.recent.Remove(h.place)
	h.place = nil
	h.closeUnused()
}

// closeUnused closes a file that nobody can use any more. Nothing was written
// through it, so that its error tells nothing.
func (h *handle) closeUnused() {
	if h.users == 0 && h.place == nil {
		h.file.Close()
	}
}
