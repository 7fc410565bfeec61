package mount

import (
	"context"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Who goes through a tree, as find, cp, tar and rsync do, lists its directories in
// the order of their positions, most of the time. So while the kernel makes inodes
// of one listing, which takes it longer than encoding them takes us, the leader
// encodes the next one, which then waits for the READDIRPLUS that asks for it. It
// does so only if everything is in memory; other requests wait for it meanwhile.
const (
	walkers    = 4        // who are followed at a time
	aheadBytes = 32 << 10 // of the longest listing that is encoded ahead: what glibc's readdir asks for
)

// atOnce is the context of what must not wait. It has ended, so what is not in
// memory is not loaded.
var atOnce = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// walks remembers which listings are expected to be asked for.
type walks struct {
	mu       sync.Mutex
	expected [walkers]step
	turn     int // of expected to be replaced
}

// step is a READDIRPLUS that is expected.
type step struct {
	node, offset uint64   // node 0: none
	size         uint32   // what it may be answered with, bytes
	listing      *listing // the answer, if it has been encoded
}

// take removes the step that a request is and returns it, or the zero step if the
// request was not expected.
func (w *walks) take(in *fuse.ReadIn) step {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.expected {
		e := &w.expected[i]
		if e.node != 0 && e.node == in.NodeId && e.offset == in.Offset {
			s := *e
			*e = step{}
			return s
		}
	}
	return step{}
}

// put adds a step, in the place of another if there is no room.
func (w *walks) put(s step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.expected {
		if e := &w.expected[i]; e.node == 0 {
			*e = s
			return
		}
	}
	w.expected[w.turn] = s
	w.turn = (w.turn + 1) % walkers
}

// listedAhead returns the answer to a READDIRPLUS, which s is, if it has been
// encoded and still holds; else nil.
func (f *fileSystem) listedAhead(in *fuse.ReadIn, s step) *listing {
	if s.listing == nil || s.size != in.Size {
		return nil
	}
	if _, _, status := f.tree(atOnce, in.NodeId); !status.Ok() {
		return nil
	}
	return s.listing
}

// walkOn expects the listing that comes after l, the answer to a READDIRPLUS: of the
// rest of the directory, or of the next one. If l was expected too, as s, somebody
// goes through the tree, and what comes next is encoded now. It uses the memory of
// s.listing again, which nobody else has any more.
func (f *fileSystem) walkOn(in *fuse.ReadIn, l *listing, s step) {
	t, e, status := f.entry(atOnce, in.NodeId)
	if !status.Ok() {
		return
	}
	next := fuse.ReadIn{InHeader: in.InHeader, Offset: l.out.Offset, Size: in.Size}
	if !l.full {
		position := e.Pos + 1
		if e.Dir.Subdirs == 0 {
			position += e.Dir.Total
		}
		d, err := t.NextDir(atOnce, position)
		if err != nil || !t.holds(d.Pos) {
			return
		}
		next.NodeId, next.Offset = t.nodeID(d.Pos), 0
	}
	expected := step{node: next.NodeId, offset: next.Offset, size: next.Size}
	if s.node != 0 && next.Size <= aheadBytes {
		var memory []byte
		if size := outHeaderSize + int(next.Size); s.listing != nil && len(s.listing.memory) == size {
			memory = s.listing.memory
		} else {
			memory = make([]byte, size)
		}
		made := newListing(memory, &next)
		made.ahead = true
		if f.readDir(atOnce, &next, made).Ok() && made.count > 0 {
			expected.listing = made
		}
	}
	f.walks.put(expected)
}
