package object

import (
	"context"

	"garret/store/backend"
)

// ReaderAt is one object of a backend as an io.ReaderAt.
type ReaderAt struct {
	Ctx     context.Context
	Backend backend.Backend
	Name    string
}

// ReadAt reads from the object.
func (r ReaderAt) ReadAt(p []byte, off int64) (int, error) {
	return r.Backend.ReadAt(r.Ctx, r.Name, p, off)
}
