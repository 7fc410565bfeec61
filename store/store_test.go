package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/backend/mem"
	"garret/store/codec"
	"garret/store/object"
)

// cheapKDF keeps the tests fast; what Argon2id costs is keys' business.
var cheapKDF = keys.KDFParams{KDF: keys.KDFArgon2id, Time: 1, Memory: 64, Threads: 1}

var testPass = keys.Passphrase("correct horse")

func newTestRepository(t testing.TB, b backend.Backend) *Repository {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := Init(t.Context(), b, InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: map[string]int{"min": 1}, Compression: codec.Default,
		Passphrase: testPass, KDF: cheapKDF, PackSize: minPackSize * 4, FrameSize: 32 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	return openTestRepository(t, b)
}

func openTestRepository(t testing.TB, b backend.Backend) *Repository {
	t.Helper()
	l, err := Open(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Unlock(testPass)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// openTestReader opens the repository for reading, with a cache of so many bytes,
// until the test ends.
func openTestReader(t testing.TB, b backend.Backend, cacheSize int64) *Reader {
	t.Helper()
	rd, err := openTestRepository(t, b).NewReader(t.Context(), cacheSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rd.Close(context.Background()); err != nil { // the test's context has ended
			t.Error(err)
		}
	})
	return rd
}

type blob struct {
	kind index.Kind
	id   index.ID
	data []byte
}

// putBlobs stores blobs of all sizes that matter, some of them twice.
func putBlobs(t testing.TB, s *Session, n int, seed uint64) []blob {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	sizes := []int{0, 1, 129, 4096, 31 << 10, 32<<10 - 1, 32 << 10, 32<<10 + 1, 300 << 10}
	var blobs []blob
	for i := range n {
		data := make([]byte, sizes[i%len(sizes)])
		for j := range data {
			data[j] = byte(r.UintN(4)) // compresses
		}
		if len(data) > 8 {
			copy(data, fmt.Sprint(seed, " ", i))
		}
		b := blob{kind: index.Data, data: data}
		if i%5 == 0 {
			b.kind = index.Tree
		}
		b.id = s.ID(b.kind, data)
		had := s.Has(b.kind, b.id)
		for pass := range 2 {
			added, err := s.Put(t.Context(), b.kind, b.id, data)
			if err != nil {
				t.Fatal(err)
			}
			if want := pass == 0 && !had; added != want {
				t.Fatalf("blob %d, put %d: added is %v", i, pass, added)
			}
		}
		blobs = append(blobs, b)
	}
	return blobs
}

// stored adds up the sizes of all objects.
func stored(t testing.TB, b backend.Backend) (n int64) {
	t.Helper()
	entries, err := backend.List(t.Context(), b, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		n += e.Size
	}
	return n
}

func commit(t testing.TB, s *Session, host string) *Snapshot {
	t.Helper()
	snap := &Snapshot{Time: time.Now(), Host: host, Sources: [][]byte{[]byte("/src\xff")}}
	if err := s.Commit(t.Context(), snap, &Details{Root: []byte("root of " + host)}); err != nil {
		t.Fatal(err)
	}
	return snap
}

// What a session stored is what a later process reads, blob by blob, and a
// second session stores none of it again.
func TestSessionToReader(t *testing.T) {
	b := mem.New()
	r := newTestRepository(t, b)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blobs := putBlobs(t, s, 200, 1)
	snap := commit(t, s, "one")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	r = openTestRepository(t, b)
	snaps, problems, err := r.Snapshots(t.Context())
	if err != nil || len(problems) != 0 || len(snaps) != 1 || snaps[0].ID != snap.ID {
		t.Fatalf("snapshots: %v, %v, %v", snaps, problems, err)
	}
	if got := snaps[0].Sources[0]; !bytes.Equal(got, []byte("/src\xff")) {
		t.Errorf("source is %q", got)
	}
	d, err := r.Details(t.Context(), snap.ID)
	if err != nil || string(d.Root) != "root of one" {
		t.Fatalf("details: %+v, %v", d, err)
	}
	for _, cache := range []int64{1, 1 << 20, 64 << 20} {
		rd, err := r.NewReader(t.Context(), cache)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range blobs {
			got, err := rd.Blob(t.Context(), want.kind, want.id)
			if err != nil || !bytes.Equal(got, want.data) {
				t.Fatalf("cache %d: blob %d of %d bytes does not come back: %v", cache, i, len(want.data), err)
			}
		}
		if _, err := rd.Blob(t.Context(), index.Data, index.ID{1}); !errors.Is(err, ErrLost) {
			t.Errorf("an unknown blob gives %v", err)
		}
		if err := rd.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	before := stored(t, b)
	s, err = r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range blobs {
		if added, err := s.Put(t.Context(), want.kind, want.id, want.data); added || err != nil {
			t.Fatalf("stored again: %v, %v", added, err)
		}
	}
	commit(t, s, "two")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if grown := stored(t, b) - before; grown > 8<<10 {
		t.Errorf("a snapshot of nothing new costs %d bytes", grown)
	}
	leases, _ := backend.List(t.Context(), b, dirLeases)
	if len(leases) != 0 {
		t.Errorf("leases are left: %v", leases)
	}
}

// A pack that is gone, short or condemned is in nobody's effective index: its
// blobs are stored again, and the new copy heals the old snapshot.
func TestEffectiveIndex(t *testing.T) {
	for _, damage := range []string{"deleted", "short", "condemned"} {
		t.Run(damage, func(t *testing.T) {
			b := mem.New()
			r := newTestRepository(t, b)
			s, err := r.NewSession(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			blobs := putBlobs(t, s, 60, 2)
			commit(t, s, "one")
			s.Close(t.Context())

			packs, _ := backend.List(t.Context(), b, dirPacks)
			for _, p := range packs {
				switch damage {
				case "deleted":
					err = b.Delete(t.Context(), p.Name)
				case "short":
					err = b.Put(t.Context(), p.Name, make([]byte, p.Size-1))
				case "condemned":
					err = b.Put(t.Context(), dirCondemned+"/"+base(p.Name), nil)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			s, err = r.NewSession(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if s.reusable {
				t.Error("the session takes the repository for sound")
			}
			for i, want := range blobs[:9] {
				if added, err := s.Put(t.Context(), want.kind, want.id, want.data); !added || err != nil {
					t.Fatalf("blob %d is not stored again: %v, %v", i, added, err)
				}
			}
			commit(t, s, "two")
			s.Close(t.Context())
			rd, err := r.NewReader(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer rd.Close(t.Context())
			for _, want := range blobs[:9] {
				if got, err := rd.Blob(t.Context(), want.kind, want.id); err != nil || !bytes.Equal(got, want.data) {
					t.Fatalf("not healed: %v", err)
				}
			}
		})
	}
}

// A session that a collector has given up on must not leave a snapshot that
// may miss blobs.
func TestFence(t *testing.T) {
	b := mem.New()
	r := newTestRepository(t, b)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	putBlobs(t, s, 20, 3)
	if err := b.Put(t.Context(), fenceName(s.id), object.Finish(object.AppendHeader(nil, object.Fence))); err != nil {
		t.Fatal(err)
	}
	err = s.Commit(t.Context(), &Snapshot{Time: time.Now()}, &Details{})
	if !errors.Is(err, ErrFenced) {
		t.Fatalf("commit after the fence: %v", err)
	}
	if snaps, _, err := r.Snapshots(t.Context()); err != nil || len(snaps) != 0 {
		t.Fatalf("the snapshot was not withdrawn: %v, %v", snaps, err)
	}
}

// One flipped bit anywhere never gives a wrong byte.
func TestBitFlips(t *testing.T) {
	b := mem.New()
	r := newTestRepository(t, b)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blobs := putBlobs(t, s, 40, 4)
	commit(t, s, "one")
	s.Close(t.Context())
	objects, _ := backend.List(t.Context(), b, "")
	rnd := rand.New(rand.NewPCG(5, 0))
	for range 300 {
		o := objects[rnd.IntN(len(objects))]
		c := b.Clone()
		data, _ := backend.ReadAll(t.Context(), c, o.Name, 1<<30)
		at := rnd.IntN(len(data))
		data[at] ^= 1 << rnd.UintN(8)
		if err := c.Put(t.Context(), o.Name, data); err != nil {
			t.Fatal(err)
		}
		t.Setenv("XDG_CACHE_HOME", "/dev/null/none") // no cache can be written: read from the repository
		readEverything(t, c, blobs)
	}
}

// readEverything reads what can be read; errors are fine, wrong bytes are not.
func readEverything(t *testing.T, b backend.Backend, blobs []blob) {
	t.Helper()
	ctx := context.Background()
	l, err := Open(ctx, b)
	if err != nil {
		return
	}
	r, err := l.Unlock(testPass)
	if err != nil {
		return
	}
	snaps, _, err := r.Snapshots(ctx)
	if err != nil {
		return
	}
	for _, s := range snaps {
		if d, err := r.Details(ctx, s.ID); err == nil && string(d.Root) != "root of one" {
			t.Errorf("details have a wrong root %q", d.Root)
		}
	}
	rd, err := r.NewReader(ctx, 0)
	if err != nil {
		return
	}
	defer rd.Close(ctx)
	for _, want := range blobs {
		if got, err := rd.Blob(ctx, want.kind, want.id); err == nil && !bytes.Equal(got, want.data) {
			t.Errorf("a blob of %d bytes comes back wrong", len(want.data))
		}
	}
}

func TestFind(t *testing.T) {
	at := func(h int) time.Time { return time.Date(2026, 11, 22, h, 0, 0, 0, time.UTC) }
	snaps := []*Snapshot{
		{ID: SnapshotID{0xab, 0xcd, 1}, Time: at(1), Host: "a", Label: "weekly"},
		{ID: SnapshotID{0xab, 0xcd, 2}, Time: at(2), Host: "b", Label: "weekly"},
		{ID: SnapshotID{0x12, 0x34}, Time: at(3), Host: "a", Label: "latest-good"},
		{ID: SnapshotID{0x55, 0x55}, Time: at(4), Host: "a", Partial: true},
		{ID: SnapshotID{0x66, 0x66}, Time: at(5), Host: "a", Unverified: true, Label: "1234"},
	}
	for _, c := range []struct {
		spec, host string
		want       int
		err        error
	}{
		{"latest", "a", 2, nil}, {"latest", "b", 1, nil}, {"latest", "nowhere", 2, nil},
		{"latest~1", "a", 0, nil}, {"latest~2", "a", 0, ErrNoSnapshot}, {"latest@b", "a", 1, nil},
		{"latest~1@a", "b", 0, nil}, {"latest@a~1", "b", 0, nil}, {"latest@c", "a", 0, ErrNoSnapshot},
		{"weekly", "a", 1, nil}, {"latest-good", "a", 2, nil}, {"1234", "a", 4, nil}, // a label before an id
		{"abcd01", "a", 0, nil}, {"ABCD02", "a", 1, nil}, {"abcd", "a", 0, ErrAmbiguous},
		{"abc", "a", 0, ErrNoSnapshot}, {"5555", "a", 3, nil}, {"", "a", 0, ErrNoSnapshot}, {"ffff", "a", 0, ErrNoSnapshot},
	} {
		got, err := Find(snaps, c.spec, c.host)
		if !errors.Is(err, c.err) || (err == nil && got.Snapshot != snaps[c.want]) {
			t.Errorf("%q on %s: %+v, %v", c.spec, c.host, got.Snapshot, err)
		}
		if err == nil && (got.Note != "") != (c.host == "nowhere") {
			t.Errorf("%q on %s: note %q", c.spec, c.host, got.Note)
		}
	}
}
