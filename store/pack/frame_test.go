package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"garret/store/codec"
)

func compressor(t testing.TB, method string) *codec.Compressor {
	t.Helper()
	m, err := codec.ParseMethod(method)
	if err != nil {
		t.Fatal(err)
	}
	c, err := codec.NewCompressor(m)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// compressible returns n bytes that differ from place to place and compress.
func compressible(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i%7)
	}
	return b
}

func same(n int, length uint32) []uint32 {
	lengths := make([]uint32, n)
	for i := range lengths {
		lengths[i] = length
	}
	return lengths
}

// A blob that does not come back from its frame is lost, whatever its size and
// however many share the frame.
func TestFrameRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name    string
		lengths []uint32
	}{
		{"one empty blob", []uint32{0}},
		{"empty blobs", same(300, 0)},
		{"one byte", []uint32{1}},
		{"uvarint of one byte", []uint32{127, 0, 127}},
		{"uvarint of two", []uint32{128, 1<<14 - 1}},
		{"uvarint of three", []uint32{1 << 14, 0, 1<<21 - 1}},
		{"uvarint of four", []uint32{1 << 21}},
		{"count of one byte", same(127, 3)},
		{"count of two", same(128, 3)},
		{"count of three", same(1<<14, 3)},
		{"most blobs", same(MaxBlobs, 1)},
		{"largest but one", []uint32{MaxRaw - 1}},
		{"largest", []uint32{MaxRaw}},
		{"largest of many", same(MaxBlobs, MaxRaw/MaxBlobs)},
	} {
		for _, method := range []string{"none", "zstd,1"} {
			t.Run(c.name+"/"+method, func(t *testing.T) {
				total := 0
				for _, l := range c.lengths {
					total += int(l)
				}
				raw := compressible(total)
				plain, err := AppendFrame([]byte("before"), compressor(t, method), raw, c.lengths)
				if err != nil {
					t.Fatal(err)
				}
				plain = plain[len("before"):]
				if bound := FrameBound(total, len(c.lengths)); len(plain) > bound {
					t.Errorf("a frame of %d bytes, more than its bound %d", len(plain), bound)
				}
				if len(plain)+overhead > MaxStored {
					t.Errorf("a frame of %d bytes cannot be stored", len(plain))
				}
				f, err := DecodeFrame(plain)
				if err != nil {
					t.Fatal(err)
				}
				if f.Len() != len(c.lengths) {
					t.Fatalf("%d blobs became %d", len(c.lengths), f.Len())
				}
				rest := raw
				for i, l := range c.lengths {
					got, ok := f.Blob(i)
					if !ok || got == nil || !bytes.Equal(got, rest[:l]) || cap(got) != len(got) {
						t.Fatalf("blob %d of %d bytes does not come back, or lets its reader write into the next", i, l)
					}
					rest = rest[l:]
				}
				for _, i := range []int{-1, f.Len()} {
					if _, ok := f.Blob(i); ok {
						t.Errorf("there is a blob %d", i)
					}
				}
			})
		}
	}
}

