// Package mem is a backend in memory, for tests of everything that works on a
// repository. Nothing in it fails; package faulty makes it fail.
package mem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"garret/store/backend"
)

// Backend is a map of objects. Its zero value is not usable; see New.
type Backend struct {
	location string

	mu      sync.RWMutex
	closed  bool
	objects map[string][]byte // values are never modified once they are here
}

var _ backend.Backend = (*Backend)(nil)

// created counts the backends of this process, to tell them apart.
var created atomic.Int64

// New returns an empty backend.
func New() *Backend {
	return &Backend{
		location: fmt.Sprintf("mem:%d", created.Add(1)),
		objects:  make(map[string][]byte),
	}
}

// Clone returns an independent, open copy of b as it is now, closed or not. It
// shares the objects' bytes with b, so it costs next to nothing.
func (b *Backend) Clone() *Backend {
	b.mu.RLock()
	defer b.mu.RUnlock()
	c := New()
	c.objects = maps.Clone(b.objects)
	return c
}

// Location implements backend.Backend.
func (b *Backend) Location() string { return b.location }

// Put implements backend.Backend.
func (b *Backend) Put(ctx context.Context, name string, data []byte) error {
	return b.change(ctx, "put", name, func() error {
		b.objects[name] = bytes.Clone(data)
		return nil
	})
}

// Delete implements backend.Backend.
func (b *Backend) Delete(ctx context.Context, name string) error {
	return b.change(ctx, "delete", name, func() error {
		if _, ok := b.objects[name]; !ok {
			return backend.ErrNotExist
		}
		delete(b.objects, name)
		return nil
	})
}

// ReadAt implements backend.Backend.
func (b *Backend) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	data, err := b.object(ctx, "read", name)
	if err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &backend.Error{Op: "read", Name: name, Err: errors.New("negative offset")}
	}
	n := copy(p, data[min(off, int64(len(data))):])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Size implements backend.Backend.
func (b *Backend) Size(ctx context.Context, name string) (int64, error) {
	data, err := b.object(ctx, "size", name)
	return int64(len(data)), err
}

// List implements backend.Backend. The order is that of the names, so that
// tests run alike each time.
func (b *Backend) List(ctx context.Context, prefix string, visit func(backend.Entry) error) error {
	entries, err := b.entries(ctx, prefix)
	if err != nil {
		return &backend.Error{Op: "list", Name: prefix, Err: err}
	}
	for _, e := range entries {
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}

// Close implements backend.Backend.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// ready returns the error that every operation has in common. Needs b.mu.
func (b *Backend) ready(ctx context.Context, nameErr error) error {
	if b.closed {
		return backend.ErrClosed
	}
	if nameErr != nil {
		return nameErr
	}
	return ctx.Err()
}

func (b *Backend) change(ctx context.Context, op, name string, do func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.ready(ctx, backend.CheckName(name))
	if err == nil {
		err = do()
	}
	if err != nil {
		return &backend.Error{Op: op, Name: name, Err: err}
	}
	return nil
}

func (b *Backend) object(ctx context.Context, op, name string) ([]byte, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.ready(ctx, backend.CheckName(name)); err != nil {
		return nil, &backend.Error{Op: op, Name: name, Err: err}
	}
	data, ok := b.objects[name]
	if !ok {
		return nil, &backend.Error{Op: op, Name: name, Err: backend.ErrNotExist}
	}
	return data, nil
}

func (b *Backend) entries(ctx context.Context, prefix string) ([]backend.Entry, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.ready(ctx, backend.CheckFolder(prefix)); err != nil {
		return nil, err
	}
	var entries []backend.Entry
	for _, name := range slices.Sorted(maps.Keys(b.objects)) {
		if backend.Inside(name, prefix) {
			entries = append(entries, backend.Entry{Name: name, Size: int64(len(b.objects[name]))})
		}
	}
	return entries, nil
}
