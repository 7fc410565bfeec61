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
// begins when the request that led to it has been answered, holds nothing that
// any answer needs, and stores forward only, in the order of positions.
//
// Who lists a directory and then reads its files, as cp and tar do, will do the
// same with the next one: its files are handed over as soon as it has been listed
// to its end, which is when the kernel knows them.
const (
	pushLargest = 128 << 10 // bytes of a file that is pushed, or leads to it
	pushBytes   = 1 << 20   // pushed at once
	pushFirst   = 8         // files, when a directory is first read from
	pushMost    = 128       // when the reader has gone on where that ended
	pushGap     = 8         // positions that may lie between one run and the next
	pushRuns    = 64        // directories whose readers are remembered
	pushListed  = 16        // directories pushed when listed, until it is seen again that they are read
)

// pusher remembers how far the files of directories have been pushed.
type pusher struct {
	mu   sync.Mutex
	runs [pushRuns]run
	// Where the last run of a reader who left nothing out ended: who begins
	// there goes through the whole tree.
	follows uint64

	listed uint64 // node ID of the directory listed last, if nothing was pushed then
	credit int    // directories that are pushed when listed
}

// run is a stretch of a directory's files that the kernel was given.
type run struct {
	dir         uint64 // node ID; 0: none
	begin, next uint64 // positions: of its first file, and of the first one that is not in it
	window      int    // files
	active      bool   // being pushed
}

// list notes that a directory has been listed to its end. It returns how many of
// its files are to be pushed, if any.
func (p *pusher) list(dir uint64) (window int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &p.runs[mix(dir)%pushRuns]
	switch {
	case r.active || r.dir == dir: // there is no room, or there was a run in it before
		return 0
	case p.credit == 0:
		p.listed = dir
		return 0
	}
	p.credit--
	*r = run{dir: dir, window: pushMost, active: true}
	return r.window
}

// claim decides how many files after position are to be pushed, if any.
func (p *pusher) claim(dir, position uint64) (window int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listed == dir {
		p.listed, p.credit = 0, pushListed
	}
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

// release ends what list or claim began, with the positions of the run's first
// file and of the first one that is not in it.
func (p *pusher) release(dir, begin, next uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := &p.runs[mix(dir)%pushRuns]; r.dir == dir {
		r.begin, r.next, r.active = begin, next, false
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
	p := pushing{f: f, t: t, window: window, begin: e.Pos, next: e.Pos + 1}
	defer func() { f.pusher.release(dir, p.begin, p.next) }()
	if _, d, status := f.entry(atOnce, dir); status.Ok() {
		p.files(d)
	}
}

// endOfList notes that a directory has been listed to its end. It returns what is
// to be done when the kernel has been told, or nil: to push the directory's files,
// if those of others were read after they had been listed.
func (f *fileSystem) endOfList(dir uint64) func() {
	if !f.connection.canStore() || f.isSynthetic(dir) {
		return nil
	}
	window := f.pusher.list(dir)
	if window == 0 {
		return nil
	}
	return func() {
		_, first := splitTree(dir) // if no more is found out, the run is empty and in its place
		first++
		p := pushing{f: f, window: window, begin: first, next: first}
		defer func() { f.pusher.release(dir, p.begin, p.next) }()
		if t, e, status := f.entry(atOnce, dir); status.Ok() {
			p.t, p.begin, p.next = t, e.Pos+1, e.Pos+1
			p.files(e)
		}
	}
}

// pushing is a push under way.
type pushing struct {
	f      *fileSystem
	t      *openTree
	window int // files that may still be pushed
	bytes  int // pushed
	// Positions of the run's first file and of the first one that is not in it.
	begin, next uint64
	loan        view.Loan
}

// files pushes the files of a directory from next on. Most of them have just been
// listed, and so are at hand without being decoded once more. Nothing is loaded for
// it, or a loss would be logged that nobody has met.
func (p *pushing) files(dir view.Entry) {
	for end := dir.Pos + dir.Dir.Total; p.next <= end; {
		_, e, status := p.f.entry(atOnce, p.t.nodeID(p.next))
		if !status.Ok() || !p.file(e) {
			return
		}
		if e.Type == tree.Directory {
			p.next += e.Dir.Total
		}
	}
}

// file pushes a file, as far as it is in memory. It returns false when the push
// ends before it.
func (p *pushing) file(e view.Entry) bool {
	p.next = e.Pos
	if p.window--; p.window < 0 || p.bytes >= pushBytes || p.f.connection.ctx.Err() != nil {
		return false
	}
	if e.Type != tree.Regular || e.Size == 0 || e.Size > pushLargest {
		p.next++
		return true
	}
	if !p.t.Held(e, &p.loan) {
		return false
	}
	defer p.loan.Return()
	if !p.f.store(p.t.nodeID(e.Pos), p.loan.Pieces) {
		return false // most likely the kernel does not know it
	}
	p.bytes += int(e.Size)
	p.next++
	return true
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
