package tarball

import (
	"path"
	"strconv"

	"garret/fs/tree"
)

// maxRegions bounds the map of a file with holes: its memory, and its size,
// which programs that read it bound, too (archive/tar to 1 MiB).
const maxRegions = 1 << 14

// regions are the pieces of a file that the archive holds, in order; between
// them are zeros.
type regions struct {
	list     []Range
	smallest uint64 // hole that is left out, bytes; smaller ones are zeros in the archive
}

// add adds what comes after the regions before. When there are too many, the
// smallest holes are given up.
func (r *regions) add(at, length uint64) {
	if n := len(r.list); n > 0 {
		last := &r.list[n-1]
		if gap := at - (last.Offset + last.Length); gap == 0 || gap < r.smallest {
			last.Length = at + length - last.Offset
			return
		}
	}
	r.list = append(r.list, Range{at, length})
	for len(r.list) > maxRegions {
		r.smallest = max(4096, 2*r.smallest)
		all := r.list
		r.list = r.list[:0]
		for _, piece := range all {
			r.add(piece.Offset, piece.Length)
		}
	}
}

// size is how much the regions hold, bytes.
func (r *regions) size() (sum uint64) {
	for _, piece := range r.list {
		sum += piece.Length
	}
	return sum
}

// sparseMap is what format 1.0 has in front of the regions: their number, then
// offset and length of each, in lines, padded. A file that ends in a hole has an
// empty region there, by which GNU tar gives it its size.
func (r *regions) sparseMap(size uint64) []byte {
	list := r.list
	if n := len(list); n == 0 || list[n-1].Offset+list[n-1].Length < size {
		list = append(list[:n:n], Range{Offset: size})
	}
	line := func(b []byte, n uint64) []byte { return append(strconv.AppendUint(b, n, 10), '\n') }
	b := line(nil, uint64(len(list)))
	for _, piece := range list {
		b = line(line(b, piece.Offset), piece.Length)
	}
	return pad(b)
}

// sparse makes h the header of a file with holes. Programs that do not know of
// these extract the map and the regions under a name that says so.
func (h *header) sparse(n *tree.Node) {
	h.records.add("GNU.sparse.major", "1")
	h.records.add("GNU.sparse.minor", "0")
	h.records.add("GNU.sparse.name", h.name)
	h.records.add("GNU.sparse.realsize", strconv.FormatUint(n.Size, 10))
	dir, base := path.Split(h.name)
	h.name = dir + "GNUSparseFile.0/" + base
}
