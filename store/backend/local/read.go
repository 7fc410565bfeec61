package local

import (
	"context"
	"io"
)

// ReadAt implements backend.Backend.
func (b *Backend) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	path, err := b.path(ctx, name)
	if err != nil {
		return 0, failed("read", name, err)
	}
	h, err := b.handles.acquire(path)
	if err != nil {
		return 0, failed("read", name, err)
	}
	defer b.handles.release(h)

	n, err := h.file.ReadAt(p, off)
	switch {
	case err == io.EOF && n == len(p):
		return n, nil // io.ReaderAt leaves open what a full read up to the end returns
	case err == io.EOF:
		return n, io.EOF
	default:
		return n, failed("read", name, err)
	}
}

// Refresh implements backend.Refresher.
func (b *Backend) Refresh() { b.handles.dropAll() }

// Size implements backend.Backend.
func (b *Backend) Size(ctx context.Context, name string) (int64, error) {
	path, err := b.path(ctx, name)
	if err != nil {
		return 0, failed("size", name, err)
	}
	info, err := b.fs.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = notObject("stat", path)
	}
	if err != nil {
		return 0, failed("size", name, err)
	}
	return info.Size(), nil
}
