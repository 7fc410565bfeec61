package store

import (
	"garret/index"
	"garret/keys"
	"garret/store/pack"
)

// hasher computes blob IDs, for one goroutine.
type hasher struct {
	data, tree *keys.Hasher

	// What is hashed at once.
	blobs [hashBatch][]byte
	sums  [hashBatch][32]byte
	good  []bool // of verify
}

// hashBatch is how many blobs are hashed at once: two would do, but the last of
// each batch may be alone.
const hashBatch = 64

// hasher returns one that lies about, or a new one. It may be given back to
// r.hashers.
func (r *Repository) hasher() *hasher {
	if h, ok := r.hashers.Get().(*hasher); ok {
		return h
	}
	return &hasher{data: r.keys.Hasher(false), tree: r.keys.Hasher(true)}
}

func (h *hasher) of(kind index.Kind) *keys.Hasher {
	if kind == index.Tree {
		return h.tree
	}
	return h.data
}

// id returns a blob's name. It is safe for concurrent use.
func (r *Repository) id(kind index.Kind, data []byte) index.ID {
	h := r.hasher()
	defer r.hashers.Put(h)
	return h.of(kind).Sum(data)
}

// ids sets ids[i] to the name of blobs[i]. It is safe for concurrent use.
func (r *Repository) ids(kind index.Kind, ids []index.ID, blobs [][]byte) {
	h := r.hasher()
	defer r.hashers.Put(h)
	for len(blobs) > 0 {
		n := min(len(blobs), hashBatch)
		h.of(kind).Sums(h.sums[:n], blobs[:n])
		for i, sum := range h.sums[:n] {
			ids[i] = sum
		}
		ids, blobs = ids[n:], blobs[n:]
	}
}

// verify reports for each ID that a frame should hold whether its blob there has
// that ID. What it returns is valid until the next call.
func (h *hasher) verify(kind index.Kind, f *pack.Frame, want storedFrame) (good []bool) {
	h.good = h.good[:0]
	for done := 0; done < len(want.ids); done = len(h.good) {
		batch := want.ids[done:min(len(want.ids), done+hashBatch)]
		for i := range batch {
			blob, ok := f.Blob(want.blob(done + i))
			h.blobs[i] = blob
			h.good = append(h.good, ok)
		}
		h.of(kind).Sums(h.sums[:len(batch)], h.blobs[:len(batch)])
		clear(h.blobs[:len(batch)])
		for i, id := range batch {
			h.good[done+i] = h.good[done+i] && h.sums[i] == id
		}
	}
	return h.good
}
