package store

import "garret/index"

// ID returns a blob's name: what Session.ID says of it. It is safe for
// concurrent use.
func (r *Reader) ID(kind index.Kind, data []byte) index.ID {
	h := r.hashers.Get().(*hasher)
	defer r.hashers.Put(h)
	if kind == index.Tree {
		return h.tree.Sum(data)
	}
	return h.data.Sum(data)
}
