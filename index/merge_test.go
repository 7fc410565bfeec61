package index

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func merge(t *testing.T, segs ...*Segment) *Segment {
	t.Helper()
	var buf bytes.Buffer
	n, err := Merge(&buf, segs...)
	if err != nil || n != int64(buf.Len()) {
		t.Fatalf("Merge: %d bytes of %d, %v", n, buf.Len(), err)
	}
	s, err := Parse(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
	return s
}

// Merging the local copies of segments must neither lose a copy of a blob nor
// invent one.
func TestMergeIsUnion(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100, 5000} {
		for _, parts := range []int{0, 1, 2, 3, 7} {
			if n > 0 && parts == 0 {
				continue
			}
			t.Run(fmt.Sprintf("%d in %d", n, parts), func(t *testing.T) {
				rows := testRows(n, 20)
				var segs []*Segment
				for p := range parts {
					var part []testRow
					for i, r := range rows {
						// Every fifth row is in two segments.
						if i%parts == p || i%5 == 0 && (i+1)%parts == p {
							part = append(part, r)
						}
					}
					segs = append(segs, segmentOf(t, part))
				}
				s := merge(t, segs...)
				if s.Len() != n {
					t.Fatalf("%d rows", s.Len())
				}
				checkAgainst(t, s, model(rows))
				checkRows(t, s, model(rows))
				slices.Reverse(segs)
				if !bytes.Equal(merge(t, segs...).data, s.data) {
					t.Fatal("the order of the segments changes the bytes")
				}
			})
		}
	}
}

func TestMergeAlone(t *testing.T) {
	s := segmentOf(t, testRows(1000, 21))
	if !bytes.Equal(merge(t, s).data, s.data) {
		t.Fatal("merged alone, a segment changes")
	}
}

// Two segments that say different things about one pack, one of them perhaps to
// do harm: neither claim may replace the other.
func TestMergeKeepsContradictions(t *testing.T) {
	p, session := testPack(0)
	lie := p
	lie.Size++
	other := session
	other.Encapsulation = []byte("not it")
	var segs []*Segment
	for _, v := range []struct {
		Pack
		Session
	}{{p, session}, {lie, session}, {p, other}} {
		b := NewBuilder()
		b.Add(testID(0), b.AddPack(v.Pack, v.Session), 1, 2, 3, 4)
		s, err := Parse(bytesOf(t, b))
		if err != nil {
			t.Fatal(err)
		}
		segs = append(segs, s)
	}
	s := merge(t, segs...)
	if s.NumPacks() != 3 || s.Len() != 3 || len(slices.Collect(s.Sessions())) != 2 {
		t.Fatalf("packs %v, %d rows", s.Packs(), s.Len())
	}
	x := NewSet(s)
	x.Restrict(func(q Pack) bool { return q == p })
	if !x.Has(testID(0)) || !x.Usable(p.ID) {
		t.Fatal("the true claim is lost")
	}
}

func TestMergeRefusesDamage(t *testing.T) {
	good := segmentOf(t, testRows(100, 22))
	for name, damage := range map[string]func(s *Segment){
		"order":   func(s *Segment) { s.rows[0] = 0xff },
		"pack":    func(s *Segment) { putUint24(s.rows[5*rowSize+rowPack:], 77) },
		"session": func(s *Segment) { s.packs[packSession] = 9 },
		"bounds":  func(s *Segment) { s.sessions[sessionEnd+3] = 9 },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Parse(bytes.Clone(good.data))
			if err != nil {
				t.Fatal(err)
			}
			damage(s)
			if _, err := Merge(&bytes.Buffer{}, good, s); !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
		})
	}
	if _, err := Merge(&failingWriter{left: 1000}, good); !errors.Is(err, errFull) {
		t.Fatal(err)
	}
}
