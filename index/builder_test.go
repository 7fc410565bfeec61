package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

var boundarySizes = []int{0, 1, 2, rowsPerFan - 1, rowsPerFan, rowsPerFan + 1, 2 * rowsPerFan, 2*rowsPerFan + 1,
	blockRows - 1, blockRows, blockRows + 1, 3 * minSlots / 4, 3*minSlots/4 + 1, 7000}

// Whatever is added must be found, before it is written and after, or a
// snapshot is stored that cannot be read.
func TestEveryRowIsFound(t *testing.T) {
	for _, n := range boundarySizes {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			rows := testRows(n, uint64(n))
			want := model(rows)
			b := builderOf(rows)
			if b.Len() != n {
				t.Fatalf("Len %d", b.Len())
			}
			checkAgainst(t, b, want)
			s := segmentOf(t, rows)
			if err := s.Verify(); err != nil {
				t.Fatal(err)
			}
			if s.Len() != n || s.NumPacks() != b.Packs() {
				t.Fatalf("%d rows, %d packs, want %d, %d", s.Len(), s.NumPacks(), n, b.Packs())
			}
			checkAgainst(t, s, want)
			checkRows(t, s, want)
		})
	}
}

// Rows whose IDs are anything but uniform, as a hostile client could make them,
// must be found too.
func TestSkewedIDs(t *testing.T) {
	for name, id := range map[string]func(i int) ID{
		"ascending":   func(i int) ID { return ID{0, 0, 0, 0, 0, 0, byte(i >> 8), byte(i)} },
		"same prefix": func(i int) ID { return ID{1, 2, 3, 4, 5, 6, 7, 8, 9, 30: byte(i >> 8), 31: byte(i)} },
		"two heaps": func(i int) ID {
			id := testID(i)
			for j := range 6 {
				id[j] = byte(-(i & 1))
			}
			return id
		},
		"exponential": func(i int) (id ID) {
			id[i%32] = byte(1 + i/32)
			return id
		},
	} {
		t.Run(name, func(t *testing.T) {
			rows := testRows(3000, 7)
			for i := range rows {
				rows[i].id = id(i)
			}
			s := segmentOf(t, rows)
			if err := s.Verify(); err != nil {
				t.Fatal(err)
			}
			checkAgainst(t, s, model(rows))
		})
	}
}

// Two clients that store the same must write the same bytes.
func TestBytesDependOnRowsOnly(t *testing.T) {
	rows := testRows(500, 3)
	want := bytesOf(t, builderOf(rows))
	b := builderOf(nil)
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 2))
		rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		b.Reset()
		for _, r := range rows {
			b.Add(r.id, b.AddPack(testPack(r.pack)), r.offset, r.length, r.frame, r.blob)
		}
		if !bytes.Equal(bytesOf(t, b), want) {
			t.Fatal("the order of the rows changes the segment")
		}
		if !bytes.Equal(bytesOf(t, b), want) {
			t.Fatal("writing a second time changes the segment")
		}
	}
}

func TestIdenticalRowsAreWrittenOnce(t *testing.T) {
	rows := testRows(100, 4)
	s := segmentOf(t, slices.Concat(rows, rows[20:40]))
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
	if s.Len() != 100 {
		t.Fatalf("%d rows", s.Len())
	}
}

func TestResetForgets(t *testing.T) {
	b := builderOf(testRows(5000, 5))
	b.Add(testID(0), 1<<23, 0, 0, 0, 0) // fails
	b.Reset()
	if b.Len() != 0 || b.Packs() != 0 || len(lookup(b, testID(0))) != 0 {
		t.Fatal("rows left")
	}
	if !bytes.Equal(bytesOf(t, b), bytesOf(t, NewBuilder())) {
		t.Fatal("not as new")
	}
}

// A row that does not fit must not be cut to fit: it would point elsewhere.
func TestLimits(t *testing.T) {
	p, s := testPack(0)
	for name, add := range map[string]func(b *Builder){
		"length":        func(b *Builder) { b.Add(ID{}, b.AddPack(p, s), 0, maxLength, 0, 0) },
		"unknown pack":  func(b *Builder) { b.Add(ID{}, 1+b.AddPack(p, s), 0, 1, 0, 0) },
		"encapsulation": func(b *Builder) { b.AddPack(p, Session{Encapsulation: make([]byte, maxEncapsulation+1)}) },
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBuilder()
			add(b)
			if _, err := b.WriteTo(&bytes.Buffer{}); !errors.Is(err, ErrLimit) {
				t.Fatalf("%v", err)
			}
			if b.Len() != 0 {
				t.Fatal("the row is there")
			}
		})
	}
	b := NewBuilder()
	b.Add(ID{}, b.AddPack(p, s), 1<<32-1, maxLength-1, 1<<16-1, 1<<16-1)
	seg, err := Parse(bytesOf(t, b))
	if err != nil {
		t.Fatal(err)
	}
	want := []Location{{Pack: p.ID, Kind: p.Kind, Offset: 1<<32 - 1, Length: maxLength - 1, Frame: 1<<16 - 1, Blob: 1<<16 - 1}}
	if got := lookup(seg, ID{}); !slices.Equal(got, want) {
		t.Fatalf("%v", got)
	}
}

func TestPacksAreRegisteredOnce(t *testing.T) {
	b := NewBuilder()
	p, s := testPack(5)
	first := b.AddPack(p, s)
	s.Encapsulation = bytes.Clone(s.Encapsulation)
	if again := b.AddPack(p, s); again != first || b.Packs() != 1 {
		t.Fatalf("%d, then %d; %d packs", first, again, b.Packs())
	}
	s.Encapsulation[0]++ // the builder must hold a copy
	seg, err := Parse(bytesOf(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := seg.Session(s.ID); !ok || got.Encapsulation[0] != s.Encapsulation[0]-1 || got.Epoch != s.Epoch {
		t.Fatalf("%v %v", got, ok)
	}
}

// A writer that fails must fail the segment, at whatever byte.
func TestWriteErrors(t *testing.T) {
	b := builderOf(testRows(4000, 6))
	size := len(bytesOf(t, b))
	for _, at := range []int{0, 1, writeSize, size - footerSize, size - 1} {
		w := &failingWriter{left: at}
		if n, err := b.WriteTo(w); !errors.Is(err, errFull) || n > int64(at) {
			t.Fatalf("at byte %d: %d, %v", at, n, err)
		}
	}
}

var errFull = errors.New("full")

type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if len(p) <= w.left {
		w.left -= len(p)
		return len(p), nil
	}
	n := w.left
	w.left = 0
	return n, errFull
}

// The bytes of a segment may not change within a version of the format.
func TestFrozenBytes(t *testing.T) {
	sum := sha256.Sum256(bytesOf(t, builderOf(testRows(1000, 42))))
	const want = "cbd0e2cfc81d07dc03861bf60ba5ae91b9f3f15b2cc5662f31a9edbee9da3d64"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Fatalf("segment of version %d now hashes to %s", version, got)
	}
}
