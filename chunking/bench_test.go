package chunking

import (
	"bytes"
	"fmt"
	"testing"
)

func BenchmarkCut(b *testing.B) {
	for _, avg := range []int{64 * kib, 512 * kib, 2 * mib} {
		p := Params{Algorithm: FastCDC, Min: avg / 4, Avg: avg, Max: avg * 4}
		for name, data := range map[string][]byte{"random": random(32*mib, 1), "zeros": make([]byte, 32*mib), "period3": periodic(32*mib, 3)} {
			b.Run(fmt.Sprintf("%dKiB/%s", avg/kib, name), func(b *testing.B) {
				c := chunker(b, p)
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					for rest := data; len(rest) > 0; {
						rest = rest[c.Cut(rest):]
					}
				}
			})
		}
	}
}

// BenchmarkHash is the inner loop alone.
func BenchmarkHash(b *testing.B) {
	c := chunker(b, Default())
	data := random(2*mib, 1)
	for _, propose := range []uint64{0, c.propose} {
		b.Run(fmt.Sprintf("proposals=%v", propose > 0), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for h, at := uint64(0), 0; at < len(data); {
					h, at = c.gear.next(h, data, at, propose)
				}
			}
		})
	}
}

func BenchmarkVerdict(b *testing.B) {
	c := chunker(b, Default())
	scratch := make([]byte, 16)
	for h := uint64(0); b.Loop(); h++ {
		c.verdict(h, scratch)
	}
}

func BenchmarkSplit(b *testing.B) {
	c := chunker(b, Default())
	data := random(32*mib, 1)
	buf := make([]byte, 2*c.params.Max)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := c.Split(bytes.NewReader(data), buf, func([]byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		chunker(b, Default())
	}
}
