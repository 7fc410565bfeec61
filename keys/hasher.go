package keys

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// Hasher computes blob IDs. It is not for concurrent use: each goroutine
// takes its own.
type Hasher struct {
	mac hash.Hash
	sum [sha256.Size]byte
}

// Hasher returns a hasher for the IDs of tree blobs or of data blobs. The
// kinds have keys of their own, so that a file whose content is a tree page
// never shares that page's ID.
func (k *Put) Hasher(tree bool) *Hasher {
	key := &k.shared.dataID
	if tree {
		key = &k.shared.treeID
	}
	return &Hasher{mac: hmac.New(sha256.New, key[:])}
}

// Sum returns the HMAC-SHA-256 of data. It does not allocate.
func (h *Hasher) Sum(data []byte) [32]byte {
	h.mac.Reset()
	h.mac.Write(data)
	h.mac.Sum(h.sum[:0])
	return h.sum
}
