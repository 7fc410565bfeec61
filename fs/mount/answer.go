package mount

import (
	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/view"
)

// maxPieces is of how many pieces an answer is written without a copy; writev(2)
// takes 1,024, and many small ones are faster copied.
const maxPieces = 64

// answer is a READ's: pieces of decoded frames, written without a copy.
type answer struct {
	loan   view.Loan // what is given back when it has been written
	pieces [][]byte
	size   int
	after  func() // called when it has been written; may be nil
}

// Size, Bytes, Done and Slices are those of fuse.ReadResult and of go-fuse's
// results that are written with writev(2).

func (a *answer) Size() int { return a.size }

func (a *answer) Bytes(buf []byte) ([]byte, fuse.Status) {
	buf = buf[:0]
	for _, p := range a.pieces {
		buf = append(buf, p...)
	}
	return buf, fuse.OK
}

func (a *answer) Slices() ([][]byte, fuse.Status) { return a.pieces, fuse.OK }

func (a *answer) Done() {
	a.loan.Return()
	if a.after != nil {
		a.after()
	}
}

var _ fuse.ReadResult = (*answer)(nil)
