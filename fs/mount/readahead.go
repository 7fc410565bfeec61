package mount

import (
	"context"
	"sync"

	"garret/fs/tree"
	"garret/fs/view"
)

const (
	aheadLoads   = 2       // blobs that are loaded ahead at once, on behalf of all readers
	aheadStreams = 16      // files whose readers are remembered
	aheadSlack   = 2 << 20 // bytes that READs of one reader may be out of order
	aheadReads   = 2       // READs in sequence before it is believed
	aheadParts   = 2       // blobs ahead of a reader
)

// readahead loads what will probably be asked for next into the caches, in the
// background. It does so only while there is a processor to spare for it: a
// load that finds others under way is left out.
type readahead struct {
	ctx  context.Context // ends with the mount
	free chan struct{}   // holds a token for each load under way
	wg   sync.WaitGroup

	mu      sync.Mutex
	streams [aheadStreams]stream
}

// stream is a reader of a large file.
type stream struct {
	node   uint64
	next   uint64 // offset behind what it has read
	loaded uint64 // offset behind what has been loaded for it
	reads  int    // in sequence
	ctx    context.Context
	cancel context.CancelFunc // for when it goes elsewhere
}

func newReadahead(ctx context.Context) *readahead {
	return &readahead{ctx: ctx, free: make(chan struct{}, aheadLoads)}
}

// load calls f in the background, unless enough is being loaded.
func (a *readahead) load(ctx context.Context, f func(context.Context)) (begun bool) {
	select {
	case a.free <- struct{}{}:
	default:
		return false
	}
	a.wg.Go(func() {
		defer func() { <-a.free }()
		if ctx.Err() == nil {
			f(ctx)
		}
	})
	return true
}

// follow notes a READ of a large file and says from where on to load ahead of
// it, if its reader reads on and on.
func (a *readahead) follow(node, offset, length uint64) (ctx context.Context, from uint64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.streams[mix(node)%aheadStreams]
	if s.node != node || offset > s.next+aheadSlack || offset+aheadSlack < s.next {
		if s.cancel != nil {
			s.cancel()
		}
		*s = stream{node: node, next: offset + length}
		return nil, 0, false
	}
	s.next = max(s.next, offset+length)
	if s.reads++; s.reads < aheadReads {
		return nil, 0, false
	}
	if s.cancel == nil {
		s.ctx, s.cancel = context.WithCancel(a.ctx)
	}
	return s.ctx, max(s.next, s.loaded), true
}

// reached notes that a stream's file has been loaded up to an offset.
func (a *readahead) reached(node, offset uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := &a.streams[mix(node)%aheadStreams]; s.node == node {
		s.loaded = max(s.loaded, offset)
	}
}

// readAhead loads the blobs that follow a READ of a large file.
func (f *fileSystem) readAhead(t *openTree, e view.Entry, offset, length uint64) {
	node := t.nodeID(e.Pos)
	ctx, from, ok := f.ahead.follow(node, offset, length)
	if !ok || from >= e.Size {
		return
	}
	limit := offset + length + aheadSlack
	count := 0
	// A page of the content list that cannot be read will be met by a READ.
	_ = t.Parts(ctx, e, from, func(start uint64, p tree.Part) bool {
		if start >= limit {
			return false
		}
		if !p.IsHole() {
			if !f.ahead.load(ctx, func(ctx context.Context) { _ = t.Load(ctx, p.ID) }) {
				return false
			}
			count++
		}
		f.ahead.reached(node, start+p.Length)
		return count < aheadParts
	})
}

// wait returns when nothing is being loaded any more; the context has ended.
func (a *readahead) wait() { a.wg.Wait() }
