package backendtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"garret/store/backend"
)

// testConcurrent: many at once on objects of their own, in folders that they
// share and that do not exist yet.
func testConcurrent(t *testing.T, b backend.Backend) {
	group, ctx := errgroup.WithContext(t.Context())
	for i := range 8 {
		group.Go(func() error {
			for j := range 12 {
				name := fmt.Sprintf("packs/%02d/%d", j, i)
				data := content(1000*i + j)
				if err := b.Put(ctx, name, data); err != nil {
					return err
				}
				if got, err := backend.ReadAll(ctx, b, name, 1<<20); err != nil || !bytes.Equal(got, data) {
					return fmt.Errorf("reading %q back: %d bytes of %d, %w", name, len(got), len(data), err)
				}
				if err := b.List(ctx, "packs", func(backend.Entry) error { return nil }); err != nil {
					return err
				}
				if j%3 > 0 {
					continue
				}
				if err := b.Delete(ctx, name); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if got := len(listing(t, b, "packs")); got != 8*8 {
		t.Errorf("%d objects are left, want %d", got, 8*8)
	}
}

// testAtomicReplace: while an object is replaced by others, a read sees one
// of them whole, and a read that begins after a Put has returned sees that
// Put's. A healed pack is replaced like this.
func testAtomicReplace(t *testing.T, b backend.Backend) {
	const size = 1 << 16
	version := func(v int) []byte { return bytes.Repeat([]byte{byte(v)}, size) }
	put(t, b, "packs/00/object", version(0))

	group, ctx := errgroup.WithContext(t.Context())
	done := make(chan struct{})
	for range 2 {
		group.Go(func() error { return readVersions(ctx, b, size, done) })
	}
	group.Go(func() error {
		defer close(done)
		for v := 1; v < 50; v++ {
			if err := b.Put(ctx, "packs/00/object", version(v)); err != nil {
				return err
			}
			got, err := backend.ReadAll(ctx, b, "packs/00/object", size)
			if err != nil || !bytes.Equal(got, version(v)) {
				return fmt.Errorf("after version %d was put, it is not read: %v", v, err)
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	wantListing(t, b, "", "packs/00/object")
}

func readVersions(ctx context.Context, b backend.Backend, size int, done <-chan struct{}) error {
	p := make([]byte, size)
	for {
		select {
		case <-done:
			return nil
		default:
		}
		if _, err := b.ReadAt(ctx, "packs/00/object", p, 0); err != nil {
			return err
		}
		if !bytes.Equal(p, bytes.Repeat(p[:1], size)) {
			return errors.New("a read mixes two versions of an object")
		}
	}
}

func testReadAll(t *testing.T, b backend.Backend) {
	put(t, b, "keys/a", content(10))
	if got, err := backend.ReadAll(t.Context(), b, "keys/a", 10); err != nil || !bytes.Equal(got, content(10)) {
		t.Errorf("ReadAll at its limit: %d bytes, %v", len(got), err)
	}
	if _, err := backend.ReadAll(t.Context(), b, "keys/a", 9); !errors.Is(err, backend.ErrTooLarge) {
		t.Errorf("ReadAll above its limit: %v", err)
	}
	_, err := backend.ReadAll(t.Context(), b, "keys/b", 10)
	wantMissing(t, "ReadAll", err)
}
