package tree

import (
	"context"

	"garret/index"
)

// Putter stores pages. Page is valid during the call only.
type Putter interface {
	PutTree(ctx context.Context, page []byte) (index.ID, error)
}

// Loader reads blobs back. The slice must not be modified. It is what was stored
// under the ID, verified.
type Loader interface {
	Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error)
}

// Lender is a Loader that can lend a blob instead of copying it. What is lent is
// valid until giveBack is called, once.
type Lender interface {
	Borrow(ctx context.Context, kind index.Kind, id index.ID) (data []byte, giveBack func(), err error)
	// BorrowCached is Borrow, or false if that would take more than a look
	// into memory.
	BorrowCached(kind index.Kind, id index.ID) (data []byte, giveBack func(), ok bool)
}

// Borrow borrows a blob from a loader that may be a Lender.
func Borrow(ctx context.Context, l Loader, kind index.Kind, id index.ID) (data []byte, giveBack func(), err error) {
	if from, ok := l.(Lender); ok {
		return from.Borrow(ctx, kind, id)
	}
	data, err = l.Blob(ctx, kind, id)
	return data, kept, err
}

// kept gives back what is the garbage collector's.
func kept() {}
