package codec

import (
	"encoding/binary"
	"math/bits"
)

// Calls and jumps of x86 (E8, E9) name their target by its distance, so that
// calls of one function all look different. As positions they are the same,
// and programs compress 4 to 6 % better. The transform is that of 7-Zip's and
// zpaq's E8E9 filter: where the fourth byte of the distance is 00 or FF, its
// lower 24 bits get the position in the frame added. It is done from the end of
// the frame and undone from its beginning, each step without a look at bytes
// that a later step of its own direction has changed.

const (
	callLength = 5 // opcode and distance
	ones       = 0x0101010101010101
	highs      = 0x80 * ones
)

// isCall reports whether what may be a call or jump stands at b[i], of which
// callLength bytes are there.
func isCall(b []byte, i int) bool {
	return b[i]&0xfe == 0xe8 && (b[i+4]+1)&0xfe == 0
}

// addPosition adds n to the low 24 bits of the distance at b[i].
func addPosition(b []byte, i int, n uint32) {
	d := b[i+1 : i+4 : i+4]
	sum := uint32(d[0]) + uint32(d[1])<<8 + uint32(d[2])<<16 + n
	d[0], d[1], d[2] = byte(sum), byte(sum>>8), byte(sum>>16)
}

// opcodes marks, by its highest bit, every byte of a word of 8 that is E8 or E9.
// It may mark one above such a byte that is not.
func opcodes(word uint64) uint64 {
	x := (word & (0xfe * ones)) ^ (0xe8 * ones)
	return (x - ones) &^ x & highs
}

// encodeX86 makes targets of distances.
func encodeX86(b []byte) {
	i := len(b) - callLength
	for ; i >= 0 && i%8 != 7; i-- {
		if isCall(b, i) {
			addPosition(b, i, uint32(i))
		}
	}
	for ; i >= 0; i -= 8 {
		// What a step changes lies above it, and may lie in its own word: each
		// mark below was made of bytes that no step so far has changed.
		for marks := opcodes(binary.LittleEndian.Uint64(b[i-7:])); marks != 0; {
			at := 7 - bits.LeadingZeros64(marks)/8
			marks &^= 0x80 << (8 * at)
			if k := i - 7 + at; isCall(b, k) {
				addPosition(b, k, uint32(k))
			}
		}
	}
}

// decodeX86 undoes encodeX86.
func decodeX86(b []byte) {
	i, last := 0, len(b)-callLength
	for i+8 <= last+1 {
		marks := opcodes(binary.LittleEndian.Uint64(b[i:]))
		if marks == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(marks) / 8
		if isCall(b, i) {
			addPosition(b, i, -uint32(i))
		}
		i++
	}
	for ; i <= last; i++ {
		if isCall(b, i) {
			addPosition(b, i, -uint32(i))
		}
	}
}

// looksLikeX86 reports whether a sample of a frame holds calls as densely as
// machine code does: once in 200 bytes at least, and not of one distance mostly,
// which is a table of numbers.
func looksLikeX86(sample []byte) bool {
	const spacing = 200
	calls, same := 0, 0
	var before uint32
	for i := 0; i+callLength <= len(sample); i++ {
		if isCall(sample, i) {
			calls++
			if d := binary.LittleEndian.Uint32(sample[i+1:]); d == before || d == 0 {
				same++
			} else {
				before = d
			}
		}
	}
	return calls > len(sample)/spacing && same < calls/2
}
