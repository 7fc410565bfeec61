package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"garret/index"
	"garret/store/object"
)

// Who reads through more than the cache holds has every frame decoded once,
// however often he has looked into earlier ones.
func TestScanDecodesFramesOnce(t *testing.T) {
	b, blobs := withParity(t)
	rd := openTestReader(t, b, 3<<20)
	rd.ahead.close() // or frames are decoded that nobody asks for
	frames := map[uint64]bool{}
	size := 0
	for _, blob := range blobs {
		if blob.kind != index.Data || len(blob.data) < 129 { // those are equal, in an early frame
			continue
		}
		for range 20 { // so that those in the cache have been used often
			if data, err := rd.Blob(t.Context(), blob.kind, blob.id); err != nil || string(data) != string(blob.data) {
				t.Fatal(err)
			}
		}
		rd.set.Lookup(blob.id, func(at index.Location) bool {
			frames[rd.frameKey(at)] = true
			return false
		})
		size += len(blob.data)
	}
	if size < 4<<20 {
		t.Fatalf("%d bytes fit into the cache", size)
	}
	if n := rd.Loads(); n != int64(len(frames)) {
		t.Errorf("%d frames were decoded %d times", len(frames), n)
	}
}

// BorrowCached lends what is in memory, and loads nothing.
func TestBorrowCached(t *testing.T) {
	b, blobs := withParity(t)
	rd := openTestReader(t, b, 0)
	for _, blob := range blobs {
		_, giveBack, ok := rd.BorrowCached(blob.kind, blob.id)
		if ok {
			giveBack()
		}
		if ok && rd.Loads() == 0 {
			t.Fatal("something is in memory before anything was loaded")
		}
		if _, err := rd.Blob(t.Context(), blob.kind, blob.id); err != nil {
			t.Fatal(err)
		}
		data, giveBack, ok := rd.BorrowCached(blob.kind, blob.id)
		if !ok || string(data) != string(blob.data) {
			t.Fatalf("what was just loaded: %d bytes, %v", len(data), ok)
		}
		giveBack()
		if _, _, ok := rd.BorrowCached(1-blob.kind, blob.id); ok {
			t.Fatal("a blob of another kind")
		}
	}
	if _, _, ok := rd.BorrowCached(index.Data, index.ID{1}); ok {
		t.Error("a blob that never was")
	}
}

// The cache stays within its bounds, but for the last two frames.
func TestFrameCacheIsBounded(t *testing.T) {
	var c frameCache
	if err := c.open(4000); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for key := range uint64(1000) {
		f := newFrame()
		c.Set(key, f, 300)
		f.drop()
		if got, ok := c.Get(key); !ok || got != f {
			t.Fatalf("frame %d is gone at once", key)
		}
		f.drop()
		if c.used > c.max || c.used != 300*int64(c.order.Len()) || len(c.byKey) != c.order.Len() {
			t.Fatalf("the window holds %d bytes of %d", c.used, c.max)
		}
	}
	for key := range uint64(3) {
		c.Set(2000+key, newFrame(), 9000)
	}
	if c.order.Len() != windowLeast {
		t.Errorf("the window holds %d large frames", c.order.Len())
	}
}

// What is lent stays as it is until it is given back, however many frames come
// and go in the same memory meanwhile: many readers, each with several loans at
// a time, through a cache that holds next to nothing.
func TestLoansAreStable(t *testing.T) {
	b, blobs := withParity(t)
	rd := openTestReader(t, b, 1<<20)
	type loan struct {
		blob     *blob
		data     []byte
		giveBack func()
	}
	settle := func(l loan) {
		if !bytes.Equal(l.data, l.blob.data) {
			t.Errorf("blob %v of %d bytes changed while it was lent", l.blob.id, len(l.blob.data))
		}
		l.giveBack()
	}
	turns := 2000
	if testing.Short() {
		turns = 200
	}
	var readers sync.WaitGroup
	for seed := range uint64(8) {
		readers.Go(func() {
			r := rand.New(rand.NewPCG(seed, 0))
			var loans []loan
			near := 0 // some read on from where they are, so that frames are loaded ahead
			for range turns {
				if near++; r.IntN(4) == 0 {
					near = r.IntN(len(blobs))
				}
				l := loan{blob: &blobs[near%len(blobs)]}
				var err error
				if l.data, l.giveBack, err = rd.Borrow(t.Context(), l.blob.kind, l.blob.id); err != nil {
					t.Error(err)
					break
				}
				loans = append(loans, l)
				for len(loans) > r.IntN(6) {
					i := r.IntN(len(loans))
					settle(loans[i])
					loans = slices.Delete(loans, i, i+1)
				}
			}
			for _, l := range loans {
				settle(l)
			}
		})
	}
	readers.Wait()
	if n := rd.Loads(); n < 20 {
		t.Errorf("only %d frames came and went", n)
	}
}

