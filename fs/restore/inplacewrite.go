package restore

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/index"
)

// Hasher tells the ID that a repository has data under.
type Hasher interface {
	ID(kind index.Kind, data []byte) index.ID
}

// A file that is changed in place is not compared any more when so many bytes
// had nothing in common with what was stored.
const strangeBytes = 64 << 20

// blockBytes is the unit in which what differs is written: a page, of which a
// part would cost as much.
const blockBytes = 4 << 10

// old returns what a file that is changed in place has where p is to be, and
// whether that is p already. It returns nil where there is nothing to compare
// with. The buffer is to be given back.
func (r *run) old(f *file, start uint64, p tree.Part) (b *[]byte, same bool) {
	if start+p.Length > f.old || f.same.Load() == 0 && f.strange.Load() >= strangeBytes {
		return nil, false
	}
	b, _ = r.buffers.Get().(*[]byte)
	if b == nil {
		b = new([]byte)
	}
	if uint64(cap(*b)) < p.Length {
		*b = make([]byte, p.Length) // less than tree.MaxBlob
	}
	*b = (*b)[:p.Length]
	if !readFull(f.fd, *b, start) {
		r.buffers.Put(b)
		return nil, false // unreadable, it may still be writable
	}
	return b, r.o.Hasher.ID(index.Data, *b) == p.ID
}

func readFull(fd int, b []byte, at uint64) bool {
	for len(b) > 0 {
		n, err := unix.Pread(fd, b, int64(at))
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return false
		}
		b, at = b[n:], at+uint64(n)
	}
	return true
}

// writeOver writes the blocks of b that differ from what is there.
func (r *run) writeOver(f *file, b, old []byte, start uint64) bool {
	differs := false
	for at, end := 0, 0; at < len(b); at = end {
		equal := func(from int) (same bool, to int) {
			to = min(len(b), from+blockBytes-int((start+uint64(from))%blockBytes))
			return bytes.Equal(b[from:to], old[from:to]), to
		}
		var same bool
		same, end = equal(at)
		for end < len(b) {
			next, to := equal(end)
			if next != same {
				break
			}
			end = to
		}
		switch {
		case same:
			r.leave(f, uint64(end-at))
		case !r.pwrite(f, b[at:end], start+uint64(at)):
			return false
		default:
			differs = differs || at == 0 && end == len(b)
		}
	}
	if differs {
		f.strange.Add(uint64(len(b)))
	}
	return true
}

// leave counts bytes that are as they were stored.
func (r *run) leave(f *file, n uint64) {
	f.same.Add(n)
	f.written.Add(n)
	r.counters.unchanged.Add(n)
	r.o.Progress.Bytes.Add(n)
}

// punch makes a hole in a file that is changed in place, or zeros where the file
// system has no holes.
func (r *run) punch(f *file, at, length uint64) bool {
	for end := min(at+length, f.old); at < end && !r.stopped(); {
		from, to := at, end // of data
		if data, err := unix.Seek(f.fd, int64(at), unix.SEEK_DATA); err == unix.ENXIO {
			return true
		} else if err == nil {
			from = min(end, uint64(data))
		}
		if hole, err := unix.Seek(f.fd, int64(from), unix.SEEK_HOLE); err == nil {
			to = min(end, uint64(hole))
		}
		if from < to && !r.clearRange(f, from, to) {
			return false
		}
		at = max(to, from)
	}
	return true
}

func (r *run) clearRange(f *file, from, to uint64) bool {
	err := unix.Fallocate(f.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(from), int64(to-from))
	if err == nil {
		return true
	}
	if err != unix.EOPNOTSUPP && err != unix.ENOSYS {
		f.writeFailed(fmt.Errorf("make a hole: %w", err))
		return false
	}
	for zeros := make([]byte, 1<<20); from < to; {
		n := min(to-from, uint64(len(zeros)))
		if !r.pwrite(f, zeros[:n], from) {
			return false
		}
		from += n
	}
	return true
}
