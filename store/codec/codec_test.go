package codec

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

var methods = []string{"none", "lz4", "s2", "zstd", "zstd,1", "zstd,19", "zlib", "zlib,1", "lzma", "auto", "auto,lz4", "auto,zstd,9"}

func samples() map[string][]byte {
	r := rand.NewChaCha8([32]byte{1})
	random := make([]byte, 700<<10)
	r.Read(random)
	text := bytes.Repeat([]byte("It is a truth universally acknowledged, that a single man "), 9000)
	mixed := append(append([]byte{}, random[:200<<10]...), text...)
	return map[string][]byte{"empty": {}, "one": {7}, "random": random, "text": text, "mixed": mixed, "zeros": make([]byte, 2<<20)}
}

// A frame that does not come back exactly is lost data, whatever the codec.
func TestRoundTrip(t *testing.T) {
	for _, name := range methods {
		m, err := ParseMethod(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCompressor(m)
		if err != nil {
			t.Fatal(err)
		}
		for sample, src := range samples() {
			prefix := []byte("before")
			out, codec, err := c.Append(prefix, src)
			if err != nil {
				t.Fatalf("%s, %s: %v", name, sample, err)
			}
			if !bytes.HasPrefix(out, prefix) {
				t.Fatalf("%s, %s: what stood in dst is gone", name, sample)
			}
			stored := out[len(prefix):]
			if len(stored) > len(src) {
				t.Errorf("%s, %s: grew from %d to %d bytes", name, sample, len(src), len(stored))
			}
			if sample == "text" && m.Codec != None && (codec != m.Codec || len(stored) > len(src)/8) {
				t.Errorf("%s: text of %d bytes is stored as %v in %d", name, len(src), codec, len(stored))
			}
			if sample == "random" && codec != None {
				t.Errorf("%s: random bytes are stored as %v", name, codec)
			}
			got := make([]byte, len(src))
			if err := Decompress(codec, got, stored); err != nil || !bytes.Equal(got, src) {
				t.Errorf("%s, %s: does not come back: %v", name, sample, err)
			}
			for _, wrong := range []int{len(src) - 1, len(src) + 1} {
				if wrong < 0 {
					continue
				}
				if err := Decompress(codec, make([]byte, wrong), stored); !errors.Is(err, ErrData) {
					t.Errorf("%s, %s: taken for %d bytes: %v", name, sample, wrong, err)
				}
			}
		}
	}
}

func TestMethods(t *testing.T) {
	for _, s := range []string{"", "zstd,0", "zstd,23", "zstd,x", "lz4,1", "gzip", "auto,", "auto,auto", "none,1"} {
		if m, err := ParseMethod(s); !errors.Is(err, ErrMethod) {
			t.Errorf("%q is taken for %v", s, m)
		}
	}
	for _, s := range methods {
		m, _ := ParseMethod(s)
		if again, err := ParseMethod(m.String()); err != nil || again != m {
			t.Errorf("%q becomes %q and then %v, %v", s, m, again, err)
		}
	}
}

func FuzzDecompress(f *testing.F) {
	for _, name := range methods {
		m, _ := ParseMethod(name)
		c, err := NewCompressor(m)
		if err != nil {
			f.Fatal(err)
		}
		out, codec, _ := c.Append(nil, bytes.Repeat([]byte("seed "), 100))
		f.Add(uint8(codec), 500, out)
	}
	f.Fuzz(func(t *testing.T, c uint8, n int, src []byte) {
		if n < 0 || n > 1<<20 {
			return
		}
		dst := make([]byte, n)
		if err := Decompress(Codec(c), dst, src); err != nil && !errors.Is(err, ErrData) {
			t.Fatal(err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	src := samples()["mixed"][:512<<10]
	for _, name := range []string{"zstd,1", "zstd", "lz4", "auto"} {
		b.Run(name, func(b *testing.B) {
			m, _ := ParseMethod(name)
			c, _ := NewCompressor(m)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _, _ = c.Append(dst[:0], src)
			}
		})
	}
}
