package store

import (
	"context"
	"fmt"
	"math/bits"
	"sync"
	"unsafe"

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

// frameMemory holds frames' buffers while nobody uses them, for all sessions and
// readers. They are no garbage: a heap of megabytes that die young is collected
// all the time near its limit, and what comes after is cleared and faulted in
// anew, which takes as long as decoding it.
var frameMemory bufferList

// bufferList is a free list of buffers outside of the heap, each size twice the
// one before. Its zero value is empty. It keeps at most maxIdle bytes. Every
// buffer is to be given back: one that is not stays mapped.
type bufferList struct {
	mu     sync.Mutex
	free   [maxBufferBits + 1 - minBufferBits][][]byte
	idle   int                // bytes
	mapped map[*byte]struct{} // first byte of each that exists
}

const (
	minBufferBits = 14
	maxBufferBits = 24 // a stored frame has less than 16 MiB
	maxIdle       = 24 << 20
)

// get returns an empty buffer for n bytes, whose memory holds anything.
func (l *bufferList) get(n int) []byte {
	class := bufferClass(n)
	if class >= len(l.free) {
		return make([]byte, 0, n)
	}
	if b := l.take(class); b != nil {
		return b
	}
	b, err := unix.Mmap(-1, 0, bufferSize(class), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return make([]byte, 0, n) // as good, and put leaves it alone
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mapped == nil {
		l.mapped = make(map[*byte]struct{})
	}
	l.mapped[unsafe.SliceData(b)] = struct{}{}
	return b[:0]
}

// take returns an idle buffer, nil when there is none.
func (l *bufferList) take(class int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.free[class]
	if len(list) == 0 {
		return nil
	}
	b := list[len(list)-1]
	list[len(list)-1] = nil
	l.free[class] = list[:len(list)-1]
	l.idle -= cap(b)
	return b
}

// put takes a buffer of get back, which nobody may use any more. What append has
// put in the place of one is not taken, and is the garbage collector's.
func (l *bufferList) put(b []byte) {
	first := unsafe.SliceData(b)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ours := l.mapped[first]; !ours {
		return
	}
	if l.idle+cap(b) > maxIdle {
		delete(l.mapped, first)
		_ = unix.Munmap(b[:cap(b)])
		return
	}
	class := bufferClass(cap(b))
	l.idle += cap(b)
	l.free[class] = append(l.free[class], b[:0])
}

// bufferSize is a power of two and an eighth, whole pages: frames are powers of
// two mostly, and what they become may be a little more.
func bufferSize(class int) int { return 9 << (minBufferBits - 3 + class) }

// bufferClass is the index of the smallest size that holds n bytes.
func bufferClass(n int) int {
	class := max(0, bits.Len(uint(n))-minBufferBits-1)
	if n > bufferSize(class) {
		class++
	}
	return class
}

func frameBuffer(n int) []byte { return frameMemory.get(n) }

func releaseFrame(b []byte) { frameMemory.put(b) }
