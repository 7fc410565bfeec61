package chunking

import (
	"errors"
	"fmt"
	"io"
)

// ErrBuffer says that the buffer given to Split is too small.
var ErrBuffer = errors.New("buffer smaller than two chunks")

// maxEmptyReads is how often a reader may return nothing at all in a row.
const maxEmptyReads = 100

// Split cuts all that r gives and calls emit with each chunk in turn; the chunk
// is valid until emit returns. The chunks do not depend on how much each read
// returns. No data makes no chunk.
//
// buf, of which the capacity counts, is at least twice Max long ([ErrBuffer]);
// a larger one saves moving what is left of it after each cut. An error of the
// reader, other than io.EOF, or of emit ends the run at once and is returned as
// it is; a reader that returns nothing many times in a row is io.ErrNoProgress.
//
// It is the caller who asks For, knowing what lies before r.
func (c *Chunker) Split(r io.Reader, buf []byte, emit func(chunk []byte) error) error {
	buf = buf[:cap(buf)]
	if len(buf) < 2*c.params.Max {
		return fmt.Errorf("%w: %d bytes, where 2*%d are needed", ErrBuffer, len(buf), c.params.Max)
	}
	start, end := 0, 0
	for eof := false; !eof || start < end; {
		if !eof && end-start < c.params.Max {
			end = copy(buf, buf[start:end])
			start = 0
			n, err := fill(r, buf[end:])
			end += n
			switch {
			case err == io.EOF:
				eof = true
			case err != nil:
				return err
			}
		}
		for end-start >= c.params.Max || eof && start < end {
			n := c.Cut(buf[start:end])
			if err := emit(buf[start : start+n : start+n]); err != nil {
				return err
			}
			start += n
		}
	}
	return nil
}

// fill reads until buf is full or the reader ends.
func fill(r io.Reader, buf []byte) (n int, err error) {
	empty := 0
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		if k < 0 || k > len(buf)-n {
			return n, errors.New("the reader returned an impossible count")
		}
		n += k
		if k > 0 {
			empty = 0
		} else if empty++; empty == maxEmptyReads && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}
