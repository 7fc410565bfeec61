package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"garret/store/object"
)

// FuzzParseHeader: what parses is written back byte for byte.
func FuzzParseHeader(f *testing.F) {
	b := testHeader.append(nil)
	f.Add(b)
	f.Add(b[:fixedHead])
	f.Add(b[:object.HeaderSize])
	f.Add([]byte("garretp\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, object.ErrReadFeature) {
				t.Fatal(err)
			}
			return
		}
		again := h.append(nil)
		copy(again[12:16], b[12:16]) // write features are for who writes
		if !bytes.Equal(again, b[:h.Len()]) {
			t.Fatalf("%x is written back as %x", b[:h.Len()], again)
		}
	})
}

// FuzzReadPack: whatever a pack says of itself in the clear, reading it gives
// parts that lie inside of it, or an error. The trailer's checksum is made to
// fit, else nothing would get past it.
func FuzzReadPack(f *testing.F) {
	for _, frames := range [][]int{{}, {1}, {100, 0, 300}} {
		data, _ := build(f, frames...)
		f.Add(data)
		f.Add(data[:len(data)-1])
	}
	f.Add(make([]byte, fixedHead+overhead+4+footer))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = fixTrailer(bytes.Clone(data))
		l, placed, err := readPack(t, data)
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, object.ErrReadFeature) {
			t.Fatal(err)
		}
		if l.Body == 0 {
			return
		}
		if l.Body > int64(len(data)) || int64(len(l.CRCs)) != cells(l.Body) || l.Directory > l.Body {
			t.Fatalf("%d bytes have the layout %+v", len(data), l)
		}
		end := int64(0)
		for _, p := range placed {
			if int64(p.Offset) < end || len(p.IDs) == 0 {
				t.Fatalf("frame at %d with %d blobs", p.Offset, len(p.IDs))
			}
			end = int64(p.Offset) + int64(p.Length)
		}
		if len(placed) > 0 && end != l.Body-l.Directory {
			t.Fatalf("frames end at %d of %+v", end, l)
		}
		at := int64(0)
		err = l.VerifyCells(bytes.NewReader(data), func(r Range) {
			if r.Offset < at || r.Length <= 0 || r.Offset+r.Length > l.Body {
				t.Fatalf("%v is bad in a body of %d", r, l.Body)
			}
			at = r.Offset + r.Length
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func fixTrailer(data []byte) []byte {
	if len(data) < footer {
		return data
	}
	foot := data[len(data)-footer:]
	copy(foot[20:], magic)
	if body := binary.LittleEndian.Uint64(foot); body <= uint64(len(data)-footer) {
		binary.LittleEndian.PutUint32(foot[16:], crc32.Checksum(data[body:len(data)-16], object.Castagnoli))
	}
	return data
}

// FuzzParseDirectory: frames lie one after another from the first to the end,
// and their blobs are all that there are.
func FuzzParseDirectory(f *testing.F) {
	f.Add(directory([][2]uint32{{20, 1}, {16, 2}}, 3), 2, int64(100), int64(136))
	f.Add(directory(nil, 0), 0, int64(48), int64(48))
	f.Add(directory([][2]uint32{{1<<32 - 1, 1<<32 - 1}}, 1), 1, int64(0), int64(1<<32))
	f.Fuzz(func(t *testing.T, plain []byte, frames int, at, end int64) {
		if frames < 0 || frames > maxFrames || at < 0 || end < at || end >= 1<<32 {
			return // ReadLayout sees to that
		}
		placed, err := parseDirectory(plain, frames, at, end)
		if err != nil {
			if placed != nil || !errors.Is(err, ErrDamaged) {
				t.Fatalf("%v, %v", placed, err)
			}
			return
		}
		blobs := 0
		for _, p := range placed {
			if int64(p.Offset) != at {
				t.Fatalf("a frame at %d, not %d", p.Offset, at)
			}
			at += int64(p.Length)
			blobs += len(p.IDs)
		}
		if at != end || len(placed) != frames || len(plain) != frameEntry*frames+32*blobs {
			t.Fatalf("%d frames end at %d with %d blobs", len(placed), at, blobs)
		}
	})
}
