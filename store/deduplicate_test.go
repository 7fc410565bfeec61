package store

import (
	"testing"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/mem"
)

// A run that has written an index segment of its own must still know what it
// has stored: a directory that holds the same files a gigabyte apart would be
// stored twice.
func TestSessionKnowsItsSegments(t *testing.T) {
	b := mem.New()
	r := newTestRepository(t, b)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	blobs := putBlobs(t, s, 60, 6)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if segments, err := backend.List(t.Context(), b, dirIndex); err != nil || len(segments) == 0 {
		t.Fatalf("segments: %v, %v", segments, err)
	}
	before := stored(t, b)
	for i, blob := range blobs {
		if added, err := s.Put(t.Context(), blob.kind, blob.id, blob.data); added || err != nil {
			t.Fatalf("blob %d is stored again: %v", i, err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := stored(t, b); after != before {
		t.Errorf("%d bytes were stored again", after-before)
	}
	if s.Has(index.Data, index.ID{1}) {
		t.Error("it claims to have what nobody stored")
	}
}
