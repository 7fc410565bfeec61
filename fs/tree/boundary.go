package tree

import "garret/index"

// The size of pages. A page begins at an entry whose hash says so, when the
// page before has minEntries; with so many, one entry in 512 does, and few
// pages reach maxEntries (which would move the boundaries after them whenever
// an entry comes or goes). Pages of large entries begin to end earlier.
const (
	minEntries  = 256
	maxEntries  = 4096
	pageTarget  = 256 << 10 // bytes from which boundaries are more frequent
	pageLimit   = 1 << 20   // bytes
	oneIn       = 512
	oneInLarge  = 16
	levelStride = 0x9e3779b97f4a7c15
)

// boundary reports whether a page of that many entries and bytes ends before
// an entry with that hash, which takes next bytes.
func boundary(entries, size, next int, hash uint64, level int) bool {
	// Entries that begin a page have hashes alike, so each level mixes anew.
	hash = mix(hash + uint64(level)*levelStride)
	switch {
	case entries == 0:
		return false
	case entries >= maxEntries || size+next > pageLimit:
		return true
	case size >= pageTarget:
		return hash%oneInLarge == 0
	}
	return entries >= minEntries && hash%oneIn == 0
}

// hashName is 64-bit FNV-1a. Page boundaries are a convention of writers:
// readers accept any.
func hashName(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// hashID takes a blob ID, which is random already. A hole has none and begins
// no page of itself.
func hashID(id index.ID) uint64 {
	var h uint64
	for _, c := range id[:8] {
		h = h<<8 | uint64(c)
	}
	return h
}

// mix is the finalizer of MurmurHash3 (public domain, Austin Appleby).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
