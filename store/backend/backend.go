package backend

import "context"

// Entry is one object in a listing.
type Entry struct {
	Name string // relative to the repository's root
	Size int64  // bytes
}

// Backend is a place a repository lies in. All methods may be called
// concurrently.
type Backend interface {
	// Location tells this place from all others, for messages and as a key
	// of local caches: an absolute path or a URL without secrets.
	Location() string

	// Put stores data under name, atomically and durably, and replaces an
	// object of that name. It does not keep data.
	Put(ctx context.Context, name string, data []byte) error

	// ReadAt reads len(p) bytes of the object from offset off on, as
	// io.ReaderAt does: fewer only together with an error, which is io.EOF
	// itself at the object's end; a full read's error is nil. An object that
	// is missing is ErrNotExist.
	ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error)

	// Size returns the object's length in bytes, or ErrNotExist.
	Size(ctx context.Context, name string) (int64, error)

	// List visits every object below the folder prefix, in subfolders too,
	// once each and in no certain order; the prefix "" is the whole
	// repository. A missing folder is empty. Objects that come or go
	// meanwhile may be visited or not. An error of visit ends the listing
	// and is returned as it is; visit may call the backend.
	List(ctx context.Context, prefix string, visit func(Entry) error) error

	// Delete removes an object, durably. ErrNotExist when there is none.
	Delete(ctx context.Context, name string) error

	// Close gives back what the backend holds; afterwards every operation
	// fails with ErrClosed. Closing again does nothing.
	Close() error
}

// Refresher is a Backend that may go on reading what a name meant a moment ago.
// After Refresh it reads what the name means now.
type Refresher interface {
	Refresh()
}