// An index that names one blob's place as another's is not believed, whether or
// not the blob that lies there has been found to be sound.
func TestNoBlobForAnother(t *testing.T) {
	b, blobs := withParity(t)
	rd := openTestReader(t, b, 0)
	rd.ahead.close()
	id, other := blobs[0].id, index.ID{1}
	var at index.Location
	rd.set.Lookup(id, func(found index.Location) bool { at = found; return false })
	f, err := rd.load(t.Context(), at, true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.drop()
	refused := func(when string) {
		t.Helper()
		if _, err := rd.blobIn(f, other, at); !errors.Is(err, object.ErrDamaged) {
			t.Errorf("%s: %v", when, err)
		}
	}
	refused("before its HMAC is known")
	if _, err := rd.blobIn(f, id, at); err != nil {
		t.Fatal(err)
	}
	refused("when it was found to be the one")

	if f, err = rd.load(t.Context(), at, true); err != nil {
		t.Fatal(err)
	}
	defer f.drop()
	ids := make([]index.ID, f.Len())
	ids[at.Blob] = other
	f.verify(rd.repo.hasher(), at.Kind, ids)
	refused("when the directory says so, too")
	ids[at.Blob] = id
	f.verify(rd.repo.hasher(), at.Kind, ids)
	refused("when the directory knows better")
	if _, err := rd.blobIn(f, id, at); err != nil {
		t.Error(err)
	}

	// Nor does it spoil the place for who knows its kind.
	wrong := at
	wrong.Kind = index.Data + index.Tree - at.Kind
	if f, err = rd.frame(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	defer f.drop()
	if _, err := rd.frame(t.Context(), wrong); !errors.Is(err, object.ErrDamaged) {
		t.Errorf("a frame of another kind: %v", err)
	}
	if _, err := rd.Blob(t.Context(), at.Kind, id); err != nil {
		t.Error(err)
	}
}

// The blob that follows the last one is found without the index, and nothing else
// is: not what comes later, nor under another kind.
func TestNextBlob(t *testing.T) {
	b, blobs := withParity(t)
	rd := openTestReader(t, b, 0)
	rd.ahead.close()
	frames := map[uint64]map[uint16]blob{}
	var in map[uint16]blob // one frame's blobs
	for _, one := range blobs {
		rd.set.Lookup(one.id, func(at index.Location) bool {
			key := rd.frameKey(at)
			if frames[key] == nil {
				frames[key] = map[uint16]blob{}
			}
			frames[key][at.Blob] = one
			if at.Kind == index.Data && len(frames[key]) > len(in) {
				in = frames[key]
			}
			return false
		})
	}
	if len(in) < 3 {
		t.Fatalf("no frame has more than %d blobs", len(in))
	}
	cached := func(kind index.Kind, i uint16) bool {
		data, giveBack, ok := rd.BorrowCached(kind, in[i].id)
		if ok {
			defer giveBack()
			if !bytes.Equal(data, in[i].data) {
				t.Errorf("blob %d: %d bytes of another", i, len(data))
			}
		}
		return ok
	}
	if cached(index.Data, 0) {
		t.Error("it is there before anybody has read it")
	}
	if _, err := rd.Blob(t.Context(), index.Data, in[0].id); err != nil {
		t.Fatal(err)
	}
	for i := range uint16(len(in)) { // which verifies them
		if !cached(index.Data, i) {
			t.Fatalf("blob %d is not there", i)
		}
	}
	if !cached(index.Data, 0) {
		t.Fatal("the first one is not there any more")
	}
	set := rd.set
	defer func() { rd.set = set }()
	rd.set = index.NewSet()
	for _, test := range []struct {
		kind index.Kind
		i    uint16
		ok   bool
	}{
		{index.Data, 2, false}, {index.Tree, 1, false}, {index.Data, 1, true}, {index.Data, 1, false},
		{index.Data, 2, true}, {index.Data, 0, false},
	} {
		if cached(test.kind, test.i) != test.ok {
			t.Errorf("%v %d without an index: %v", test.kind, test.i, !test.ok)
		}
	}
}
