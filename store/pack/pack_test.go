package pack

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"testing"

	"garret/index"
	"garret/store/object"
)

func testAEAD(t testing.TB) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func testNonce(n uint32) (nonce [12]byte) {
	binary.BigEndian.PutUint32(nonce[8:], n)
	return nonce
}

var testHeader = Header{
	Kind: index.Tree, Suite: 1, Epoch: 7,
	Session:       index.SessionID{1, 2, 3, 4, 5, 6, 7, 8},
	Pack:          index.PackID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	Encapsulation: bytes.Repeat([]byte{0xe5}, 1120),
}

func opener(t testing.TB, h Header) Opener {
	return Opener{ID: h.Pack, Kind: h.Kind, AEAD: testAEAD(t), Nonce: testNonce}
}

// build lays out a pack of frames of those many plaintext bytes, with one blob
// more in each.
func build(t testing.TB, frames ...int) (data []byte, placed []Placed) {
	t.Helper()
	b := NewBuilder(testHeader, testAEAD(t), testNonce, nil)
	for i, n := range frames {
		var ids []index.ID
		for j := range i + 1 {
			ids = append(ids, index.ID{byte(i), byte(j)})
		}
		at, length, ordinal, err := b.Add(bytes.Repeat([]byte{byte(i)}, n), ids)
		if err != nil || int(ordinal) != i || b.Size() != int(at+length) {
			t.Fatalf("frame %d: at %d, %d long, ordinal %d, %v", i, at, length, ordinal, err)
		}
		placed = append(placed, Placed{at, length, ids})
	}
	return b.Finish(), placed
}

// readPack reads a pack from its bytes alone, as a rebuild of the index does.
func readPack(t testing.TB, data []byte) (Layout, []Placed, error) {
	t.Helper()
	h, err := ParseHeader(data)
	if err != nil {
		return Layout{}, nil, err
	}
	r := bytes.NewReader(data)
	l, err := ReadLayout(r, int64(len(data)))
	if err != nil {
		return Layout{}, nil, err
	}
	placed, err := opener(t, h).Directory(r, l, h.Len())
	return l, placed, err
}

// A pack tells where its frames and blobs are without any index, wherever the
// body ends within a cell.
func TestPackRoundTrip(t *testing.T) {
	// Sizes of a frame with which the body ends on a cell's edge.
	edge := 2*CellSize - testHeader.Len() - overhead - (overhead + frameEntry + 32)
	for _, frames := range [][]int{
		{}, {0}, {1}, {edge - 1}, {edge}, {edge + 1}, {100, 0, 5000, 3}, make([]int, 300), {1 << 20},
	} {
		data, want := build(t, frames...)
		l, got, err := readPack(t, data)
		if err != nil {
			t.Fatalf("%d frames: %v", len(frames), err)
		}
		if fmt.Sprint(got) != fmt.Sprint(append([]Placed{}, want...)) || l.Frames != len(frames) {
			t.Fatalf("%d frames: the directory says\n%v, not\n%v", len(frames), got, want)
		}
		if c := cells(l.Body); c != int64(len(l.CRCs)) || (c-1)*CellSize >= l.Body || c*CellSize < l.Body {
			t.Errorf("%d cells for %d bytes", c, l.Body)
		}
		o := opener(t, testHeader)
		for i, p := range got {
			sealed := bytes.Clone(data[p.Offset:][:p.Length])
			plain, err := o.Frame(bytes.Clone(sealed), uint16(i))
			if err != nil || !bytes.Equal(plain, bytes.Repeat([]byte{byte(i)}, frames[i])) {
				t.Fatalf("frame %d does not come back: %v", i, err)
			}
			if _, err := o.Frame(sealed, uint16(i+1)); !errors.Is(err, ErrDamaged) {
				t.Errorf("frame %d opens as the next: %v", i, err)
			}
		}
		if err := l.VerifyCells(bytes.NewReader(data), func(r Range) { t.Errorf("%v is called bad", r) }); err != nil {
			t.Fatal(err)
		}
	}
}

