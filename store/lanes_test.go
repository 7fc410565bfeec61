package store

import (
	"testing"

	"garret/index"
	"garret/store/backend/mem"
)

// Parts of large files lie apart from small files, in frames of half the size, so
// that who reads a few bytes of one does not decode what he has no use for; and
// no frame of several blobs is larger than the repository says.
func TestPartsLieApart(t *testing.T) {
	b := mem.New()
	r := newTestRepository(t, b)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const size, each = 3000, 60
	sort := map[index.ID]string{}
	for i := range 2 * each {
		data := make([]byte, size)
		for j := range data {
			data[j] = byte(i * j)
		}
		id := s.ID(index.Data, data)
		put := func() (bool, error) { return s.Put(t.Context(), index.Data, id, data) }
		sort[id] = "small"
		if i%2 == 1 {
			put = func() (bool, error) { return s.PutPart(t.Context(), id, data) }
			sort[id] = "part"
		}
		if added, err := put(); err != nil || !added {
			t.Fatal(i, added, err)
		}
		if added, err := put(); err != nil || added {
			t.Fatal("stored twice", i, added, err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	type key struct {
		pack  index.PackID
		frame uint16
	}
	frames := map[key][]string{}
	for id, what := range sort {
		s.set.Lookup(id, func(at index.Location) bool {
			k := key{at.Pack, at.Frame}
			frames[k] = append(frames[k], what)
			return false
		})
	}
	blobs := 0
	limits := map[string]int{"small": r.config.FrameSize, "part": r.config.FrameSize / partShare}
	for _, in := range frames {
		for _, what := range in {
			if what != in[0] {
				t.Fatal("a part and a small file lie in one frame")
			}
		}
		blobs += len(in)
		if len(in)*size > limits[in[0]] {
			t.Errorf("a frame of %d bytes of sort %s", len(in)*size, in[0])
		}
	}
	if most := 2 + each*size/(limits["small"]-size) + each*size/(limits["part"]-size); blobs != 2*each || len(frames) > most {
		t.Errorf("%d blobs lie in %d frames, want %d at most", blobs, len(frames), most)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
