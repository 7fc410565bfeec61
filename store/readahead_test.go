package store

import (
	"testing"
	"time"

	"garret/index"
)

// Who asks for one frame after another finds the next one decoded; who asks here
// and there has nothing decoded that he did not ask for.
func TestReadahead(t *testing.T) {
	b, blobs := withParity(t)
	places := map[uint16]index.ID{}
	for _, ahead := range []bool{true, false} {
		rd, err := openTestRepository(t, b).NewReader(t.Context(), 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer rd.Close(t.Context())
		var in index.PackID
		for _, blob := range blobs {
			rd.set.Lookup(blob.id, func(at index.Location) bool {
				if in == (index.PackID{}) && at.Kind == index.Data {
					in = at.Pack
				}
				if at.Pack == in {
					places[at.Frame] = blob.id
				}
				return false
			})
		}
		if len(places) < 10 {
			t.Fatalf("%d frames", len(places))
		}
		read := func(n uint16) {
			if _, err := rd.Blob(t.Context(), index.Data, places[n]); err != nil {
				t.Fatal(err)
			}
		}
		if !ahead {
			for _, n := range []uint16{6, 3, 9, 0} {
				read(n)
			}
			rd.ahead.wait.Wait()
			if n := rd.Loads(); n != 4 {
				t.Errorf("%d frames were decoded for 4 here and there", n)
			}
			continue
		}
		read(0)
		read(1)
		for n := uint16(2); n < 7; n++ {
			rd.ahead.wait.Wait()
			_, giveBack, ok := rd.BorrowCached(index.Data, places[n])
			if !ok {
				t.Fatalf("frame %d is not there", n)
			}
			giveBack()
		}
		for end := time.Now().Add(5 * time.Second); len(rd.ahead.slots) > 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if n := rd.Loads(); n != 9 {
			t.Errorf("%d frames were decoded; 7 were asked for, and two follow", n)
		}
	}
}

// What is being loaded for a reader ends when he goes elsewhere in the pack, or
// when too many others read in packs of their own.
func TestReadaheadIsCancelled(t *testing.T) {
	a := &readahead{ctx: t.Context()}
	at := func(pack byte, frame uint16) *follower {
		return a.follower(index.Location{Pack: index.PackID{pack}, Frame: frame})
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
