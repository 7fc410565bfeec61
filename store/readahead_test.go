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