// The directory of a pack without frames must not open as a frame, nor a
// pack's parts in a pack of another id or kind.
func TestOpenerBindings(t *testing.T) {
	data, placed := build(t, 50)
	sealed := data[placed[0].Offset:][:placed[0].Length]
	for name, o := range map[string]Opener{
		"another pack": {ID: index.PackID{1}, Kind: testHeader.Kind, AEAD: testAEAD(t), Nonce: testNonce},
		"another kind": {ID: testHeader.Pack, Kind: index.Data, AEAD: testAEAD(t), Nonce: testNonce},
	} {
		if _, err := o.Frame(bytes.Clone(sealed), 0); !errors.Is(err, ErrDamaged) {
			t.Errorf("a frame opens in %s: %v", name, err)
		}
	}
	data, _ = build(t)
	l, _, err := readPack(t, data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opener(t, testHeader).Frame(data[l.Body-l.Directory:l.Body], 0); !errors.Is(err, ErrDamaged) {
		t.Errorf("a directory opens as a frame: %v", err)
	}
}

func TestBuilderRefuses(t *testing.T) {
	for name, add := range map[string]func(b *Builder) error{
		"no blob":        func(b *Builder) error { _, _, _, err := b.Add([]byte{1}, nil); return err },
		"too many blobs": func(b *Builder) error { _, _, _, err := b.Add([]byte{1}, make([]index.ID, MaxBlobs+1)); return err },
		"too large": func(b *Builder) error {
			_, _, _, err := b.Add(make([]byte, MaxStored-overhead+1), make([]index.ID, 1))
			return err
		},
		"too many frames": func(b *Builder) error {
			for range maxFrames {
				if _, _, _, err := b.Add(nil, make([]index.ID, 1)); err != nil {
					return fmt.Errorf("too early: %w", io.ErrUnexpectedEOF)
				}
			}
			_, _, _, err := b.Add(nil, make([]index.ID, 1))
			return err
		},
		"too many blobs in all": func(b *Builder) error {
			for range maxIDs / MaxBlobs {
				if _, _, _, err := b.Add(nil, make([]index.ID, MaxBlobs)); err != nil {
					return fmt.Errorf("too early: %w", io.ErrUnexpectedEOF)
				}
			}
			_, _, _, err := b.Add(nil, make([]index.ID, 1))
			return err
		},
	} {
		b := NewBuilder(testHeader, testAEAD(t), testNonce, nil)
		if err := add(b); !errors.Is(err, errLimit) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		// What is at the limit is still a pack that can be read.
		if _, _, err := readPack(t, b.Finish()); err != nil {
			t.Errorf("%s: the pack without it: %v", name, err)
		}
	}
}

func TestHeader(t *testing.T) {
	for _, n := range []int{0, 1, 1120, maxEncap} {
		want := testHeader
		want.Encapsulation = bytes.Repeat([]byte{7}, n)
		b := want.append(nil)
		if len(b) != want.Len() || len(b) > HeaderRead {
			t.Fatalf("%d bytes, Len says %d", len(b), want.Len())
		}
		for _, tail := range []int{0, 1, HeaderRead} {
			got, err := ParseHeader(append(bytes.Clone(b), make([]byte, tail)...))
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("encapsulation of %d: %+v, %v", n, got, err)
			}
		}
		for i := range b {
			if _, err := ParseHeader(b[:i]); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%d of %d bytes: %v", i, len(b), err)
			}
		}
	}
	for name, change := range map[string]func(*Header){
		"kind 0":             func(h *Header) { h.Kind = 0 },
		"kind 3":             func(h *Header) { h.Kind = 3 },
		"another's pack":     func(h *Header) { h.Session[0]++ },
		"long encapsulation": func(h *Header) { h.Encapsulation = make([]byte, maxEncap+1) },
	} {
		h := testHeader
		change(&h)
		if _, err := ParseHeader(h.append(nil)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := testHeader.append(nil)
	b[8] = 1 // a read feature
	if _, err := ParseHeader(b); !errors.Is(err, object.ErrReadFeature) {
		t.Errorf("an unknown read feature: %v", err)
	}
}

// Bit rot anywhere in a pack is found without a key, and in its own cell.
func TestRot(t *testing.T) {
	data, _ := build(t, 100, 9000, 20)
	l, _, err := readPack(t, data)
	if err != nil {
		t.Fatal(err)
	}
	for at := range data {
		if at%37 != 0 && int64(at) < l.Body {
			continue
		}
		rotten := bytes.Clone(data)
		rotten[at] ^= 0x10
		r := bytes.NewReader(rotten)
		l, err := ReadLayout(r, int64(len(rotten)))
		if int64(at) >= int64(len(data))-footer-4*cells(l.Body) && err == nil && int64(at) >= l.Body {
			t.Fatalf("rot in the trailer at %d is not noticed", at)
		}
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			continue
		}
		var bad []Range
		if err := l.VerifyCells(r, func(r Range) { bad = append(bad, r) }); err != nil {
			t.Fatal(err)
		}
		start := int64(at) / CellSize * CellSize
		if want := (Range{start, min(CellSize, l.Body-start)}); len(bad) != 1 || bad[0] != want {
			t.Fatalf("rot at %d: %v is bad, not %v", at, bad, want)
		}
	}
	for n := range data {
		if _, err := ReadLayout(bytes.NewReader(data[:n]), int64(n)); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d of %d bytes: %v", n, len(data), err)
		}
	}
}

