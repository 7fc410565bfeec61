package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"garret/index"
	"garret/keys"
	"garret/store/backend/mem"
	"garret/store/codec"
	"garret/store/object"
)

// flipTest is a small repository that bytes are flipped in, and all that a user
// would read of it.
type flipTest struct {
	b       *mem.Backend
	r       *Repository
	names   []string
	places  []int // where each object begins if all lie one after another; the total last
	content map[string][]byte
	guarded map[string]guarded // by name of the object and of its parity
	blobs   []blob
	in      map[string][]blob // by pack
	snaps   []*Snapshot
	details []*Details
}

func newFlipTest(t *testing.T) *flipTest {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", "/dev/null/none")
	f := &flipTest{b: mem.New(), content: make(map[string][]byte), guarded: make(map[string]guarded), in: make(map[string][]blob)}
	if _, err := Init(t.Context(), f.b, InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: map[string]int{"min": 1}, Compression: codec.Default, Parity: DefaultParity,
		Passphrase: testPass, KDF: cheapKDF, PackSize: 2 * minPackSize, FrameSize: 16 << 10,
	}); err != nil {
		t.Fatal(err)
	}
	f.r = openTestRepository(t, f.b)
	var parts [][]byte
	for i := range 14 {
		parts = append(parts, noise(uint64(i), 7<<10))
	}
	for i, d := range []testDir{{"one": parts[:12], "dir": testDir{"small": [][]byte{[]byte("small")}}}, {"one": parts[:13], "two": parts[12:]}} {
		snap := snapshotOf(t, f.r, fmt.Sprint("host", i), d)
		details, err := f.r.Details(t.Context(), snap.ID)
		if err != nil {
			t.Fatal(err)
		}
		f.details = append(f.details, details)
	}
	l, err := newLease(t.Context(), f.r, index.SessionID{1}, LeaseWriter)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.release(context.Background()) }) // of the original
	write(t, f.b, fenceName(index.SessionID{1}), object.Finish(object.AppendHeader(nil, object.Fence)))
	if f.snaps, _, err = f.r.Snapshots(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, name := range objects(t, f.b, "") {
		f.names, f.places, f.content[name] = append(f.names, name), append(f.places, at), read(t, f.b, name)
		at += len(f.content[name])
	}
	f.places = append(f.places, at)
	for _, g := range guardedObjects(t, f.b) {
		f.guarded[g.name], f.guarded[parityName(g.id)] = g, g
	}
	rd, err := f.r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	for _, seg := range rd.set.Segments() {
		for id, at := range seg.Rows() {
			data, err := rd.Blob(t.Context(), at.Kind, id)
			if err != nil {
				t.Fatal(err)
			}
			f.blobs = append(f.blobs, blob{at.Kind, id, bytes.Clone(data)})
			f.in[packName(at.Pack)] = append(f.in[packName(at.Pack)], f.blobs[len(f.blobs)-1])
		}
	}
	return f
}

// flip changes n bytes anywhere in d, and returns which, by object.
func (f *flipTest) flip(t *testing.T, rnd *rand.Rand, d *mem.Backend, n int) map[string][]int {
	t.Helper()
	flipped := make(map[string][]int)
	changed := make(map[string][]byte)
	for range n {
		name := f.names[rnd.IntN(len(f.names))] // each kind of object is as likely …
		at := rnd.IntN(len(f.content[name]))
		if rnd.IntN(2) == 0 { // … or each byte
			where := rnd.IntN(f.places[len(f.names)])
			i, found := slices.BinarySearch(f.places, where)
			if !found {
				i--
			}
			name, at = f.names[i], where-f.places[i]
		}
		if slices.Contains(flipped[name], at) {
			continue
		}
		if changed[name] == nil {
			changed[name] = bytes.Clone(f.content[name])
		}
		changed[name][at] ^= byte(1 + rnd.IntN(255))
		flipped[name] = append(flipped[name], at)
	}
	for name, data := range changed {
		write(t, d, name, data)
	}
	return flipped
}

// within reports whether nothing is damaged beyond parity and second copies.
func (f *flipTest) within(t *testing.T, d *mem.Backend, flipped map[string][]int) bool {
	t.Helper()
	for name := range flipped {
		switch expected(name).kind {
		case object.Config, object.KeySlot, object.Snapshot:
			if twin := strings.TrimSuffix(name, copySuffix) + copySuffix; twin != name && flipped[twin] != nil {
				return false
			}
		case object.Pack, object.Segment, object.Parity:
			g := f.guarded[name]
			par := parityName(g.id)
			if !g.within(read(t, d, g.name), f.content[g.name], read(t, d, par), f.content[par]) {
				return false
			}
		}
	}
	return true
}

// Ten thousand bytes are flipped, anywhere, mostly one at a time: a check
// without a key finds each of them, and nobody ever gets wrong bytes to see, nor
// fewer than parity and second copies promise.
func TestFaultTableFlips(t *testing.T) {
	collectLess(t, 800)
	f := newFlipTest(t)
	const groups = 8
	for range groups {
		seed := faultSeed(t)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			rnd, d := rand.New(rand.NewPCG(seed, 5)), f.b.Clone()
			rd, err := on(f.r, d).NewReader(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer rd.Close(t.Context())
			for flips, run := 0, 0; flips < faultRuns(10_000)/groups && !t.Failed(); run++ {
				n := 1
				if rnd.IntN(20) == 0 {
					n = 2 + rnd.IntN(19)
				}
				flipped := f.flip(t, rnd, d, n)
				flips += n
				f.everybodyIsRight(t, d, rd, flipped, run)
				if t.Failed() {
					t.Logf("run %d: %v", run, flipped)
				}
				for name := range flipped {
					write(t, d, name, f.content[name])
				}
			}
		})
	}
}

// everybodyIsRight lets all look at a repository that may be affected by what
// was flipped in it. rd is one that has read the index before.
func (f *flipTest) everybodyIsRight(t *testing.T, d *mem.Backend, rd *Reader, flipped map[string][]int, run int) {
	t.Helper()
	within := f.within(t, d, flipped)
	f.wantFound(t, checkNoKey(t, d), flipped, within)
	var opened, listed, indexed bool
	var blobs []blob
	for name := range flipped {
		switch expected(name).kind {
		case object.Config, object.KeySlot:
			opened = true
		case object.Snapshot:
			listed = true
		case object.Segment:
			indexed = true
		case object.Pack:
			blobs = append(blobs, f.in[name]...)
		}
	}
	deep := run%100 == 0
	if deep {
		d = d.Clone()
	}
	r := on(f.r, d)
	if opened || deep {
		if mine := openIfPossible(t, d); mine != nil {
			if r = mine; r.keys.Hasher(false).Sum(nil) != f.r.keys.Hasher(false).Sum(nil) || !reflect.DeepEqual(r.config, f.r.config) {
				t.Error("it opens as another repository")
			}
		} else if within {
			t.Error("it cannot be opened")
		}
	}
	if listed || deep {
		f.wantListed(t, r, within)
	}
	if indexed || deep {
		f.wantRead(t, r, within)
	}
	rd.healer.drop()
	clear(rd.healer.hopeless)
	wantRight(t, rd, blobs, within)
	if deep {
		f.wantChecked(t, r, flipped, within)
		f.wantRepaired(t, r, d, within, run%200 == 0)
	}
}
