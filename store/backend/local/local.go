package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"garret/store/backend"
)

// Backend is a directory of objects.
type Backend struct {
	fs      FS
	root    string // absolute
	closed  atomic.Bool
	folders folders
	handles handles
}

var (
	_ backend.Backend   = (*Backend)(nil)
	_ backend.Refresher = (*Backend)(nil)
)

// Open returns the backend in the directory path. A missing one is
// backend.ErrNotExist.
func Open(path string) (*Backend, error) { return OpenFS(OS{}, path) }

// Create makes the directory path, with its parents, and returns the backend
// in it. A directory that exists must be empty (backend.ErrNotEmpty), but for
// the lost+found of a new disk.
func Create(path string) (*Backend, error) { return CreateFS(OS{}, path) }

// OpenFS is Open on a file system of the caller's.
func OpenFS(fsys FS, path string) (*Backend, error) {
	root, err := filepath.Abs(path)
	if err != nil {
		return nil, failedRoot("open", path, err)
	}
	info, err := fsys.Stat(root)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: root, Err: syscall.ENOTDIR}
	}
	if err != nil {
		return nil, failedRoot("open", path, err)
	}
	return open(fsys, root), nil
}

// CreateFS is Create on a file system of the caller's.
func CreateFS(fsys FS, path string) (*Backend, error) {
	root, err := filepath.Abs(path)
	if err == nil {
		err = createRoot(fsys, root)
	}
	if err != nil {
		return nil, failedRoot("create", path, err)
	}
	return open(fsys, root), nil
}

func open(fsys FS, root string) *Backend {
	b := &Backend{fs: fsys, root: root}
	b.folders.init(fsys, root)
	b.handles.init(fsys)
	return b
}

// createRoot makes sure that root is an empty folder.
func createRoot(fsys FS, root string) error {
	entries, err := fsys.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return makeRoot(fsys, root)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "lost+found" {
			return fmt.Errorf("%w: it holds %q", backend.ErrNotEmpty, e.Name())
		}
	}
	// Whoever made the folder may not have synced its entry, perhaps this
	// program in a run that was interrupted here. Its parent may be another
	// user's, so that this can only be tried.
	_ = syncDir(fsys, filepath.Dir(root))
	return nil
}

// makeRoot makes the folder path and its parents, each entry durable before
// the next is made.
func makeRoot(fsys FS, path string) error {
	err := fsys.Mkdir(path)
	parent := filepath.Dir(path)
	if errors.Is(err, fs.ErrNotExist) && parent != path {
		if err := makeRoot(fsys, parent); err != nil {
			return err
		}
		err = fsys.Mkdir(path)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil // somebody else has just made it
	}
	if err != nil {
		return err
	}
	return syncDir(fsys, parent)
}

// Location returns the directory's absolute path.
func (b *Backend) Location() string { return b.root }

// Close implements backend.Backend.
func (b *Backend) Close() error {
	b.closed.Store(true)
	b.handles.close()
	return nil
}

// path checks an object's name and returns its file's path.
func (b *Backend) path(ctx context.Context, name string) (string, error) {
	if b.closed.Load() {
		return "", backend.ErrClosed
	}
	if err := backend.CheckName(name); err != nil {
		return "", err
	}
	return filepath.Join(b.root, name), ctx.Err()
}