// What could not be read again is refused before it is sealed.
func TestAppendFrameRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		raw     int
		lengths []uint32
		err     error
	}{
		{"no blob", 0, nil, errLimit},
		{"too many blobs", 0, same(MaxBlobs+1, 0), errLimit},
		{"too much", MaxRaw + 1, []uint32{MaxRaw + 1}, errLimit},
		{"lengths too short", 10, []uint32{4, 5}, errLengths},
		{"lengths too long", 10, []uint32{4, 7}, errLengths},
		{"lengths that overflow 32 bits", 10, []uint32{1<<32 - 1, 11}, errLengths},
	} {
		got, err := AppendFrame([]byte("kept"), compressor(t, "none"), make([]byte, c.raw), c.lengths)
		if !errors.Is(err, c.err) || string(got) != "kept" {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

// frame draws a frame's plaintext by hand.
func frame(c codec.Codec, raw uint32, count uint64, lengths []uint64, payload string) []byte {
	b := []byte{byte(c), byte(raw), byte(raw >> 8), byte(raw >> 16)}
	b = binary.AppendUvarint(b, count)
	for _, l := range lengths {
		b = binary.AppendUvarint(b, l)
	}
	return append(b, payload...)
}

var badFrames = map[string][]byte{
	"nothing":                 nil,
	"four bytes":              {0, 0, 0, 0},
	"no blob":                 frame(codec.None, 0, 0, nil, ""),
	"count without lengths":   frame(codec.None, 0, 1, nil, ""),
	"count beyond the frame":  frame(codec.None, 3, 1000, []uint64{1, 1, 1}, "abc"),
	"count beyond the limit":  frame(codec.None, 0, MaxBlobs+1, make([]uint64, MaxBlobs+1), ""),
	"count of 2^63":           frame(codec.None, 3, 1<<63, []uint64{3}, "abc"),
	"count that never ends":   append([]byte{0, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 12)...),
	"raw beyond the limit":    frame(codec.None, MaxRaw+1, 1, []uint64{MaxRaw + 1}, "abc"),
	"lengths below raw":       frame(codec.None, 3, 2, []uint64{1, 1}, "abc"),
	"lengths above raw":       frame(codec.None, 3, 2, []uint64{1, 3}, "abc"),
	"lengths that wrap":       frame(codec.None, 3, 2, []uint64{1<<64 - 1, 4}, "abc"),
	"length that never ends":  append(frame(codec.None, 3, 1, nil, ""), bytes.Repeat([]byte{0xff}, 12)...),
	"payload too short":       frame(codec.None, 3, 1, []uint64{3}, "ab"),
	"payload too long":        frame(codec.None, 3, 1, []uint64{3}, "abcd"),
	"unknown codec":           frame(99, 3, 1, []uint64{3}, "abc"),
	"payload of another kind": frame(codec.Zstd, 3, 1, []uint64{3}, "abc"),
}

// A frame that contradicts itself is damaged, and costs no more memory than
// what was there justifies.
func TestDecodeFrameRefuses(t *testing.T) {
	for name, plain := range badFrames {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f, err := DecodeFrame(plain)
		runtime.ReadMemStats(&after)
		if f != nil || !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
		// 256 KiB is what lists of the most blobs take, and the decoders of
		// packages that are used for the first time.
		if name == "payload of another kind" {
			continue
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 256<<10 {
			t.Errorf("%s: %d bytes of memory for a frame of %d", name, took, len(plain))
		}
	}
}

// Every prefix of a frame, and a frame with a byte too many, is damaged.
func TestDecodeFrameCut(t *testing.T) {
	for _, method := range []string{"none", "zstd", "lz4", "s2"} {
		raw := compressible(3000)
		plain, err := AppendFrame(nil, compressor(t, method), raw, []uint32{1000, 0, 2000})
		if err != nil {
			t.Fatal(err)
		}
		for n := range plain {
			if f, err := DecodeFrame(plain[:n]); f != nil || !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s: %d of %d bytes are taken for a frame: %v", method, n, len(plain), err)
			}
		}
		if _, err := DecodeFrame(append(plain, 0)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: a byte after the frame: %v", method, err)
		}
	}
}

// FuzzDecodeFrame: no input panics or takes memory beyond the format's limits,
// and what decodes is the same when it is laid out again.
func FuzzDecodeFrame(f *testing.F) {
	for _, method := range []string{"none", "lz4", "s2", "zstd", "zlib", "lzma"} {
		plain, err := AppendFrame(nil, compressor(f, method), compressible(2000), []uint32{700, 0, 1300})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	for _, plain := range badFrames {
		if len(plain) < 1000 {
			f.Add(plain)
		}
	}
	none := compressor(f, "none")
	f.Fuzz(func(t *testing.T, plain []byte) {
		decoded, err := DecodeFrame(plain)
		if err != nil {
			if decoded != nil || !errors.Is(err, ErrDamaged) {
				t.Fatalf("%v, %v", decoded, err)
			}
			return
		}
		if decoded.Len() > len(plain) || decoded.Size() > MaxRaw+8*MaxBlobs {
			t.Fatalf("%d blobs in %d bytes of memory", decoded.Len(), decoded.Size())
		}
		var raw []byte
		var lengths []uint32
		for i := range decoded.Len() {
			blob, _ := decoded.Blob(i)
			raw = append(raw, blob...)
			lengths = append(lengths, uint32(len(blob)))
		}
		plain, err = AppendFrame(nil, none, raw, lengths)
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeFrame(plain)
		if err != nil || fmt.Sprint(again.ends) != fmt.Sprint(decoded.ends) || !bytes.Equal(again.raw, decoded.raw) {
			t.Fatalf("laid out again it is another frame: %v", err)
		}
	})
}
