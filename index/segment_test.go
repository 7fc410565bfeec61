package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestTables(t *testing.T) {
	s := segmentOf(t, testRows(1000, 8))
	packs := s.Packs()
	if len(packs) != 21 || len(packs) != s.NumPacks() {
		t.Fatalf("%d packs", len(packs))
	}
	for i := range packs {
		want, session := testPack(i)
		at := slices.IndexFunc(packs, func(p Pack) bool { return p.ID == want.ID })
		if at < 0 || packs[at] != want || s.Pack(uint32(at)) != want {
			t.Fatalf("pack %d: %v", i, packs)
		}
		got, ok := s.Session(want.ID.Session())
		if !ok || compareSessions(got, session) != 0 {
			t.Fatalf("session %d: %v, want %v", i, got, session)
		}
	}
	if p := s.Pack(uint32(len(packs))); p != (Pack{}) {
		t.Fatalf("a pack too many: %v", p)
	}
	if _, ok := s.Session(SessionID{1}); ok {
		t.Fatal("an unknown session is found")
	}
	sessions := slices.Collect(s.Sessions())
	if len(sessions) != 7 || !slices.IsSortedFunc(sessions, compareSessions) {
		t.Fatalf("sessions %v", sessions)
	}
}

func TestVisitStops(t *testing.T) {
	rows := []testRow{{id: testID(1), blob: 1}, {id: testID(1), blob: 2}, {id: testID(1), blob: 3}}
	b, s := builderOf(rows), segmentOf(t, rows)
	for _, l := range []lookuper{b, s, NewSet(s)} {
		calls := 0
		l.Lookup(testID(1), func(Location) bool {
			calls++
			return calls < 2
		})
		if calls != 2 {
			t.Fatalf("%T: %d calls", l, calls)
		}
	}
	for range s.Rows() {
		break
	}
	for range s.Sessions() {
		break
	}
}

func writeFile(t testing.TB, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "segment")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenFile(t *testing.T) {
	rows := testRows(3000, 9)
	data := bytesOf(t, builderOf(rows))
	path := writeFile(t, data)
	s, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if s.Size() != int64(len(data)) {
		t.Fatalf("size %d", s.Size())
	}
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
	checkAgainst(t, s, model(rows))
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if s.Len() != 0 || len(lookup(s, rows[0].id)) != 0 || len(s.Packs()) != 0 {
		t.Fatal("a closed segment answers")
	}
	if err := s.Verify(); !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
}

