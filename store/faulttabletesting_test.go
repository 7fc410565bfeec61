package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"

	"garret/index"
	"garret/keys"
	"garret/store/backend/mem"
	"garret/store/codec"
	"garret/store/pack"
	"garret/store/parity"
)

// faultShare divides the number of runs: the race detector makes each of them
// take several times as long.
var faultShare = 1

// faultRuns is how often something is done with different seeds: n times, or
// ten times as often with GARRET_BIG=1.
func faultRuns(n int) int {
	if os.Getenv("GARRET_BIG") != "" {
		return 10 * n
	}
	if testing.Short() {
		n /= 4
	}
	return max(1, n/faultShare)
}

// collectLess lets garbage grow to so many percent of what is in use, until the
// test and all below it have ended: with little in use, thousands of runs would
// spend half of their time on collecting it.
func collectLess(t *testing.T, percent int) {
	t.Helper()
	before := debug.SetGCPercent(percent)
	t.Cleanup(func() { debug.SetGCPercent(before) })
}

// faultSeed is a random seed, or the one that GARRET_FAULT_SEED tells, by
// which a run that failed happens again.
func faultSeed(t *testing.T) uint64 {
	t.Helper()
	if s := os.Getenv("GARRET_FAULT_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return seed
	}
	return rand.Uint64()
}

// faultRepository is a repository of two snapshots, two packs of files, two of
// trees, and two index segments, at the default parity. All but one pack are
// small.
type faultRepository struct {
	what  string // the size of the large pack
	b     *mem.Backend
	blobs []blob // all that are stored
}

// newFaultRepository makes a repository with a pack of size bytes, or of as
// many as it has that holds one byte.
func newFaultRepository(t *testing.T, size int) *faultRepository {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", "/dev/null/none")
	f := &faultRepository{b: mem.New()}
	if _, err := Init(t.Context(), f.b, InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: map[string]int{"min": 1}, Compression: codec.Method{}, Parity: DefaultParity,
		Passphrase: testPass, KDF: cheapKDF,
	}); err != nil {
		t.Fatal(err)
	}
	r := openTestRepository(t, f.b)
	content, exact := contentFor(size)
	file := make([]byte, content)
	rand.NewChaCha8([32]byte{9}).Read(file)
	large := slices.Collect(slices.Chunk(file, faultBlob))
	small := [][]byte{[]byte("some more")}
	snapshotOf(t, r, "one", testDir{"file": large})
	sizeOf := len(read(t, f.b, largest(t, f.b, index.Data)))
	if exact && sizeOf != size {
		t.Fatalf("the pack has %d bytes, not %d", sizeOf, size)
	}
	snapshotOf(t, r, "two", testDir{"file": large, "more": small})
	f.what = fmt.Sprint(sizeOf, " bytes")
	for _, data := range slices.Concat(large, small) {
		f.blobs = append(f.blobs, blob{index.Data, r.keys.Hasher(false).Sum(data), data})
	}
	return f
}

// faultBlob is the size of the blobs of a file, bytes.
const faultBlob = 1 << 20

// contentFor returns how many bytes make a pack of that size; exact is false if
// it is only about that, because they are several blobs.
func contentFor(size int) (n int, exact bool) {
	const around = (4 + 1 + 16) + (4 + 4 + 32 + 16) + 1168 // frame, directory, header
	total := func(n int) int {
		body := around + len(binary.AppendUvarint(nil, uint64(n))) + n
		return body + 4*((body+pack.CellSize-1)/pack.CellSize) + 32
	}
	for n = max(1, size-around-40-size/1000); n < faultBlob && total(n) < size; n++ {
	}
	return n, n < faultBlob && total(n) == size
}

// guarded is a pack or segment with parity, of k cells, m of which may be lost.
// The parity object is divided into units of the size of a cell, each of which
// counts as a cell when it is damaged anywhere. That of an object of one cell
// is a unit by itself.
type guarded struct {
	name string
	id   [16]byte
	size int // bytes of the object
	k, m int
	cell int // bytes
	par  int // bytes of the parity object
}

// guardedObjects returns everything that has parity.
func guardedObjects(t *testing.T, b *mem.Backend) (all []guarded) {
	t.Helper()
	for _, folder := range []string{dirPacks, dirIndex} {
		for _, name := range objects(t, b, folder) {
			g := guarded{name: name, size: len(read(t, b, name))}
			if err := parseID(g.id[:], base(name)); err != nil {
				t.Fatal(err)
			}
			g.k, g.m, g.cell = parity.Cells(int64(g.size), DefaultParity)
			g.par = len(read(t, b, parityName(g.id)))
			all = append(all, g)
		}
	}
	return all
}

// units returns how many the parity object has.
func (g guarded) units() int {
	if g.k == 1 {
		return 1
	}
	return g.par / g.cell
}

// inData and inParity return the bytes of a cell, and of a unit.
func (g guarded) inData(data []byte, i int) []byte {
	return data[i*g.cell : min((i+1)*g.cell, g.size)]
}

func (g guarded) inParity(par []byte, u int) []byte {
	if g.k == 1 {
		return par
	}
	return par[u*g.cell:][:g.cell]
}

// fewUnits is how many units may be lost at once with cells of the object. A
// large object's parity cannot do with any that are left.
func (g guarded) fewUnits() int {
	if g.k > 1024 {
		return g.units() / 2
	}
	return g.m
}

// within reports whether an object and its parity, which have changed in
// place, have lost no more than heals.
func (g guarded) within(data, was, par, parWas []byte) bool {
	cells, units := 0, 0
	for i := range g.k {
		if !bytes.Equal(g.inData(data, i), g.inData(was, i)) {
			cells++
		}
	}
	for u := range g.units() {
		if !bytes.Equal(g.inParity(par, u), g.inParity(parWas, u)) {
			units++
		}
	}
	return cells == 0 || cells+units <= g.m && units <= g.fewUnits()
}

// spoil makes something else of b, in one of the ways in which storage does:
// zeros, one bit, noise.
func spoil(rnd *rand.Rand, b []byte) {
	if len(b) == 0 {
		return
	}
	switch rnd.IntN(3) {
	case 0:
		clear(b)
	case 1:
		b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
	case 2:
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
	}
}

// garbage is up to n bytes.
func garbage(rnd *rand.Rand, n int) []byte {
	b := make([]byte, 1+rnd.IntN(n))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}
