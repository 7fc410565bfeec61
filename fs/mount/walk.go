package mount

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Who goes through a tree, as find, cp, tar and rsync do, lists its directories in
// the order of their positions, most of the time. So while the kernel makes inodes
// of one listing, which takes it longer than encoding them takes us, the next
// one is encoded, and waits for the READDIRPLUS that asks for it.
const (
	walkers    = 4        // who are followed at a time
	aheadBytes = 64 << 10 // of the longest listing that is encoded ahead
)

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

// take removes what is expected, if the request is one of that.
func (w *walks) take(in *fuse.ReadIn) (s step, expected bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.expected {
		e := &w.expected[i]
		if e.node != 0 && e.node == in.NodeId && e.offset == in.Offset {
			s, *e = *e, step{}
			return s, true
		}
	}
	return step{}, false
}

// put adds what is expected, in the place of something else if there is no room.
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

// walkOn expects the listing that follows one of a directory in a tree, and encodes
// it if that one was expected too, into the memory of old, which has been answered,
// if it is not nil.
func (f *fileSystem) walkOn(in *fuse.ReadIn, l *listing, expected bool, old *listing) {
	next := fuse.ReadIn{InHeader: in.InHeader, Offset: l.out.Offset, Size: in.Size}
	if !l.full {
		next.Offset = 0
		if next.NodeId = f.nextDir(in); next.NodeId == 0 {
			return
		}
	}
	s := step{node: next.NodeId, offset: next.Offset, size: next.Size}
	if expected && next.Size <= aheadBytes {
		var memory []byte
		if size := outHeaderSize + int(next.Size); old != nil && len(old.memory) == size {
			memory = old.memory
		} else {
			memory = make([]byte, size)
		}
		made := newListing(memory, &next)
		made.ahead = true
		if f.readDirPlus(&next, made).Ok() && made.count > 0 {
			s.listing = made
		}
	}
	f.walks.put(s)
}

// listedAhead returns the answer to a READDIRPLUS that was expected, if it has been
// encoded and still holds.
func (f *fileSystem) listedAhead(in *fuse.ReadIn, s step) *listing {
	if s.listing == nil || s.size != in.Size {
		return nil
	}
	if number, _ := splitTree(in.NodeId); f.single == nil && f.list.catalog().byNumber[number] == nil {
		return nil // the snapshot has been removed
	}
	return s.listing
}

// nextDir returns the node ID of the directory that follows one in pre-order; 0 if
// there is none that is shown, or nearby.
func (f *fileSystem) nextDir(in *fuse.ReadIn) uint64 {
	ctx := f.begin(&in.InHeader)
	defer ctx.end()
	t, e, status := f.entry(ctx, in.NodeId)
	if !status.Ok() {
		return 0
	}
	next := e.Pos + 1
	if e.Dir.Subdirs == 0 {
		next += e.Dir.Total
	}
	d, err := t.NextDir(ctx, next)
	if err != nil || !t.holds(d.Pos) {
		return 0
	}
	return t.nodeID(d.Pos)
}