func TestOpenFileErrors(t *testing.T) {
	if _, err := OpenFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if _, err := OpenFile(t.TempDir()); !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	data := bytesOf(t, builderOf(testRows(10, 1)))
	for _, n := range []int{0, 1, headerSize + footerSize, len(data) - 1} {
		if _, err := OpenFile(writeFile(t, data[:n])); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

// A cache file that is cut short while it is mapped must not end the program:
// a mount would die with it.
func TestTruncatedWhileMapped(t *testing.T) {
	rows := testRows(30000, 10)
	path := writeFile(t, bytesOf(t, builderOf(rows)))
	s, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Truncate(path, 1); err != nil {
		t.Fatal(err)
	}
	if locs := lookup(s, rows[0].id); len(locs) != 0 {
		t.Fatalf("found %v", locs)
	}
	if err := s.Err(); !errors.Is(err, ErrDamaged) {
		t.Fatalf("Err: %v", err)
	}
	if NewSet(s).Has(rows[1].id) {
		t.Fatal("Has")
	}
	for id := range s.Rows() {
		_ = id // the first page may still be there
	}
	if err := s.Verify(); !errors.Is(err, ErrDamaged) {
		t.Fatalf("Verify: %v", err)
	}
	if _, err := Merge(&bytes.Buffer{}, s); !errors.Is(err, ErrDamaged) {
		t.Fatalf("Merge: %v", err)
	}
}

// Panics of the caller's own must pass through.
func TestPanicPasses(t *testing.T) {
	s := segmentOf(t, testRows(10, 1))
	defer func() {
		if r := recover(); r != "mine" {
			t.Fatalf("recovered %v", r)
		}
	}()
	Merge(panicWriter{}, s)
}

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("mine") }

// Every bit counts: flipped, it must be noticed.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	good := bytesOf(t, builderOf(testRows(80, 11)))
	for i := range good {
		for bit := range 8 {
			data := bytes.Clone(good)
			data[i] ^= 1 << bit
			s, err := Parse(data)
			if err == nil {
				err = s.Verify()
			}
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
		}
	}
	for n := range good {
		if _, err := Parse(good[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := Parse(append(bytes.Clone(good), 0)); !errors.Is(err, ErrDamaged) {
		t.Fatalf("a byte too many: %v", err)
	}
}

func TestVersion(t *testing.T) {
	data := bytesOf(t, NewBuilder())
	binary.LittleEndian.PutUint16(data[headerVersion:], version+1)
	if _, err := Parse(data); !errors.Is(err, ErrVersion) {
		t.Fatal(err)
	}
}

// Contradictions that Parse does not look for are skipped by look-ups and found
// by Verify.
func TestContradictions(t *testing.T) {
	rows := testRows(200, 12)
	good := bytesOf(t, builderOf(rows))
	whole, err := Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	rowsAt := int(whole.head.tables())
	fanAt := rowsAt + len(whole.rows)
	first := ID(whole.rows[:rowPack])
	for name, damage := range map[string]func(data []byte){
		"row of no pack":       func(d []byte) { putUint24(d[rowsAt+rowPack:], maxPacks-1) },
		"fan-out beyond rows":  func(d []byte) { binary.LittleEndian.PutUint32(d[fanAt:], 1<<31) },
		"fan-out descending":   func(d []byte) { binary.LittleEndian.PutUint32(d[fanAt:], 150) },
		"rows exchanged":       func(d []byte) { d[rowsAt] = 0xff },
		"session beyond bytes": func(d []byte) { binary.LittleEndian.PutUint32(d[headerSize+sessionEnd:], 1<<31) },
		"pack of no session": func(d []byte) {
			binary.LittleEndian.PutUint32(d[rowsAt-len(whole.packs)+packSession:], 99)
		},
	} {
		t.Run(name, func(t *testing.T) {
			data := bytes.Clone(good)
			damage(data)
			s, err := Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			want := model(rows)
			for id := range want {
				for _, loc := range lookup(s, id) {
					if !slices.Contains(want[id], loc) {
						t.Fatalf("%s: %v out of nowhere", id.Short(), loc)
					}
				}
			}
			lookup(s, first)
			for range s.Rows() {
			}
			for range s.Sessions() {
			}
			if err := s.Verify(); !errors.Is(err, ErrDamaged) {
				t.Fatalf("Verify: %v", err)
			}
			// The same with checksums made right, as a hostile writer would.
			w := whole.head
			w.tablesCRC, w.rowsCRC, w.fanCRC = crcOf(data[:rowsAt]), crcOf(data[rowsAt:fanAt]), crcOf(data[fanAt:len(data)-footerSize])
			copy(data[len(data)-footerSize:], w.footer())
			if err := s.head.decode(data); err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(); !errors.Is(err, ErrDamaged) {
				t.Fatalf("Verify with right checksums: %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, n := range []int{0, 1, 40, 300} {
		f.Add(bytesOf(f, builderOf(testRows(n, 13))))
	}
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		reseal(data) // or nothing would get past the checksum
		s, err := Parse(data)
		if err != nil {
			if s != nil {
				t.Fatal("a segment and an error")
			}
			return
		}
		sound := s.Verify() == nil
		count := 0
		for id, loc := range s.Rows() {
			count++
			if count > 100 {
				continue // many copies of one blob would take quadratic time
			}
			if found := slices.Contains(lookup(s, id), loc); sound && !found {
				t.Fatalf("%s is not found", id)
			}
		}
		for v := range s.Sessions() {
			s.Session(v.ID)
		}
		for _, p := range s.Packs() {
			s.packsOf(p.ID)
		}
		var buf bytes.Buffer
		_, err = Merge(&buf, s)
		if !sound {
			return
		}
		if err != nil || count != s.Len() {
			t.Fatalf("a sound segment: %v; %d rows of %d", err, count, s.Len())
		}
		again, err := Parse(buf.Bytes())
		if err != nil || again.Verify() != nil || again.Len() != s.Len() {
			t.Fatalf("merged alone: %v", err)
		}
	})
}
