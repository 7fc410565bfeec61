package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/index"
	"garret/store/backend/mem"
)

// largePacks returns packs of a kind that parity cannot heal when half of them
// is lost.
func largePacks(t *testing.T, b *mem.Backend, kind index.Kind) (names []string) {
	t.Helper()
	for _, name := range packsOf(t, b, kind) {
		if len(read(t, b, name)) > 40*4096 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatalf("no %v pack is large", kind)
	}
	return names
}

// beyondFaults are what parity cannot heal.
var beyondFaults = []struct {
	what string
	kind index.Kind
	do   func(t *testing.T, rnd *rand.Rand, d *mem.Backend, name string)
	size bool // it has another size, so that it is in nobody's effective index
}{
	{"half a pack zeroed", index.Data, func(t *testing.T, rnd *rand.Rand, d *mem.Backend, name string) { zeroHalf(t, rnd, d, name) }, false},
	{"half a pack of trees zeroed", index.Tree, func(t *testing.T, rnd *rand.Rand, d *mem.Backend, name string) { zeroHalf(t, rnd, d, name) }, false},
	{"half a pack cut off", index.Data, func(t *testing.T, _ *rand.Rand, d *mem.Backend, name string) {
		data := read(t, d, name)
		write(t, d, name, data[:len(data)/2])
	}, true},
	{"a pack deleted", index.Data, func(t *testing.T, _ *rand.Rand, d *mem.Backend, name string) { remove(t, d, name) }, true},
	{"a pack of trees deleted", index.Tree, func(t *testing.T, _ *rand.Rand, d *mem.Backend, name string) { remove(t, d, name) }, true},
	{"a pack and its parity deleted", index.Data, func(t *testing.T, _ *rand.Rand, d *mem.Backend, name string) {
		remove(t, d, name)
		remove(t, d, parityOfName(t, name))
	}, true},
	{"a bit in every other frame, no parity", index.Data, func(t *testing.T, rnd *rand.Rand, d *mem.Backend, name string) {
		data := read(t, d, name)
		for at := 2000; at < len(data)-4000; at += 4096 * (1 + rnd.IntN(6)) {
			data[at] ^= 1
		}
		write(t, d, name, data)
		remove(t, d, parityOfName(t, name))
	}, false},
}

func zeroHalf(t *testing.T, rnd *rand.Rand, d *mem.Backend, name string) {
	t.Helper()
	data := read(t, d, name)
	from := rnd.IntN(3) * len(data) / 4
	clear(data[from : from+len(data)/2])
	write(t, d, name, data)
}

// What no parity heals is named file by file, and not a byte more or less than
// a computation of its own finds: the index tells which frames lie in what has
// other bytes, the trees tell who needs them. Everything else is read, before a
// repair and after it. The next snapshot of the unchanged source stores what is
// missing and nothing else, which heals the old ones, and check says so.
func TestFaultTableBeyond(t *testing.T) {
	collectLess(t, 400)
	for range faultRuns(2) {
		seed := faultSeed(t)
		f := newBeyondTest(t, rand.New(rand.NewPCG(seed, 6)))
		for n, fault := range beyondFaults {
			t.Run(fmt.Sprintf("%s/seed %d", fault.what, seed), func(t *testing.T) {
				t.Parallel()
				rnd, d := rand.New(rand.NewPCG(seed, 100+uint64(n))), f.b.Clone()
				packs := largePacks(t, d, fault.kind)
				for _, i := range rnd.Perm(len(packs))[:1+rnd.IntN(min(2, len(packs)))] {
					fault.do(t, rnd, d, packs[i])
				}
				lost := f.lost(t, d)
				want := f.affected(lost)
				if len(want) == 0 {
					t.Fatal("nothing is lost")
				}
				r := on(f.r, d)
				f.wantReport(t, r, lost, want, fault.kind == index.Tree || fault.size)

				if !fault.size || rnd.IntN(2) == 0 {
					_, res := repair(t, r, testRepair())
					var got []string
					for _, l := range res.Losses {
						if l.Path != nil {
							got = append(got, fmt.Sprintf("%s %s %d+%d", l.Snapshot.Short(), l.Path, l.Offset, l.Length))
						}
					}
					if slices.Sort(got); !slices.Equal(got, want) {
						t.Errorf("repair says that it has lost:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
					}
					f.wantReport(t, r, lost, want, true)
				}
				f.wantHealedBySnapshots(t, r, lost)
			})
		}
	}
}

// wantReport compares what checks say with what is lost, and reads everything.
func (f *beyondTest) wantReport(t *testing.T, r *Repository, lost map[index.ID]bool, want []string, structure bool) {
	t.Helper()
	for _, readData := range []bool{false, true} {
		if readData || structure { // else it is not seen
			check(t, r, readData).wantLosses(t, slices.Clone(want)...)
		}
	}
	rd, err := r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	for _, b := range f.blobs {
		data, err := rd.Blob(t.Context(), b.kind, b.id)
		switch {
		case lost[b.id] && err == nil:
			t.Errorf("%v blob %s is lost, but can be read", b.kind, b.id.Short())
		case !lost[b.id] && (err != nil || !bytes.Equal(data, b.data)):
			t.Errorf("%v blob %s: %v", b.kind, b.id.Short(), err)
		}
	}
}

func (f *beyondTest) wantHealedBySnapshots(t *testing.T, r *Repository, lost map[index.ID]bool) {
	t.Helper()
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range f.blobs {
		if has := s.Has(b.kind, b.id); has == lost[b.id] && (has || !f.elsewhere(t, r, b.id)) {
			t.Errorf("%v blob %s is to be stored again: %v, and lost: %v", b.kind, b.id.Short(), !has, lost[b.id])
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, tree := range f.trees {
		snapshotOf(t, r, fmt.Sprint("again", i), tree)
	}
	c := check(t, r, true)
	c.wantLosses(t)
	if c.Lost > 0 {
		c.dump(t)
	}
	gone := 0
	for _, name := range objects(t, f.b, dirPacks) {
		if _, err := r.backend.Size(t.Context(), name); err != nil {
			gone++
		}
	}
	if told := len(c.about("stored again in pack")); gone > 0 && told == 0 && c.Notes > 0 {
		t.Errorf("%d packs are gone, and it does not say that what they held is stored again:", gone)
		c.dump(t)
	}
	f.wantReport(t, r, nil, nil, true)
}

// elsewhere reports whether a blob lies in a pack that is not trusted for its
// size, and can be read there all the same.
func (f *beyondTest) elsewhere(t *testing.T, r *Repository, id index.ID) bool {
	for _, row := range f.rows {
		if row.id == id {
			size, err := r.backend.Size(t.Context(), packName(row.at.Pack))
			was, _ := f.b.Size(t.Context(), packName(row.at.Pack))
			return err == nil && size != was
		}
	}
	return false
}
