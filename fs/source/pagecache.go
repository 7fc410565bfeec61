package source

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pageCache leaves the machine's page cache as it was before a file was read:
// programs that run beside a snapshot keep what they work with, and it is not
// replaced with files that nobody reads again until the next snapshot.
type pageCache struct {
	// cold are the ranges that were not in the cache, ascending.
	cold []extent
}

type extent struct{ start, end int64 }

const (
	pageSize = 4 << 10
	// coldGrain is the shortest range that is looked at by itself, bytes: one
	// that is partly in the cache counts as being there.
	coldGrain = 64 << 10
	// maxLooks bounds the system calls for one file; ranges that are then not
	// looked at count as being there.
	maxLooks = 512
	// maxMincore bounds what is looked at with mincore, which takes time for
	// every page whether it is there or not, bytes.
	maxMincore = 16 << 30
)

// note remembers what of the first size bytes of a file is not in the cache.
func (c *pageCache) note(fd int, size int64) {
	c.cold = c.cold[:0]
	looks := maxLooks
	c.look(fd, 0, size, &looks)
}

func (c *pageCache) look(fd int, start, end int64, looks *int) {
	if start >= end || *looks == 0 {
		return
	}
	*looks--
	n, ok := cachedPages(fd, start, end)
	switch {
	case !ok || n >= (end-start+pageSize-1)/pageSize:
	case n == 0:
		if k := len(c.cold); k > 0 && c.cold[k-1].end == start {
			c.cold[k-1].end = end
		} else {
			c.cold = append(c.cold, extent{start, end})
		}
	case end-start > coldGrain:
		middle := start + (end-start)/2/coldGrain*coldGrain
		if middle == start {
			middle += coldGrain
		}
		c.look(fd, start, middle, looks)
		c.look(fd, middle, end, looks)
	}
}

// drop takes those pages between start and end out of the cache that note has
// not seen there.
func (c *pageCache) drop(fd int, start, end int64) {
	for _, e := range c.cold {
		from, to := max(start, e.start), min(end, e.end)
		if from < to {
			unix.Fadvise(fd, from, to-from, unix.FADV_DONTNEED)
		}
	}
}

// noCachestat is set once the kernel turned out to be older than 6.5.
var noCachestat atomic.Bool

// cachedPages returns how many pages of a range of a file are in the page
// cache. Ok is false where the kernel does not tell.
func cachedPages(fd int, start, end int64) (n int64, ok bool) {
	if !noCachestat.Load() {
		var stat unix.Cachestat_t
		err := unix.Cachestat(uint(fd), &unix.CachestatRange{Off: uint64(start), Len: uint64(end - start)}, &stat, 0)
		if err == nil {
			return int64(stat.Cache), true
		}
		switch err {
		case unix.ENOSYS:
			noCachestat.Store(true)
		case unix.EPERM: // a file of somebody else's, or a container's filter that does not know the call
		default:
			return 0, false
		}
	}
	return mincorePages(fd, start, end)
}

// mincorePages is cachedPages by mincore(2). Of a file that the caller neither
// owns nor may write, the kernel says that all of it is there.
func mincorePages(fd int, start, end int64) (n int64, ok bool) {
	if end-start > maxMincore {
		return 0, false
	}
	const window = 64 << 20
	var there [window / pageSize]byte
	for ; start < end; start += window {
		size := int(min(window, end-start))
		data, err := unix.Mmap(fd, start, size, unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return 0, false
		}
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&data[0])), uintptr(size), uintptr(unsafe.Pointer(&there)))
		unix.Munmap(data)
		if errno != 0 {
			return 0, false
		}
		for _, b := range there[:(size+pageSize-1)/pageSize] {
			n += int64(b & 1)
		}
	}
	return n, true
}
