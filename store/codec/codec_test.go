package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

var methods = []string{"none", "lz4", "s2", "zstd", "zstd,1", "zstd,19", "zlib", "zlib,1", "lzma", "auto", "auto,lz4", "auto,zstd,9"}

var samplesOf = makeSamples()

func makeSamples() map[string][]byte {
	r := rand.NewChaCha8([32]byte{1})
	random := make([]byte, 700<<10)
	r.Read(random)
	text := bytes.Repeat([]byte("It is a truth universally acknowledged, that a single man "), 9000)
	mixed := append(append([]byte{}, random[:200<<10]...), text...)
	return map[string][]byte{"empty": {}, "one": {7}, "random": random, "text": text, "mixed": mixed, "zeros": make([]byte, 2<<20), "code": machineCode(300 << 10)}
}

// machineCode makes n bytes of what a compiler may give: calls of 50 functions,
// all over, between some other instructions.
func machineCode(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var code []byte
	for len(code) < n {
		for range r.IntN(20) {
			code = append(code, "\x48\x8b\x44\x24\x18\x90\x0f\x31\xc0\x5d"[r.IntN(10)])
		}
		target, from := r.IntN(50)*n/50, len(code)
		code = append(code, 0xe8)
		code = binary.LittleEndian.AppendUint32(code, uint32(target-from))
	}
	return code[:n]
}

// The filter is found for what it is for, pays there, and leaves numbers alone.
func TestFilter(t *testing.T) {
	c, err := NewCompressor(Default)
	if err != nil {
		t.Fatal(err)
	}
	code := machineCode(512 << 10)
	out, used, err := c.Append(nil, code)
	if err != nil || used != Zstd|X86 {
		t.Fatalf("machine code is stored as %v, %v", used, err)
	}
	plain, err := c.append(nil, code)
	if err != nil || len(out) > len(plain)*4/5 {
		t.Errorf("machine code takes %d bytes with the filter, %d without", len(out), len(plain))
	}
	var numbers []byte
	for i := range 50_000 {
		numbers = binary.LittleEndian.AppendUint32(numbers, uint32(0xe8+i%3*0x100))
	}
	for _, data := range [][]byte{numbers, samplesOf["text"], samplesOf["zeros"], bytes.Repeat([]byte{0xe8, 0, 0, 0, 0}, 50_000)} {
		if _, used, err := c.Append(nil, data); err != nil || used != Zstd {
			t.Errorf("%.20q... is stored as %v, %v", data, used, err)
		}
	}
	for _, unknown := range []Codec{0x20 | Zstd, 0x30, 0xf0} {
		if err := Decompress(unknown, make([]byte, len(code)), out); !errors.Is(err, ErrData) {
			t.Errorf("%v: %v", unknown, err)
		}
	}
}

// Whatever the bytes are, and wherever calls overlap or end, the filter is
// undone exactly.
func FuzzX86(f *testing.F) {
	f.Add([]byte("\xe8\x00\x00\x00\x00"))
	f.Add([]byte("\xe8\xe8\xe8\xe8\x00\xff\xff\xe9\x00\xe8\xe8\xe8"))
	f.Add(bytes.Repeat([]byte("\xe8\xe9\x00\xff\xe8"), 40))
	r := rand.NewChaCha8([32]byte{2})
	for n := range 64 { // dense, so that steps overlap in all ways
		b := make([]byte, 100+n)
		r.Read(b)
		for i := range b {
			b[i] = "\xe8\xe9\x00\xff\xfe\xe7\xea\x01"[b[i]%8]
		}
		f.Add(b)
	}
	f.Add(machineCode(10_000))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := bytes.Clone(data)
		encodeX86(b)
		slow := bytes.Clone(data)
		for i := len(slow) - callLength; i >= 0; i-- {
			if isCall(slow, i) {
				addPosition(slow, i, uint32(i))
			}
		}
		if !bytes.Equal(b, slow) {
			t.Fatal("the fast way and the plain one differ")
		}
		if decodeX86(b); !bytes.Equal(b, data) {
			t.Fatal("it is not undone")
		}
	})
}

func BenchmarkX86(b *testing.B) {
	code := machineCode(512 << 10)
	for name, run := range map[string]func([]byte){"encode": encodeX86, "decode": decodeX86} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(code)))
			for b.Loop() {
				run(code)
			}
		})
	}
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
		for sample, src := range samplesOf {
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
			for _, behind := range []int{0, 1, Slack, 3 * Slack} {
				got := append(make([]byte, len(src), len(src)+behind), bytes.Repeat([]byte("x"), behind)...)
				if err := Decompress(codec, got[:len(src)], stored); err != nil || !bytes.Equal(got[:len(src)], src) {
					t.Errorf("%s, %s, %d bytes behind: does not come back: %v", name, sample, behind, err)
				}
				if rest := got[min(len(got), len(src)+Slack):]; len(bytes.Trim(rest, "x")) > 0 {
					t.Errorf("%s, %s: overwrites what lies behind: %q", name, sample, rest)
				}
				for _, wrong := range []int{len(src) - 1, len(src) + 1} {
					if wrong < 0 {
						continue
					}
					if err := Decompress(codec, make([]byte, wrong, wrong+behind), stored); !errors.Is(err, ErrData) {
						t.Errorf("%s, %s, %d bytes behind: taken for %d bytes: %v", name, sample, behind, wrong, err)
					}
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
		dst := append(make([]byte, n, n+2*Slack), bytes.Repeat([]byte("x"), 2*Slack)...)
		if err := Decompress(Codec(c), dst[:n], src); err != nil && !errors.Is(err, ErrData) {
			t.Fatal(err)
		}
		if rest := dst[n+Slack:]; len(bytes.Trim(rest, "x")) > 0 {
			t.Fatalf("overwrites what lies behind: %q", rest)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	src := samplesOf["mixed"][:512<<10]
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

// BenchmarkDecompress reads a frame of a program: this one.
func BenchmarkDecompress(b *testing.B) {
	path, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	src := program[1<<20 : 1<<20+512<<10]
	for _, name := range []string{"zstd,1", "zstd", "lz4"} {
		m, err := ParseMethod(name)
		if err != nil {
			b.Fatal(err)
		}
		c, err := NewCompressor(m)
		if err != nil {
			b.Fatal(err)
		}
		stored, codec, err := c.Append(nil, src)
		if err != nil {
			b.Fatal(err)
		}
		for _, slack := range []int{0, Slack} {
			b.Run(fmt.Sprintf("%s/slack=%d", name, slack), func(b *testing.B) {
				dst := make([]byte, len(src), len(src)+slack)
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					if err := Decompress(codec, dst, stored); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
