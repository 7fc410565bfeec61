package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"golang.org/x/sys/unix"

	"garret/chunking"
	"garret/fs/source"
	"garret/fs/tree"
)

// stream is the reading of one file in pieces.
type stream struct {
	r *reader
	e *entry
	f file
	// chunker is the one for such a file, nil before its first bytes were read.
	chunker *chunking.Chunker

	pos    uint64 // read so far, or known to be a hole
	kept   uint64 // what was read from here on may still be in the page cache
	limit  uint64 // read no further
	grown  bool   // limit has been raised once
	sparse bool
	pseudo bool
}

const (
	// readAhead is the most that one read takes, bytes: enough for a disk, and
	// still in the cache when it is hashed.
	readAhead = 1 << 20
	// maxPseudo bounds a file of a pseudo file system, some of which never
	// end, bytes.
	maxPseudo = 64 << 20
	// dropEvery is how much is read before it leaves the page cache, bytes.
	dropEvery = 8 << 20
)

func (s *stream) run(ctx context.Context) error {
	for {
		end := uint64(math.MaxInt64)
		if s.sparse && s.pos < s.limit {
			start, stop, ok := s.nextData()
			if !ok {
				break
			}
			if start > s.pos {
				if err := s.hole(ctx, start); err != nil {
					return err
				}
			}
			end = stop
		}
		more, err := s.data(ctx, end)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if s.pseudo && s.pos == maxPseudo {
		s.e.changed = ErrEndless
	}
	return nil
}

// nextData returns the data that comes next, within the limit; from the end of
// it on if there is only a hole. Ok is false when the file cannot be read.
func (s *stream) nextData() (start, end uint64, ok bool) {
	a, b, err := s.f.NextData(int64(s.pos))
	switch {
	case err == nil:
		return min(uint64(a), s.limit), uint64(b), true
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP): // knows no holes
		s.sparse = false
		return s.pos, math.MaxInt64, true
	case err != io.EOF:
		s.fail(err)
		return 0, 0, false
	}
	// A hole to the end; but of a file that was cut short, to the end it has now.
	var now source.Stat
	if err := s.f.Stat(&now); err != nil {
		s.fail(err)
		return 0, 0, false
	}
	if now.Size < s.limit {
		s.limit, s.grown = max(s.pos, now.Size), true
	}
	return s.limit, s.limit, true
}

func (s *stream) hole(ctx context.Context, end uint64) error {
	p := piece{part: tree.Part{Length: end - s.pos}}
	s.pos = end
	return s.r.send(ctx, s.e, p)
}

// fail notes an error of the file: what has been read is kept.
func (s *stream) fail(err error) {
	if s.pos == 0 {
		s.e.failed = err
	} else {
		s.e.changed = fmt.Errorf("%w: %w", ErrTruncated, err)
	}
}

// data reads, cuts and sends data up to position end. More is false at the end
// of the file, or when it cannot be read further.
func (s *stream) data(ctx context.Context, end uint64) (more bool, err error) {
	have := 0 // bytes at the ring's head that are not cut yet
	enough := s.r.max
	more = true
	for more || have > 0 {
		buf, err := s.r.ring.space(ctx, have, s.r.max)
		if err != nil {
			return false, err
		}
		stop := false // no more data for now
		for have < enough && more && !stop {
			left := s.left(end)
			if left == 0 {
				more, stop = s.pos < s.limit, true
				break
			}
			k, err := s.f.ReadAt(buf[have:min(uint64(len(buf)), uint64(have)+min(left, readAhead))], int64(s.pos))
			switch {
			case err == io.EOF:
				more = false
			case err != nil:
				s.fail(err)
				more = false
			}
			have += k
			s.pos += uint64(k)
		}
		if have == 0 {
			return more, nil
		}
		if s.pos-s.kept >= dropEvery {
			s.f.Drop(int64(s.kept), int64(s.pos))
			s.kept = s.pos
		}
		if s.chunker == nil {
			s.choose(buf[:have])
		}
		enough = s.chunker.Params().Max
		least := enough
		if !more || stop {
			least = 1 // no more will come
		}
		k, err := s.r.cut(ctx, s.e, s.chunker, buf[:have], least)
		if err != nil {
			return false, err
		}
		have -= k
		if have == 0 && stop {
			return more, nil
		}
	}
	return false, nil
}

// choose takes the chunker for the file: data, of which the last bytes were read
// just now, are its first that are to be cut.
func (s *stream) choose(data []byte) {
	s.chunker = s.r.o.Chunker
	if s.pos == uint64(len(data)) {
		s.chunker = s.chunker.For(data)
		return
	}
	// What lies before was stored by an earlier run, or is a hole.
	var head [chunking.HeadSize]byte
	if n, err := s.f.ReadAt(head[:], 0); n == len(head) && (err == nil || err == io.EOF) {
		s.chunker = s.chunker.For(head[:])
	}
}

// left returns how many bytes may be read before end. At the file's limit it
// looks once whether the file has grown: it is then read to its new end, but no
// further, or a file that is being written could go on for ever.
func (s *stream) left(end uint64) uint64 {
	if s.pos >= s.limit && !s.grown {
		var now source.Stat
		if s.f.Stat(&now) == nil && now.Size > s.limit {
			s.limit = now.Size
		}
		s.grown = true
	}
	bound := min(end, s.limit)
	return bound - min(bound, s.pos)
}
