package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"
)

// ErrData means that a payload does not decompress to what its frame says.
var ErrData = errors.New("compressed data is invalid")

// lzmaDict is the dictionary of the lzma codec; a header that asks for more is
// refused before memory is taken.
const lzmaDict = 8 << 20

// maxZstdMemory bounds what a frame's header may make the decoder take.
const maxZstdMemory = 32 << 20

// zstdDecoder is stateless through DecodeAll and safe for concurrent use.
var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxZstdMemory),
		zstd.WithDecodeAllCapLimit(true))
})

// Slack is how many bytes of capacity behind what Decompress fills let it decode a
// tenth faster: the zstd decoder then copies matches in whole words.
const Slack = 32

// Decompress fills dst, whose length is the raw length that the frame states.
// Anything but exactly that many bytes is ErrData. With None it copies. It may
// overwrite [Slack] bytes behind dst, as far as its capacity goes.
func Decompress(c Codec, dst, src []byte) error {
	filter := c & filters
	n, err := decompress(c&^filters, dst, src)
	if filter > X86 {
		err = errors.New("unknown filter")
	}
	if err != nil {
		return fmt.Errorf("%w: %v: %w", ErrData, c, err)
	}
	if n != len(dst) {
		return fmt.Errorf("%w: %v gave %d bytes, not %d", ErrData, c, n, len(dst))
	}
	if filter == X86 {
		decodeX86(dst)
	}
	return nil
}

func decompress(c Codec, dst, src []byte) (int, error) {
	switch c {
	case None:
		if len(src) != len(dst) {
			return len(src), nil
		}
		return copy(dst, src), nil
	case Zstd:
		d, err := zstdDecoder()
		if err != nil {
			return 0, err
		}
		out, err := d.DecodeAll(src, dst[:0:min(cap(dst), len(dst)+Slack)])
		if err == nil && len(out) > 0 && len(out) == len(dst) && &out[0] != &dst[0] {
			copy(dst, out) // the decoder is free to move what it appends to
		}
		return len(out), err
	case LZ4:
		return lz4.UncompressBlock(src, dst)
	case S2:
		n, err := s2.DecodedLen(src)
		if err != nil || n != len(dst) {
			return n, err
		}
		out, err := s2.Decode(dst, src)
		return len(out), err
	case Zlib:
		r, err := zlib.NewReader(bytes.NewReader(src))
		if err != nil {
			return 0, err
		}
		return readExactly(r, dst)
	case LZMA:
		// Bytes 1-4 of the header are the dictionary's size.
		if len(src) < lzma.HeaderLen {
			return 0, io.ErrUnexpectedEOF
		}
		if dict := uint32(src[1]) | uint32(src[2])<<8 | uint32(src[3])<<16 | uint32(src[4])<<24; dict > lzmaDict {
			return 0, fmt.Errorf("a dictionary of %d bytes", dict)
		}
		r, err := lzma.ReaderConfig{DictCap: lzmaDict}.NewReader(bytes.NewReader(src))
		if err != nil {
			return 0, err
		}
		return readExactly(r, dst)
	}
	return 0, fmt.Errorf("unknown %v", c)
}

// readExactly fills dst and makes sure that nothing follows.
func readExactly(r io.Reader, dst []byte) (int, error) {
	n, err := io.ReadFull(r, dst)
	if err != nil {
		return n, err
	}
	var more [1]byte
	switch m, err := r.Read(more[:]); {
	case m > 0:
		return n + m, nil
	case err == io.EOF || err == nil:
		return n, nil
	default:
		return n, err
	}
}
