package mount

import (
	"sync"

	"garret/fs/tree"
	"garret/fs/view"
)

// A READ of a small file decodes a frame that holds its neighbours too, and who
// reads one file of a directory often reads the others: so what follows it is
// handed to the kernel's page cache unasked, which saves a round trip each.
//
// Storing waits for the locks of the pages that it fills. They may be held by a
// READ that the kernel has not even sent, because too many are under way. So it
// begins when the READ that led to it has been answered, holds nothing that any
// answer needs, and stores forward only, in the order of positions.
const (
	pushLargest = 128 << 10 // bytes of a file that is pushed, or leads to it
	pushBytes   = 1 << 20   // pushed at once
	pushFirst   = 8         // files, when a directory is first read from
	pushMost    = 128       // when the reader has gone on where that ended
	pushGap     = 8         // positions that may lie between one run and the next
	pushRuns    = 64        // directories whose readers are remembered
)

// pusher remembers how far the files of directories have been pushed.
type pusher struct {
	mu   sync.Mutex
	runs [pushRuns]run
	// Where the last run of a reader who left nothing out ended: who begins
	// there goes through the whole tree.
	follows uint64
}

// run is a stretch of a directory's files that the kernel was given.
type run struct {
	dir         uint64 // node ID; 0: none
	begin, next uint64 // positions: of the file that led to it, and of the first one not pushed
	window      int    // files
	active      bool   // being pushed
}

// claim decides how many files after position are to be pushed, if any.
func (p *pusher) claim(dir, position uint64) (window int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &p.runs[mix(dir)%pushRuns]
	switch {
	case r.active:
		return 0
	case r.dir != dir || position <= r.begin:
		*r = run{dir: dir, window: pushFirst}
		if position >= p.follows && position-p.follows < pushGap {
			r.window = pushMost
		}
	case position < r.next:
		return 0 // it was on its way when the kernel asked for it
	default:
		// A reader that leaves files out does not want all of them.
		r.window = pushFirst
		if position == r.next {
			r.window = pushMost
		}
	}
	r.begin, r.active = position, true
	return r.window
}

// release ends what claim began; next is the position of the first file that was
// not pushed.
func (p *pusher) release(dir, next uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := &p.runs[mix(dir)%pushRuns]; r.dir == dir {
		r.next, r.active = next, false
		if r.window == pushMost {
			p.follows = next
		}
	}
}

// push hands the files that follow e, as far as they are in memory, to the
// kernel. The READ of e must have been answered.
func (f *fileSystem) push(t *openTree, e view.Entry) {
	dir := t.nodeID(e.Parent)
	window := f.pusher.claim(dir, e.Pos)
	if window == 0 {
		return
	}
	next := e.Pos + 1
	defer func() { f.pusher.release(dir, next) }()
	bytes := 0
	var loan view.Loan
	// What fails here is not lost: nobody has asked for it.
	_ = t.After(f.ctx, e, func(sibling view.Entry) bool {
		next = sibling.Pos
		if window--; window < 0 || bytes >= pushBytes || f.ctx.Err() != nil {
			return false
		}
		if sibling.Type != tree.Regular || sibling.Size == 0 || sibling.Size > pushLargest {
			next++
			return true
		}
		if !t.Held(sibling, &loan) {
			return false
		}
		defer loan.Return()
		if !f.store(t.nodeID(sibling.Pos), loan.Pieces) {
			return false // most likely the kernel does not know it
		}
		bytes += int(sibling.Size)
		next++
		return true
	})
}

// store puts a whole file into the kernel's cache.
func (f *fileSystem) store(node uint64, pieces [][]byte) bool {
	at := int64(0)
	for _, p := range pieces {
		if !f.connection.store(node, at, p) {
			return false
		}
		at += int64(len(p))
	}
	return true
}

// leads reports whether a READ of a file is one that leads to others.
func (f *fileSystem) leads(t *openTree, e view.Entry, offset uint64) bool {
	return f.connection.canStore() && offset == 0 && e.Size <= pushLargest && e.Pos != t.root.Pos
}