// Bad cells side by side are one stretch, and what is missing at the end of a
// pack is bad though the buffer holds other bytes there.
func TestVerifyCellsStretches(t *testing.T) {
	const total = 700*CellSize + 10 // more than two windows
	data := bytes.Repeat([]byte("garret  "), total/8+1)[:total]
	l := Layout{Body: total}
	for at := 0; at < total; at += CellSize {
		l.CRCs = append(l.CRCs, crc32.Checksum(data[at:min(at+CellSize, total)], object.Castagnoli))
	}
	verify := func(data []byte) (bad []Range) {
		if err := l.VerifyCells(bytes.NewReader(data), func(r Range) { bad = append(bad, r) }); err != nil {
			t.Fatal(err)
		}
		return bad
	}
	rotten := bytes.Clone(data)
	for _, cell := range []int{0, 3, 4, 255, 256, 257, 700} {
		rotten[cell*CellSize] ^= 1
	}
	want := []Range{{0, CellSize}, {3 * CellSize, 2 * CellSize}, {255 * CellSize, 3 * CellSize}, {700 * CellSize, 10}}
	if got := verify(rotten); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v is bad, not %v", got, want)
	}
	want = []Range{{300 * CellSize, 400*CellSize + 10}}
	if got := verify(data[:300*CellSize+5]); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("cut short: %v is bad, not %v", got, want)
	}
}

// directory draws a directory's plaintext by hand.
func directory(rows [][2]uint32, ids int) []byte {
	var b []byte
	for _, r := range rows {
		b = binary.LittleEndian.AppendUint32(b, r[0])
		b = binary.LittleEndian.AppendUint32(b, r[1])
	}
	return append(b, make([]byte, 32*ids)...)
}

func TestDirectoryRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		rows [][2]uint32
		ids  int
		at   int64
		end  int64
		ok   bool
	}{
		{"as it should be", [][2]uint32{{20, 1}, {16, 2}}, 3, 100, 136, true},
		{"empty", nil, 0, 100, 100, true},
		{"ends early", [][2]uint32{{20, 1}}, 1, 100, 121, false},
		{"ends late", [][2]uint32{{22, 1}}, 1, 100, 121, false},
		{"an id too few", [][2]uint32{{20, 2}}, 1, 100, 120, false},
		{"an id too many", [][2]uint32{{20, 1}}, 2, 100, 120, false},
		{"no blob", [][2]uint32{{20, 0}}, 0, 100, 120, false},
		{"no room for a tag", [][2]uint32{{15, 1}}, 1, 100, 115, false},
		{"a frame too long", [][2]uint32{{MaxStored + 1, 1}}, 1, 0, MaxStored + 1, false},
		{"too many blobs", [][2]uint32{{20, MaxBlobs + 1}}, MaxBlobs + 1, 100, 120, false},
		{"blobs of 2^32-1", [][2]uint32{{20, 1<<32 - 1}}, 1, 100, 120, false},
	} {
		placed, err := parseDirectory(directory(c.rows, c.ids), len(c.rows), c.at, c.end)
		if (err == nil) != c.ok || err != nil && (placed != nil || !errors.Is(err, ErrDamaged)) {
			t.Errorf("%s: %v, %v", c.name, placed, err)
		}
	}
	for _, n := range []int{0, 7, 8, 39, 41} {
		if _, err := parseDirectory(make([]byte, n), 1, 0, 0); !errors.Is(err, ErrDamaged) {
			t.Errorf("a directory of %d bytes: %v", n, err)
		}
	}
}

// A trailer that asks for more than the pack holds, or than the format allows,
// costs no memory.
func TestLayoutLimits(t *testing.T) {
	const size = 1 << 20
	for _, c := range []struct {
		name              string
		body              int64
		directory, frames uint32
	}{
		{"a directory of all", 0, size, 1},
		{"a directory too short for its frames", 0, 16 + 8*3, 4},
		{"too many frames", 0, size / 2, 1 << 16},
		{"a body beyond the pack", size, 100, 1},
		{"a body of 2^63", -1 << 63, 100, 1},
		{"a body of 2^63-1", 1<<63 - 1, 100, 1},
		{"no directory", 0, 0, 0},
	} {
		body := c.body
		if body == 0 { // what goes with the size
			for body = size - footer; body+4*cells(body)+footer > size; body-- {
			}
		}
		data := make([]byte, size)
		foot := data[size-footer:]
		binary.LittleEndian.PutUint64(foot, uint64(body))
		binary.LittleEndian.PutUint32(foot[8:], c.directory)
		binary.LittleEndian.PutUint32(foot[12:], c.frames)
		copy(foot[20:], magic)
		if c.body == 0 {
			binary.LittleEndian.PutUint32(foot[16:], crc32.Checksum(data[body:size-16], object.Castagnoli))
		}
		if _, err := ReadLayout(bytes.NewReader(data), size); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, size := range []int64{-1, 0, 1 << 32, 1<<63 - 1} {
		if _, err := ReadLayout(bytes.NewReader(nil), size); !errors.Is(err, ErrDamaged) {
			t.Errorf("a pack of %d bytes: %v", size, err)
		}
	}
}
