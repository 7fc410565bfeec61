package store

import (
	"sync/atomic"
	"testing"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/faulty"
)

// Who asks for one frame after another, or for a pack's first one, finds the next
// ones decoded; who asks here and there has nothing decoded that he did not ask for.
func TestReadahead(t *testing.T) {
	b, blobs := withParity(t)
	tests := []struct {
		asked []uint16
		loads int64
		ahead bool // what follows the last one is there in the end
	}{
		{[]uint16{0}, 3, true},
		{[]uint16{3}, 1, false},
		{[]uint16{3, 4}, 4, true},
		{[]uint16{3, 5}, 4, true},
		{[]uint16{3, 6}, 2, false},
		{[]uint16{2, 9, 5}, 3, false},
		{[]uint16{6, 3, 0}, 5, true},
		{[]uint16{0, 1, 2, 3, 4, 5, 6}, 9, true},
		{[]uint16{3, 4, 5, 9}, 6, false},
	}
	for _, test := range tests {
		r := newPackReader(t, b, blobs)
		for _, n := range test.asked {
			r.read(t, n)
			r.ahead.wait.Wait()
		}
		if n := r.Loads(); n != test.loads {
			t.Errorf("%v: %d frames were decoded, want %d", test.asked, n, test.loads)
		}
		last := test.asked[len(test.asked)-1]
		for _, n := range []uint16{last + 1, last + 2} {
			if r.held(n) != test.ahead {
				t.Errorf("%v: frame %d is there: %v", test.asked, n, !test.ahead)
			}
		}
	}
}

// packReader is a reader of the frames of one pack.
type packReader struct {
	*Reader
	frames map[uint16]index.Location // a blob of each
	ids    map[uint16]index.ID       // and its name
}

func newPackReader(t *testing.T, b backend.Backend, blobs []blob) *packReader {
	t.Helper()
	rd := openTestReader(t, b, 64<<20)
	r := &packReader{rd, map[uint16]index.Location{}, map[uint16]index.ID{}}
	var in index.PackID
	for _, blob := range blobs {
		rd.set.Lookup(blob.id, func(at index.Location) bool {
			if in == (index.PackID{}) && at.Kind == index.Data {
				in = at.Pack
			}
			if at.Pack == in {
				r.frames[at.Frame], r.ids[at.Frame] = at, blob.id
			}
			return false
		})
	}
	if len(r.frames) < 10 {
		t.Fatalf("%d frames", len(r.frames))
	}
	return r
}

// read asks for a frame.
func (r *packReader) read(t *testing.T, n uint16) {
	t.Helper()
	if _, err := r.Blob(t.Context(), index.Data, r.ids[n]); err != nil {
		t.Fatal(err)
	}
}

// held reports whether a frame is in memory.
func (r *packReader) held(n uint16) bool { return r.Reader.frames.has(r.frameKey(r.frames[n])) }

// Who asks while frames are being loaded for others waits for his turn, is not
// forgotten, and gets what follows the last frame that he has asked for.
func TestReadaheadTakesTurns(t *testing.T) {
	b, blobs := withParity(t)
	r := newPackReader(t, b, blobs)
	r.ahead.free = 0 // everybody is busy
	for n := uint16(2); n <= 5; n++ {
		r.read(t, n)
	}
	if n := r.Loads(); n != 4 {
		t.Fatalf("%d frames were decoded; 4 were asked for, and nobody had time for more", n)
	}
	r.ahead.work() // one has time again
	for n := range uint16(10) {
		if want := n >= 2 && n <= 5+aheadFrames; r.held(n) != want {
			t.Errorf("frame %d is there: %v", n, !want)
		}
	}
}

// Nothing is loaded for who has gone elsewhere before it was his turn.
func TestReadaheadForgetsWhoLeft(t *testing.T) {
	b, blobs := withParity(t)
	r := newPackReader(t, b, blobs)
	free := r.ahead.free
	r.ahead.free = 0 // everybody is busy
	for _, n := range []uint16{2, 3, 6} {
		r.read(t, n)
	}
	r.ahead.work()
	if n := r.Loads(); n != 3 {
		t.Errorf("%d frames were decoded, but 3 were asked for", n)
	}
	r.ahead.free = free
	r.read(t, 7)
	r.ahead.wait.Wait()
	if !r.held(8) || !r.held(9) {
		t.Error("who reads on where he went is not followed")
	}
}

// A fault of the program while a frame is loaded that nobody has asked for, or its
// pack's directory is read, is met by who asks, and by nobody else.
func TestReadaheadPanics(t *testing.T) {
	stored, blobs := withParity(t)
	for _, op := range []faulty.Op{faulty.ReadAt, faulty.Size} {
		b := faulty.New(stored)
		r := newPackReader(t, b, blobs)
		r.read(t, 2)
		free := r.ahead.free
		var broken atomic.Bool
		broken.Store(true)
		at := int64(r.frames[4].Offset)
		b.Add(func(c faulty.Call) faulty.Fault {
			if broken.Load() && c.Op == op && (op == faulty.Size || c.Off == at) {
				panic("a fault of the program")
			}
			return faulty.Fault{}
		})
		r.read(t, 3)
		r.ahead.wait.Wait()
		if r.ahead.free != free || r.held(4) {
			t.Errorf("%v: %d may load, want %d", op, r.ahead.free, free)
		}
		if op == faulty.ReadAt {
			func() {
				defer func() {
					if recover() == nil {
						t.Error("who asks for the frame does not meet the fault")
					}
				}()
				r.read(t, 4)
			}()
		}
		broken.Store(false)
		r.read(t, 4)
	}
}

// What is being loaded for a reader ends when he goes elsewhere in the pack, or
// when too many others read in packs of their own.
func TestReadaheadIsCancelled(t *testing.T) {
	a := &readahead{ctx: t.Context()}
	at := func(pack byte, frame uint16) *follower {
		return a.advance(index.Location{Pack: index.PackID{pack}, Frame: frame})
	}
	begin := func(pack byte) *follower {
		if at(pack, 5) != nil {
			t.Fatal("the first frame asked for is followed")
		}
		f := at(pack, 6)
		if f == nil || at(pack, 6+aheadSkip) != f {
			t.Fatal("a sequential reader is not followed")
		}
		return f
	}
	ctx := begin(1).ctx
	if at(1, 7) != nil || ctx.Err() != nil {
		t.Error("a frame beside the last one is another reader, or ends the first")
	}
	if at(1, 90) != nil || ctx.Err() == nil {
		t.Error("elsewhere in the pack, and still loading")
	}
	f := at(1, 91)
	if f == nil || f.ctx.Err() != nil {
		t.Fatal("who reads on from there is not followed")
	}
	for pack := range byte(aheadPacks - 1) {
		begin(10 + pack)
	}
	if f.ctx.Err() != nil {
		t.Errorf("%d packs are too many", aheadPacks)
	}
	if begin(20); f.ctx.Err() == nil {
		t.Error("the oldest of too many is still being loaded for")
	}
}
