package object

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"garret/store/backend/mem"
)

var types = []Type{Config, KeySlot, Snapshot, Segment, Lease, Fence, Pack, Parity, Losses}

// What is written is read, for every type, and for no other type.
func TestRoundTrip(t *testing.T) {
	names := make(map[string]bool)
	for _, typ := range types {
		names[typ.String()] = true
		for _, n := range []int{0, 1, 3, 4, 5, 1 << 16} {
			body := bytes.Repeat([]byte{0xa5}, n)
			data := Finish(append(AppendHeader(nil, typ), body...))
			if len(data) != HeaderSize+n+CRCSize {
				t.Fatalf("%d bytes around %d", len(data), n)
			}
			h, got, err := Open(data, typ)
			if err != nil || !bytes.Equal(got, body) || h != (Header{Type: typ, Version: 1}) || h.Writable() != nil {
				t.Fatalf("%v of %d bytes: %+v, %v", typ, n, h, err)
			}
			for _, other := range types {
				if _, _, err := Open(data, other); other != typ && !errors.Is(err, ErrDamaged) {
					t.Errorf("a %v is taken for a %v: %v", typ, other, err)
				}
			}
		}
	}
	if len(names) != len(types) {
		t.Errorf("types share names: %v", names)
	}
}

// Whatever bit flips, and wherever it is cut, an object is damaged, never a
// newer program's: that would send the user looking for a program that there
// is not.
func TestDamage(t *testing.T) {
	data := Finish(append(AppendHeader(nil, Config), "body"...))
	for bit := range 8 * len(data) {
		bad := bytes.Clone(data)
		bad[bit/8] ^= 1 << (bit % 8)
		if _, body, err := Open(bad, Config); body != nil || !errors.Is(err, ErrDamaged) || errors.Is(err, ErrReadFeature) {
			t.Fatalf("bit %d: %q, %v", bit, body, err)
		}
	}
	for n := range data {
		if _, body, err := Open(data[:n], Config); body != nil || !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d of %d bytes: %q, %v", n, len(data), body, err)
		}
		if n < HeaderSize {
			if _, err := ParseHeader(data[:n], Config); !errors.Is(err, ErrDamaged) {
				t.Fatalf("a header of %d bytes: %v", n, err)
			}
		}
	}
}

// Another version or read feature refuses the object; a write feature is read
// past, and refuses writing.
func TestFeatures(t *testing.T) {
	for _, c := range []struct {
		name     string
		at       int
		v        byte
		read     error
		writable error
	}{
		{"as it is", 8, 0, nil, nil},
		{"version 0", 7, 0, ErrReadFeature, nil},
		{"version 2", 7, 2, ErrReadFeature, nil},
		{"lowest read feature", 8, 1, ErrReadFeature, nil},
		{"highest read feature", 11, 0x80, ErrReadFeature, nil},
		{"lowest write feature", 12, 1, nil, ErrWriteFeature},
		{"highest write feature", 15, 0x80, nil, ErrWriteFeature},
	} {
		data := AppendHeader(nil, Segment)
		data[c.at] = c.v
		h, _, err := Open(Finish(data), Segment)
		if !errors.Is(err, c.read) {
			t.Errorf("%s: read: %v", c.name, err)
		}
		if err == nil && !errors.Is(h.Writable(), c.writable) {
			t.Errorf("%s: write: %v", c.name, h.Writable())
		}
	}
}

func TestReaderAt(t *testing.T) {
	b := mem.New()
	if err := b.Put(context.Background(), "index/a", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	r := io.NewSectionReader(ReaderAt{context.Background(), b, "index/a"}, 2, 5)
	if got, err := io.ReadAll(r); string(got) != "23456" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// FuzzOpen: what opens has the parts that stand in its bytes, what does not is
// damaged or newer. The checksum is made to fit, else nothing would get past
// it.
func FuzzOpen(f *testing.F) {
	for _, typ := range types {
		f.Add(append(AppendHeader(nil, typ), "body"...), byte(typ))
	}
	f.Add([]byte("garretc\x02\x00\x00\x00\x00\x00\x00\x00\x00"), byte('c'))
	f.Add([]byte{}, byte(0))
	f.Fuzz(func(t *testing.T, data []byte, typ byte) {
		data = Finish(bytes.Clone(data))
		h, body, err := Open(data, Type(typ))
		if err != nil {
			if body != nil || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrReadFeature) {
				t.Fatalf("%q, %v", body, err)
			}
			return
		}
		again := append(AppendHeader(nil, h.Type), body...)
		copy(again[12:16], data[12:16]) // write features, which this program writes none of
		if !bytes.Equal(Finish(again), data) {
			t.Fatalf("%x is written back as %x", data, again)
		}
	})
}
