package store

import (
	"context"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"garret/index"
	"garret/store/object"
	"garret/store/pack"
)

// Frames lie in their pack in the order in which the walk met what is in them, so
// who copies a tree, or a large file, asks for one after another. When somebody
// has asked for two in a row, or for the first one of a pack of data, those that
// follow are loaded and verified before he asks, by another processor.
const (
	aheadFrames = 2       // loaded ahead of a reader
	aheadRoom   = 8       // frames that the cache's window must hold
	aheadPacks  = 4       // in which readers are followed
	aheadSkip   = 2       // a step so far forward still follows, for two readers side by side
	aheadBlobs  = 1 << 18 // of a pack whose directory is kept; garret's own have a quarter of that
)

// readahead loads frames ahead of sequential readers.
type readahead struct {
	r      *Reader
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu      sync.Mutex
	closed  bool // nothing is loaded ahead, or not any more
	readers [aheadPacks]*follower
	next    int         // of readers to be replaced
	free    int         // of those who load
	queue   []*follower // for whom frames are to be loaded, who has waited longest first
}

// follower is what is known about who reads in one pack.
type follower struct {
	pack   index.PackID
	kind   index.Kind
	last   uint16 // frame asked for
	loaded int    // the last frame that was loaded ahead of this reader, or tried
	queued bool
	ctx    context.Context
	cancel context.CancelFunc // for when the reader goes elsewhere

	once   sync.Once
	placed atomic.Pointer[[]pack.Placed] // of all frames; empty where the pack does not say
}

// newReadahead returns the reader's, which does nothing if its cache would lose
// a frame before it is asked for.
func newReadahead(r *Reader, cacheSize int64) *readahead {
	a := &readahead{r: r, free: max(1, runtime.GOMAXPROCS(0)/2)}
	a.closed = cacheSize/windowShare < aheadRoom*int64(r.repo.config.FrameSize)
	a.ctx, a.cancel = context.WithCancel(context.Background())
	return a
}

// close ends what is being loaded and waits for it.
func (a *readahead) close() {
	a.cancel()
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.wait.Wait()
}

// follow notes that somebody has asked for a frame.
func (a *readahead) follow(at index.Location) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	f := a.advance(at)
	if f == nil {
		return
	}
	a.enqueue(f)
	if a.free > 0 {
		a.free--
		a.wait.Go(a.work)
	}
}

// enqueue has a frame loaded for a reader when it is his turn.
func (a *readahead) enqueue(f *follower) {
	if !f.queued {
		f.queued = true
		a.queue = append(a.queue, f)
	}
}

// work loads a frame for each reader in the queue, until there is none.
func (a *readahead) work() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) > 0 && !a.closed {
		f := a.queue[0]
		a.queue = slices.Delete(a.queue, 0, 1)
		f.queued = false
		n := max(f.loaded, int(f.last)) + 1
		if n > int(f.last)+aheadFrames {
			continue
		}
		f.loaded = n
		ctx := f.ctx
		a.mu.Unlock()
		more := a.try(ctx, f, n)
		a.mu.Lock()
		if more {
			a.enqueue(f)
		}
	}
	a.free++
}

// in returns which reader is followed in the pack of a frame, -1 if none is.
func (a *readahead) in(at index.Location) int {
	return slices.IndexFunc(a.readers[:], func(f *follower) bool { return f != nil && f.pack == at.Pack && f.kind == at.Kind })
}

// advance moves the follower of the reader that asks for a frame, or begins to
// follow him in the place of another. It returns nil if he does not read on from
// where he was, nor begins with a pack of data: then nothing is loaded for him.
func (a *readahead) advance(at index.Location) *follower {
	i := a.in(at)
	if i >= 0 {
		f := a.readers[i]
		switch before := f.last; {
		case at.Frame > before && at.Frame-before <= aheadSkip:
			f.last = at.Frame
			return f
		case at.Frame <= before && before-at.Frame < aheadSkip:
			return nil // beside what was asked for
		}
		a.leave(f)
	} else {
		i = a.next
		a.next = (a.next + 1) % aheadPacks
		if old := a.readers[i]; old != nil {
			a.leave(old)
		}
		a.readers[i] = &follower{pack: at.Pack, kind: at.Kind}
	}
	f := a.readers[i]
	f.last, f.loaded = at.Frame, 0
	f.ctx, f.cancel = context.WithCancel(a.ctx)
	if at.Frame == 0 && at.Kind == index.Data { // metadata are often one frame, and not worth the reads
		return f
	}
	return nil
}

