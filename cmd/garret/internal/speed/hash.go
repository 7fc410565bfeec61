package speed

import (
	"slices"

	"garret/chunking"
	"garret/keys"
)

// ids hashes pieces of a chunk's average size.
func (b *bench) ids(thread int) (operation, error) {
	next, h := b.frames(thread), hasher{mac: b.keys.Hasher(false)}
	return func() (int, error) {
		data := next()
		h.pieces(data)
		return len(data), nil
	}, nil
}

// hasher hashes several chunks at once, as a repository does.
type hasher struct {
	mac    *keys.Hasher
	n      int
	chunks [16][]byte
	sums   [16][32]byte
}

// add hashes a chunk, sooner or later.
func (h *hasher) add(chunk []byte) {
	h.chunks[h.n] = chunk
	if h.n++; h.n == len(h.chunks) {
		h.flush()
	}
}

func (h *hasher) flush() {
	h.mac.Sums(h.sums[:h.n], h.chunks[:h.n])
	h.n = 0
}

// pieces hashes a frame of chunks of the average size.
func (h *hasher) pieces(frame []byte) {
	for chunk := range slices.Chunk(frame, chunking.Default().Avg) {
		h.add(chunk)
	}
	h.flush()
}
