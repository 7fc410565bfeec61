package index

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// testID is a uniform ID, as an HMAC is.
func testID(i int) ID { return sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i))) }

func testSession(i int) Session {
	s := Session{Epoch: uint32(i % 3), Encapsulation: bytes.Repeat([]byte{byte(i)}, 40+i%5)}
	binary.BigEndian.PutUint64(s.ID[:], uint64(i)*0x9e3779b97f4a7c15)
	return s
}

// testPack is the i-th pack; its session is the i/3-th.
func testPack(i int) (Pack, Session) {
	s := testSession(i / 3)
	p := Pack{Size: uint32(1000 + i), Kind: Data + Kind(i%2)}
	copy(p.ID[:], s.ID[:])
	binary.BigEndian.PutUint64(p.ID[8:], uint64(i)*0xbf58476d1ce4e5b9)
	return p, s
}

// testRow is a row by the number of its pack.
type testRow struct {
	id             ID
	pack           int
	offset, length uint32
	frame, blob    uint16
}

func (r testRow) location() Location {
	p, _ := testPack(r.pack)
	return Location{Pack: p.ID, Kind: p.Kind, Offset: r.offset, Length: r.length, Frame: r.frame, Blob: r.blob}
}

// testRows returns n rows; about one ID in eight occurs more than once.
func testRows(n int, seed uint64) []testRow {
	rng := rand.New(rand.NewPCG(seed, 1))
	rows := make([]testRow, n)
	for i := range rows {
		rows[i] = testRow{testID(i), rng.IntN(1 + n/50), rng.Uint32(), rng.Uint32N(maxLength), uint16(i), uint16(rng.Uint32())}
		if i > 0 && rng.IntN(8) == 0 {
			rows[i].id = rows[rng.IntN(i)].id
		}
	}
	return rows
}

func builderOf(rows []testRow) *Builder {
	b := NewBuilder()
	for _, r := range rows {
		b.Add(r.id, b.AddPack(testPack(r.pack)), r.offset, r.length, r.frame, r.blob)
	}
	return b
}

func bytesOf(t testing.TB, b *Builder) []byte {
	t.Helper()
	var buf bytes.Buffer
	n, err := b.WriteTo(&buf)
	if err != nil || n != int64(buf.Len()) {
		t.Fatalf("WriteTo: %d bytes of %d, %v", n, buf.Len(), err)
	}
	return buf.Bytes()
}

func segmentOf(t testing.TB, rows []testRow) *Segment {
	t.Helper()
	s, err := Parse(bytesOf(t, builderOf(rows)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func compareLocations(a, b Location) int {
	return cmp.Or(bytes.Compare(a.Pack[:], b.Pack[:]), cmp.Compare(a.Offset, b.Offset),
		cmp.Compare(a.Length, b.Length), cmp.Compare(a.Frame, b.Frame), cmp.Compare(a.Blob, b.Blob))
}

// model is what a table of the rows must answer: the distinct copies of each
// blob in order.
func model(rows []testRow) map[ID][]Location {
	m := make(map[ID][]Location)
	for _, r := range rows {
		if loc := r.location(); !slices.Contains(m[r.id], loc) {
			m[r.id] = append(m[r.id], loc)
		}
	}
	for _, locs := range m {
		slices.SortFunc(locs, compareLocations)
	}
	return m
}

type lookuper interface {
	Lookup(ID, func(Location) bool)
}

func lookup(l lookuper, id ID) []Location {
	var locs []Location
	l.Lookup(id, func(loc Location) bool {
		locs = append(locs, loc)
		return true
	})
	slices.SortFunc(locs, compareLocations)
	return locs
}

// checkAgainst compares every answer with the model, and misses around each ID.
func checkAgainst(t *testing.T, l lookuper, want map[ID][]Location) {
	t.Helper()
	for id, locs := range want {
		if got := lookup(l, id); !slices.Equal(got, locs) {
			t.Fatalf("%s: %v, want %v", id.Short(), got, locs)
		}
		for _, near := range []byte{1, 0x80} {
			for _, at := range []int{0, 7, 8, 31} {
				other := id
				other[at] ^= near
				if got := lookup(l, other); !slices.Equal(got, want[other]) {
					t.Fatalf("%s: %v, want %v", other, got, want[other])
				}
			}
		}
	}
	for _, id := range []ID{{}, ID(bytes.Repeat([]byte{0xff}, 32))} {
		if got := lookup(l, id); !slices.Equal(got, want[id]) {
			t.Fatalf("%s: %v, want %v", id, got, want[id])
		}
	}
}

// checkRows compares the iteration over all rows with the model.
func checkRows(t *testing.T, s *Segment, want map[ID][]Location) {
	t.Helper()
	got := make(map[ID][]Location)
	var last ID
	for id, loc := range s.Rows() {
		if bytes.Compare(last[:], id[:]) > 0 {
			t.Fatalf("rows out of order: %s after %s", id.Short(), last.Short())
		}
		last = id
		got[id] = append(got[id], loc)
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Fatalf("%d ids in the rows, want %d, or others", len(got), len(want))
	}
}

// reseal makes the checksum of header and footer right again after a change.
func reseal(data []byte) {
	if len(data) < headerSize+footerSize {
		return
	}
	end := data[len(data)-footerSize:]
	crc := crc32.Update(crc32.Checksum(data[:headerSize], castagnoli), castagnoli, end[:footerCRC])
	binary.LittleEndian.PutUint32(end[footerCRC:], crc)
}

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
