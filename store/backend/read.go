package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ReadAll returns a whole object of at most limit bytes; a larger one is
// ErrTooLarge, and no memory is taken for it.
func ReadAll(ctx context.Context, b Backend, name string, limit int64) ([]byte, error) {
	size, err := b.Size(ctx, name)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, &Error{"read", name, fmt.Errorf("%w: %d bytes, at most %d are expected", ErrTooLarge, size, limit)}
	}
	data := make([]byte, size)
	if _, err := b.ReadAt(ctx, name, data, 0); errors.Is(err, io.EOF) {
		// Replaced by a shorter one, or cut off behind the backend's back.
		return nil, &Error{"read", name, io.ErrUnexpectedEOF}
	} else if err != nil {
		return nil, err
	}
	return data, nil
}

// List returns the objects below the folder prefix in a slice.
func List(ctx context.Context, b Backend, prefix string) ([]Entry, error) {
	var entries []Entry
	err := b.List(ctx, prefix, func(e Entry) error {
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}
