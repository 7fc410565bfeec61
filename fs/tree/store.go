package tree

import (
	"context"

	"garret/index"
)

// Putter stores pages. Page is valid during the call only.
type Putter interface {
	PutTree(ctx context.Context, page []byte) (index.ID, error)
}

// Loader reads blobs back. The slice is shared: it must not be modified. It is
// what was stored under the ID, verified.
type Loader interface {
	Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error)
}
