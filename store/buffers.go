package store

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"garret/store/pack"
)

// openPacks is how many packs may be in memory at once: one of each kind being
// filled, and one being stored.
const openPacks = 3

// packBuffers lends the memory for packs. It lies outside the garbage
// collector's heap, which would otherwise grow to twice its size, and only
// what has been touched is resident.
type packBuffers struct {
	size int
	free chan []byte

	mu  sync.Mutex
	all [][]byte
}

func newPackBuffers(packSize int) *packBuffers {
	// A pack is closed by the frame that reaches packSize; after it come
	// the directory (at most 64 Ki + a frame's blobs) and the CRC table.
	size := packSize + pack.MaxStored + 4<<20 + packSize/1000 + 32*(64<<10+pack.MaxBlobs)
	b := &packBuffers{size: size, free: make(chan []byte, openPacks)}
	for range openPacks {
		b.free <- nil // mapped at first use
	}
	return b
}

func (b *packBuffers) get(ctx context.Context) ([]byte, error) {
	var buf []byte
	select {
	case buf = <-b.free:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if buf != nil {
		return buf[:0], nil
	}
	buf, err := unix.Mmap(-1, 0, b.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("memory for a pack of %d bytes: %w", b.size, err)
	}
	// Large pages make touching it again after put cheap. Both pieces of advice
	// may be refused without harm.
	_ = unix.Madvise(buf, unix.MADV_HUGEPAGE)
	b.mu.Lock()
	b.all = append(b.all, buf)
	b.mu.Unlock()
	return buf[:0], nil
}

// put takes a buffer back that get has lent, and gives its memory back to the
// system: a pack is stored in far less time than one takes to fill, so one
// buffer of the three is idle most of the time, and would be a third of what
// the program holds.
func (b *packBuffers) put(buf []byte) {
	_ = unix.Madvise(buf[:cap(buf)], unix.MADV_DONTNEED)
	b.free <- buf[:0:cap(buf)]
}

// close unmaps everything; nothing lent may be in use.
func (b *packBuffers) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, buf := range b.all {
		_ = unix.Munmap(buf)
	}
	b.all = nil
}

// Frames' buffers are reused over all sessions, in two sizes: most frames are
// below 1 MiB, a whole chunk may have 2.
var framePools [2]sync.Pool

const smallFrame = 1<<20 + 64<<10

func frameBuffer(n int) []byte {
	class, size := 0, smallFrame
	if n > smallFrame {
		class, size = 1, 2*smallFrame
	}
	if n > size {
		return make([]byte, 0, n)
	}
	if p, ok := framePools[class].Get().(*[]byte); ok {
		return (*p)[:0]
	}
	return make([]byte, 0, size)
}

func releaseFrame(b []byte) {
	switch cap(b) {
	case smallFrame:
		framePools[0].Put(&b)
	case 2 * smallFrame:
		framePools[1].Put(&b)
	}
}
