package compare

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// contentJob is two open files of the same size.
type contentJob struct {
	path string
	a, b int
	size int64
	// Which of them may have holes. Those of both need not be read where they
	// coincide. Asking for holes costs a round trip on a FUSE mount.
	sparseA, sparseB bool
}

const bufferBytes = 256 << 10

type buffers struct{ a, b []byte }

func newBuffers() *buffers {
	return &buffers{make([]byte, bufferBytes), make([]byte, bufferBytes)}
}

// file compares two regular files: their flags here, their content by a worker.
func (r *run) file(p pair, full, name string, a, b *unix.Stat_t) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fdA, errA := retry(func() (int, error) { return unix.Openat(p.a, name, flags, 0) })
	fdB, errB := retry(func() (int, error) { return unix.Openat(p.b, name, flags, 0) })
	j := contentJob{full, fdA, fdB, a.Size, sparse(a), sparse(b)}
	if r.failed(full, "open", errA, errB) {
		j.close()
		return
	}
	r.flags(full, fdA, fdB)
	if a.Size != b.Size {
		r.differ(full, Size, a.Size, b.Size)
		j.close()
		return
	}
	if r.o.Blocks {
		r.blocks(full, a, b)
	}
	r.jobs <- j
}

func (j contentJob) close() {
	for _, fd := range [...]int{j.a, j.b} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// content compares all bytes that are not in holes of both files.
func (r *run) content(j contentJob, buf *buffers) {
	defer j.close()
	r.files.Add(1)
	for off := int64(0); off < j.size && r.ctx.Err() == nil; {
		if j.sparseA && j.sparseB {
			off = max(off, min(seek(j.a, off, unix.SEEK_DATA, j.size), seek(j.b, off, unix.SEEK_DATA, j.size)))
			if off == j.size {
				break
			}
		}
		want := min(bufferBytes, j.size-off)
		a, errA := readAt(j.a, buf.a[:want], off)
		b, errB := readAt(j.b, buf.b[:want], off)
		r.bytes.Add(uint64(len(a)))
		if r.failed(j.path, fmt.Sprintf("read at %d", off), errA, errB) {
			return
		}
		if !bytes.Equal(a, b) {
			at := 0
			for at < len(a) && at < len(b) && a[at] == b[at] {
				at++
			}
			r.differ(j.path, Content, byteText(a, at, off), byteText(b, at, off))
			return
		}
		if int64(len(a)) < want {
			break // both were cut short meanwhile
		}
		off += want
	}
	if r.o.Holes && (j.sparseA || j.sparseB) {
		r.holes(j)
	}
}

func byteText(b []byte, at int, off int64) string {
	if at >= len(b) {
		return fmt.Sprintf("ends at %d", off+int64(at))
	}
	return fmt.Sprintf("byte %d is %#02x", off+int64(at), b[at])
}

// readAt reads until the buffer is full or the file ends.
func readAt(fd int, buf []byte, off int64) ([]byte, error) {
	n := 0
	for n < len(buf) {
		m, err := retry(func() (int, error) { return unix.Pread(fd, buf[n:], off+int64(n)) })
		if err != nil {
			return buf[:n], err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return buf[:n], nil
}

// seek finds data or a hole; where a file system does not know, all is data.
func seek(fd int, off int64, whence int, size int64) int64 {
	at, err := unix.Seek(fd, off, whence)
	switch {
	case err == nil:
		return at
	case err == unix.ENXIO:
		return size
	case whence == unix.SEEK_DATA:
		return off
	default:
		return size
	}
}

// holes compares where data and holes alternate.
func (r *run) holes(j contentJob) {
	whence := unix.SEEK_HOLE
	for off := int64(0); off < j.size && r.ctx.Err() == nil; {
		a, b := seek(j.a, off, whence, j.size), seek(j.b, off, whence, j.size)
		if a != b {
			what := "hole"
			if whence == unix.SEEK_DATA {
				what = "data"
			}
			r.differ(j.path, Holes, fmt.Sprintf("%s at %d", what, a), fmt.Sprintf("%s at %d", what, b))
			return
		}
		off = a
		whence = unix.SEEK_HOLE + unix.SEEK_DATA - whence
	}
}
