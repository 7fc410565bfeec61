package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"garret/store/codec"
	"garret/store/object"
)

// Limits of frames and packs.
const (
	MaxRaw    = 8 << 20   // bytes of all blobs of a frame together
	MaxStored = 1<<24 - 1 // bytes of a sealed frame
	MaxBlobs  = 32 << 10  // blobs of a frame
	maxFrames = 1<<16 - 1 // frames of a pack: ordinals are u16
	maxIDs    = 1 << 20   // blobs of a pack, which bounds its directory
	maxEncap  = 8 << 10   // bytes of an encapsulation; hybrid ML-KEM-768 takes 1,120
)

// The parts of frames and packs.
const (
	overhead     = 16    // of every suite's AEAD
	frameHead    = 4 + 3 // fixed part and the longest blob count
	maxLength    = 4     // longest uvarint of a blob's length up to MaxRaw
	fixedHead    = 48    // bytes of a pack's header before the encapsulation
	frameEntry   = 8     // bytes of a frame's row in the directory
	maxDirectory = overhead + frameEntry*maxFrames + 32*maxIDs
	cellSize     = 4096              // bytes covered by one CRC32C
	footer       = 32                // bytes
	magic        = "garret-pack\x00" // at the very end
)

// CellSize is how many bytes of the body one CRC32C covers.
const CellSize = 4096

// ErrDamaged is object.ErrDamaged: the bytes are not what was written.
var ErrDamaged = object.ErrDamaged

// What a caller can do wrong.
var (
	errLimit   = errors.New("beyond the format's limits")
	errLengths = errors.New("the blobs' lengths do not make the frame's")
)

// AppendFrame appends a frame's plaintext: blobs of the given lengths, lying
// one after another in raw, compressed by c.
func AppendFrame(dst []byte, c *codec.Compressor, raw []byte, lengths []uint32) ([]byte, error) {
	if len(raw) > MaxRaw || len(lengths) == 0 || len(lengths) > MaxBlobs {
		return dst, fmt.Errorf("a frame of %d bytes and %d blobs is %w", len(raw), len(lengths), errLimit)
	}
	// A frame that contradicts itself would seal well and never open again.
	sum := uint64(0)
	for _, l := range lengths {
		sum += uint64(l)
	}
	if sum != uint64(len(raw)) {
		return dst, fmt.Errorf("a frame of %d bytes for blobs of %d: %w", len(raw), sum, errLengths)
	}
	start := len(dst)
	n := len(raw)
	dst = append(dst, 0, byte(n), byte(n>>8), byte(n>>16))
	dst = binary.AppendUvarint(dst, uint64(len(lengths)))
	for _, l := range lengths {
		dst = binary.AppendUvarint(dst, uint64(l))
	}
	dst, used, err := c.Append(dst, raw)
	if err != nil {
		return dst[:start], err
	}
	dst[start] = byte(used)
	return dst, nil
}

// FrameBound is the largest plaintext of a frame of that many raw bytes and
// blobs.
func FrameBound(raw, blobs int) int { return frameHead + blobs*maxLength + raw }

// Frame is a decoded frame.
type Frame struct {
	raw  []byte
	ends []uint32 // end of each blob in raw
}

// DecodeFrame decompresses a frame's plaintext. Sizes are checked before memory
// is taken.
func DecodeFrame(plain []byte) (*Frame, error) {
	f := new(Frame)
	if err := f.Decode(plain); err != nil {
		return nil, err
	}
	return f, nil
}

// Decode is DecodeFrame into f's own memory, which is reused where it is large
// enough: blobs that were taken out of f before are overwritten. After an
// error f holds nothing of use.
func (f *Frame) Decode(plain []byte) error {
	return f.DecodeIn(plain, func(n int) []byte {
		if f.raw != nil && cap(f.raw) >= n {
			return f.raw
		}
		return make([]byte, n)
	})
}

// DecodeIn is Decode into memory that the caller gives, for so many bytes at
// least. It is asked for once, and is what Memory returns, unless the frame is
// damaged before it is needed.
func (f *Frame) DecodeIn(plain []byte, memory func(n int) []byte) error {
	if len(plain) < 5 {
		return fmt.Errorf("frame of %d bytes: %w", len(plain), ErrDamaged)
	}
	c := codec.Codec(plain[0])
	rawLen := int(plain[1]) | int(plain[2])<<8 | int(plain[3])<<16
	rest := plain[4:]
	count, n := binary.Uvarint(rest)
	// Each blob's length takes a byte at least, so count is bounded by what is there.
	if n <= 0 || count == 0 || count > MaxBlobs || count > uint64(len(rest)-n) || rawLen > MaxRaw {
		return fmt.Errorf("frame of %d blobs and %d bytes: %w", count, rawLen, ErrDamaged)
	}
	rest = rest[n:]
	f.ends = slices.Grow(f.ends[:0], int(count))[:count]
	end := uint64(0)
	for i := range f.ends {
		l, n := binary.Uvarint(rest)
		if n <= 0 || l > uint64(rawLen)-end {
			return fmt.Errorf("frame's blob lengths: %w", ErrDamaged)
		}
		rest = rest[n:]
		end += l
		f.ends[i] = uint32(end)
	}
	if end != uint64(rawLen) {
		return fmt.Errorf("frame's blobs are %d bytes, not %d: %w", end, rawLen, ErrDamaged)
	}
	f.raw = memory(rawLen + codec.Slack)[:rawLen]
	if err := codec.Decompress(c, f.raw, rest); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// Len returns the number of blobs.
func (f *Frame) Len() int { return len(f.ends) }

// Memory returns what the blobs lie in.
func (f *Frame) Memory() []byte { return f.raw }

// Size returns the bytes of memory that the frame takes.
func (f *Frame) Size() int { return cap(f.raw) + 4*cap(f.ends) }

// Blob returns the plaintext of the i-th blob, which must not be modified.
func (f *Frame) Blob(i int) ([]byte, bool) {
	if i < 0 || i >= len(f.ends) {
		return nil, false
	}
	start := uint32(0)
	if i > 0 {
		start = f.ends[i-1]
	}
	return f.raw[start:f.ends[i]:f.ends[i]], true
}
