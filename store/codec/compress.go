package codec

import (
	"bytes"
	"fmt"
	"io"

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
	lz4    lz4.Compressor
	buf    bytes.Buffer
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
	out, err := c.append(dst, src)
	if err != nil {
		return dst, None, fmt.Errorf("compress with %v: %w", c.method, err)
	}
	if len(out)-start >= len(src)-len(src)/minGain {
		return append(out[:start], src...), None, nil
	}
	return out, c.method.Codec, nil
}

// compressible takes a quick look: the beginning, the middle and the end of
// what is longer than the three together.
func compressible(src []byte) bool {
	const sample = 16 << 10
	// compress.Estimate's scale: close to 0 is random, above 0.1 compresses. Of
	// 1,000 samples of random bytes none was above 0.048.
	const threshold = 0.06
	if len(src) <= 3*sample {
		return compress.Estimate(src) > threshold
	}
	for _, at := range []int{0, (len(src) - sample) / 2, len(src) - sample} {
		if compress.Estimate(src[at:at+sample]) > threshold {
			return true
		}
	}
	return false
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
		return append(dst, s2.EncodeBetter(nil, src)...), nil
	case Zlib:
		c.buf.Reset()
		w, err := zlib.NewWriterLevel(&c.buf, c.method.Level)
		return c.finish(dst, src, w, err)
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