// leave ends what is being loaded, or is to be, for a reader where he was.
func (a *readahead) leave(f *follower) {
	f.cancel()
	if f.queued {
		f.queued = false
		a.queue = slices.DeleteFunc(a.queue, func(other *follower) bool { return other == f })
	}
}

// blobs returns the IDs of a frame's blobs, in order, where they are known: in
// the packs in which readers are followed.
func (a *readahead) blobs(at index.Location) []index.ID {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.in(at)
	if i < 0 {
		return nil
	}
	if placed := a.readers[i].placed.Load(); placed != nil && int(at.Frame) < len(*placed) {
		return (*placed)[at.Frame].IDs
	}
	return nil
}

// try is load. A fault of the program ends no more than that. Who asks for the
// frame meets it, too, and tells; if it was in reading the pack's directory, which
// nobody else does, nothing is loaded ahead in that pack.
func (a *readahead) try(ctx context.Context, f *follower, n int) (more bool) {
	defer func() {
		if recover() != nil {
			more = false
		}
	}()
	return a.load(ctx, f, n)
}

// load loads a frame ahead, and reports whether there may be more after it. What
// fails is not lost: nobody has asked for it, and who does is told.
func (a *readahead) load(ctx context.Context, f *follower, n int) (more bool) {
	if ctx.Err() != nil {
		return false
	}
	f.once.Do(func() {
		f.placed.Store(&[]pack.Placed{}) // also if it panics
		placed := a.directory(a.ctx, f.pack, f.kind)
		f.placed.Store(&placed)
	})
	placed := *f.placed.Load()
	if n >= len(placed) {
		return false
	}
	p := placed[n]
	a.r.loadAhead(ctx, index.Location{Pack: f.pack, Kind: f.kind, Offset: p.Offset, Length: p.Length, Frame: uint16(n)}, p.IDs)
	return ctx.Err() == nil
}

// directory reads where a pack's frames are.
func (a *readahead) directory(ctx context.Context, id index.PackID, kind index.Kind) []pack.Placed {
	opener, err := a.r.opener(id, kind)
	if err != nil {
		return nil
	}
	name := packName(id)
	size, err := a.r.repo.backend.Size(ctx, name)
	if err != nil {
		return nil
	}
	in := object.ReaderAt{Ctx: ctx, Backend: a.r.repo.backend, Name: name}
	layout, err := pack.ReadLayout(in, size)
	if err != nil {
		return nil
	}
	head := make([]byte, pack.HeaderRead)
	n, err := in.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil
	}
	header, err := pack.ParseHeader(head[:n])
	if err != nil || header.Pack != id || header.Kind != kind {
		return nil
	}
	placed, err := opener.Directory(in, layout, header.Len())
	if err != nil {
		return nil
	}
	blobs := 0
	for _, p := range placed {
		blobs += len(p.IDs)
	}
	if blobs > aheadBlobs {
		return nil
	}
	return placed
}

// loadAhead puts a frame into the cache that nobody has asked for, with its blobs
// verified, unless it is there or on its way.
func (r *Reader) loadAhead(ctx context.Context, at index.Location, ids []index.ID) {
	key := r.frameKey(at)
	if r.frames.has(key) {
		return
	}
	r.mu.Lock()
	l := r.loading[key]
	if l != nil {
		r.mu.Unlock()
		return
	}
	l = &load{done: make(chan struct{}), err: errAbandoned, ahead: true}
	r.loading[key] = l
	r.mu.Unlock()
	if r.lead(ctx, l, key, at, ids); l.err == nil {
		l.frame.drop()
	}
}
