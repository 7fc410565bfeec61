package formattest

import (
	"crypto/aes"
	"crypto/cipher"
	"math/big"
	"strings"
)

// program reports whether a file of that content is cut finely.
func program(content []byte) bool {
	for _, magic := range []string{"\x7fELF", "MZ", "!<arch>\n", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe"} {
		if len(content) >= 4 && strings.HasPrefix(string(content), magic) {
			return !strings.HasPrefix(string(content), "!<arch>\ndebian")
		}
	}
	return false
}

// cuts cuts a file without holes as FORMAT.md says and returns the lengths of the chunks. A
// reader needs none of it; a writer that cuts otherwise deduplicates against
// nothing.
func (r *reader) cuts(data []byte) (lengths []uint64) {
	c := r.config.Chunker
	if c.Programs != 0 && program(data) {
		c.Min, c.Avg, c.Max = c.Programs/4, c.Programs, 4*c.Programs
	}
	if c.Algorithm == "fixed" {
		for ; len(data) > 0; data = data[min(c.Max, len(data)):] {
			lengths = append(lengths, uint64(min(c.Max, len(data))))
		}
		return lengths
	}
	spacing := uint64(1024)
	for spacing > uint64(c.Avg/8) {
		spacing /= 2
	}
	propose := fraction(1, spacing)
	likely := fraction(4*spacing, uint64(c.Avg))
	rare := fraction(spacing, 4*uint64(c.Avg))
	pivot := max(c.Min, c.Avg/16*13)

	block, err := aes.NewCipher(r.keys.gear)
	if err != nil {
		panic(err)
	}
	stream := cipher.NewCTR(block, make([]byte, 16))
	var gear [256]uint64
	for i := range gear {
		for {
			word := make([]byte, 8)
			stream.XORKeyStream(word, word)
			if gear[i] = le.Uint64(word); -gear[i] >= propose {
				break
			}
		}
	}
	decide, err := aes.NewCipher(r.keys.cut)
	if err != nil {
		panic(err)
	}
	cut := func(data []byte) int {
		if len(data) <= c.Min {
			return len(data)
		}
		var h uint64 // of 64 bytes: what is older has been shifted out
		for _, b := range data[c.Min-64 : c.Min] {
			h = 2*h + gear[b]
		}
		for at := c.Min; at < min(len(data), c.Max); at, h = at+1, 2*h+gear[data[at]] {
			if h >= propose {
				continue
			}
			out := make([]byte, 16)
			le.PutUint64(out, h)
			decide.Encrypt(out, out)
			if v := le.Uint64(out); v < rare || at >= pivot && v < likely {
				return at
			}
		}
		return min(len(data), c.Max)
	}
	for len(data) > 0 {
		n := cut(data)
		lengths, data = append(lengths, uint64(n)), data[n:]
	}
	return lengths
}

// fraction is a/b of 2^64, rounded down.
func fraction(a, b uint64) uint64 {
	n := new(big.Int).Lsh(new(big.Int).SetUint64(a), 64)
	return n.Div(n, new(big.Int).SetUint64(b)).Uint64()
}
