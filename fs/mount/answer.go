package mount

import "garret/fs/view"

// maxPieces is of how many pieces an answer is written without a copy; writev(2)
// takes 1,024, and many small ones are faster copied.
const maxPieces = 64

// answer is a READ's: pieces of decoded frames, written without a copy.
type answer struct {
	loan   view.Loan // what is given back when it has been written
	pieces [][]byte
	size   int
	after  func() // to be called when it has been written; may be nil
}
