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
	size   int
	tokens chan struct{} // one for each buffer that may be lent

	mu   sync.Mutex
	free [][]byte // the one used last is lent first: its memory is resident
	all  [][]byte
}

func newPackBuffers(packSize int) *packBuffers {
	// A pack is closed by the frame that reaches packSize; after it come
	// the directory (at most 64 Ki + a frame's blobs) and the CRC table.
	size := packSize + pack.MaxStored + 4<<20 + packSize/1000 + 32*(64<<10+pack.MaxBlobs)
	b := &packBuffers{size: size, tokens: make(chan struct{}, openPacks)}
	for range openPacks {
		b.tokens <- struct{}{}
	}
	return b
}

func (b *packBuffers) get(ctx context.Context) ([]byte, error) {
	select {
	case <-b.tokens:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if buf := pop(&b.free); buf != nil {
		return buf, nil
	}
	buf, err := unix.Mmap(-1, 0, b.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("memory for a pack of %d bytes: %w", b.size, err)
	}
	// Large pages make touching it again after put cheap. Both pieces of advice
	// may be refused without harm.
	_ = unix.Madvise(buf, unix.MADV_HUGEPAGE)
	b.all = append(b.all, buf)
	return buf[:0], nil
}

// put takes a buffer back that get has lent.
func (b *packBuffers) put(buf []byte) {
	b.mu.Lock()
	b.free = append(b.free, buf[:0])
	b.mu.Unlock()
	b.tokens <- struct{}{}
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
// one before. Its zero value is empty. Every buffer is to be given back: the
// memory of one that is not is never used again.
//
// Buffers are cut from slabs on large pages, because touching memory for the
// first time costs 2.8 us a page of 4 KiB on some virtual machines, and a quarter
// of that on large ones.
type bufferList struct {
	mu   sync.Mutex
	free [maxBufferBits + 1 - minBufferBits]struct {
		warm [][]byte // their memory is resident
		cold [][]byte // has never been touched, or was given back to the system
	}
	idle  int                // bytes of the warm ones, at most maxIdle
	known map[*byte]struct{} // first byte of every buffer
}

const (
	minBufferBits = 14
	maxBufferBits = 24 // a stored frame has less than 16 MiB
	maxIdle       = 10 << 20
	slabBuffers   = 16
)

// get returns an empty buffer for n bytes, whose memory holds anything.
func (l *bufferList) get(n int) []byte {
	class := bufferClass(n)
	if class >= len(l.free) {
		return make([]byte, 0, n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &l.free[class]
	if b := pop(&f.warm); b != nil {
		l.idle -= cap(b)
		return b
	}
	if len(f.cold) == 0 && !l.addSlab(class) {
		return make([]byte, 0, n) // as good, and put leaves it alone
	}
	return pop(&f.cold)
}

// addSlab maps more cold buffers.
func (l *bufferList) addSlab(class int) bool {
	size := bufferSize(class)
	slab, err := unix.Mmap(-1, 0, slabBuffers*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return false
	}
	_ = unix.Madvise(slab, unix.MADV_HUGEPAGE) // may be refused without harm
	if l.known == nil {
		l.known = make(map[*byte]struct{})
	}
	for len(slab) > 0 {
		b := slab[:0:size]
		slab = slab[size:]
		l.known[unsafe.SliceData(b)] = struct{}{}
		l.free[class].cold = append(l.free[class].cold, b)
	}
	return true
}

func pop(list *[][]byte) []byte {
	last := len(*list) - 1
	if last < 0 {
		return nil
	}
	b := (*list)[last]
	(*list)[last] = nil
	*list = (*list)[:last]
	return b
}

// put takes a buffer of get back, which nobody may use any more. What append has
// put in the place of one is not taken, and is the garbage collector's.
func (l *bufferList) put(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ours := l.known[unsafe.SliceData(b)]; !ours {
		return
	}
	f := &l.free[bufferClass(cap(b))]
	l.idle += cap(b)
	f.warm = append(f.warm, b[:0])
	for l.idle > maxIdle {
		l.cool()
	}
}

// cool gives the memory of one buffer back to the system: of a size that most
// memory is idle in, so that what is in use now stays warm.
func (l *bufferList) cool() {
	class, most := 0, 0
	for i := range l.free {
		if n := len(l.free[i].warm) * bufferSize(i); n > most {
			class, most = i, n
		}
	}
	f := &l.free[class]
	b := pop(&f.warm)
	l.idle -= cap(b)
	if pages := wholePages(b[:cap(b)]); len(pages) > 0 {
		_ = unix.Madvise(pages, unix.MADV_DONTNEED)
	}
	f.cold = append(f.cold, b)
}

// wholePages returns the pages that lie in b whole. The kernel rounds lengths up:
// it would clear what somebody has lent behind b, too.
func wholePages(b []byte) []byte {
	page := unix.Getpagesize()
	before := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (page - 1)
	b = b[min(before, len(b)):]
	return b[:len(b)&^(page-1)]
}

// bufferSize is a power of two and an eighth: frames are powers of two mostly, and
// what they become may be a little more.
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
