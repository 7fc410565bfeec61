package codec

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"
)

// A frame is stored compressed only if that saves at least a 64th: less is not
// worth a decoder's time at every read.
const minGain = 64

// Compressor carries out a Method. It is not for concurrent use: each worker
// has its own, and reuses its tables.
type Compressor struct {
	method Method
	zstd   *zstd.Encoder
	zlib   *zlib.Writer // nil before its first use
	lz4    lz4.Compressor
	buf    bytes.Buffer
	// filtered is a frame after its filter.
	filtered []byte
}

// NewCompressor prepares the tables that m needs.
func NewCompressor(m Method) (*Compressor, error) {
	c := &Compressor{method: m}
	if m.Codec != Zstd {
		return c, nil
	}
	var err error
	c.zstd, err = zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(m.Level)),
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), // the AEAD tag and the blobs' HMACs say more
		zstd.WithLowerEncoderMem(true))
	return c, err
}

// Append appends the stored form of src to dst and names its codec: None
// where compression would not pay.
func (c *Compressor) Append(dst, src []byte) ([]byte, Codec, error) {
	if c.method.Codec == None || (c.method.Auto && !compressible(src)) {
		return append(dst, src...), None, nil
	}
	start := len(dst)
	payload, filter := c.filter(src)
	out, err := c.append(dst, payload)
	if err != nil {
		return dst, None, fmt.Errorf("compress with %v: %w", c.method, err)
	}
	if len(out)-start >= len(src)-len(src)/minGain {
		return append(out[:start], src...), None, nil
	}
	return out, c.method.Codec | filter, nil
}

// samples are what quick looks look at: the beginning, the middle and the end
// of what is longer than the three together.
func samples(src []byte) [3][]byte {
	const size = 16 << 10
	if len(src) <= 3*size {
		return [3][]byte{src}
	}
	middle := (len(src) - size) / 2
	return [3][]byte{src[:size], src[middle : middle+size], src[len(src)-size:]}
}

// compressible takes a quick look.
func compressible(src []byte) bool {
	// compress.Estimate's scale: close to 0 is random, above 0.1 compresses. Of
	// 1,000 samples of random bytes none was above 0.048.
	const threshold = 0.06
	for _, s := range samples(src) {
		if compress.Estimate(s) > threshold {
			return true
		}
	}
	return false
}

// filter returns src with the filter that suits it, in memory of c's, or src.
func (c *Compressor) filter(src []byte) ([]byte, Codec) {
	for _, s := range samples(src) {
		if looksLikeX86(s) {
			c.filtered = append(c.filtered[:0], src...)
			encodeX86(c.filtered)
			return c.filtered, X86
		}
	}
	return src, 0
}

func (c *Compressor) append(dst, src []byte) ([]byte, error) {
	switch c.method.Codec {
	case Zstd:
		return c.zstd.EncodeAll(src, dst), nil
	case LZ4:
		start := len(dst)
		dst = append(dst, make([]byte, lz4.CompressBlockBound(len(src)))...)
		n, err := c.lz4.CompressBlock(src, dst[start:])
		if err != nil || n == 0 { // 0: did not fit, so it did not shrink
			return append(dst[:start], src...), err
		}
		return dst[:start+n], nil
	case S2:
		start := len(dst)
		dst = slices.Grow(dst, s2.MaxEncodedLen(len(src)))
		return dst[:start+len(s2.EncodeBetter(dst[start:cap(dst)], src))], nil
	case Zlib:
		c.buf.Reset()
		var err error
		if c.zlib == nil {
			c.zlib, err = zlib.NewWriterLevel(&c.buf, c.method.Level)
		} else {
			c.zlib.Reset(&c.buf)
		}
		return c.finish(dst, src, c.zlib, err)
	case LZMA:
		c.buf.Reset()
		w, err := lzma.WriterConfig{DictCap: lzmaDict >> (levels[LZMA].max - c.method.Level), Size: int64(len(src)), SizeInHeader: true}.NewWriter(&c.buf)
		return c.finish(dst, src, w, err)
	}
	return dst, fmt.Errorf("unknown %v", c.method.Codec)
}

func (c *Compressor) finish(dst, src []byte, w io.WriteCloser, err error) ([]byte, error) {
	if err != nil {
		return dst, err
	}
	if _, err := w.Write(src); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	return append(dst, c.buf.Bytes()...), nil
}
