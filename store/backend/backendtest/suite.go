package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/store/backend"
)

// Run tests that the backends fresh returns, each empty, are as package
// backend says. It closes them.
func Run(t *testing.T, fresh func(t *testing.T) backend.Backend) {
	tests := []struct {
		name string
		test func(*testing.T, backend.Backend)
	}{
		{"Sizes", testSizes},
		{"Ranges", testRanges},
		{"Replace", testReplace},
		{"Copies", testCopies},
		{"Delete", testDelete},
		{"Missing", testMissing},
		{"Folder", testFolder},
		{"List", testList},
		{"ListVisit", testListVisit},
		{"Names", testNames},
		{"Context", testContext},
		{"Concurrent", testConcurrent},
		{"AtomicReplace", testAtomicReplace},
		{"ReadAll", testReadAll},
		{"Closed", testClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := fresh(t)
			tt.test(t, b)
			if err := b.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// content returns n bytes that look random but do not change.
func content(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(data) // never fails
	return data
}

func put(t *testing.T, b backend.Backend, name string, data []byte) {
	t.Helper()
	if err := b.Put(t.Context(), name, data); err != nil {
		t.Fatalf("Put(%q): %v", name, err)
	}
}

// wantObject fails unless the object has that content, by Size and ReadAt.
func wantObject(t *testing.T, b backend.Backend, name string, want []byte) {
	t.Helper()
	got, err := backend.ReadAll(t.Context(), b, name, 1<<30)
	if err != nil {
		t.Errorf("reading %q: %v", name, err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("%q has %d bytes that differ from the %d put", name, len(got), len(want))
	}
}

// wantMissing fails unless err says that there is no such object.
func wantMissing(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, backend.ErrNotExist) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v, want ErrNotExist", what, err)
	}
}

// listing returns the sizes of the objects below prefix, by name.
func listing(t *testing.T, b backend.Backend, prefix string) map[string]int64 {
	t.Helper()
	sizes := make(map[string]int64)
	err := b.List(t.Context(), prefix, func(e backend.Entry) error {
		if _, twice := sizes[e.Name]; twice {
			t.Errorf("List(%q) visits %q twice", prefix, e.Name)
		}
		sizes[e.Name] = e.Size
		return nil
	})
	if err != nil {
		t.Errorf("List(%q): %v", prefix, err)
	}
	return sizes
}

func wantListing(t *testing.T, b backend.Backend, prefix string, want ...string) {
	t.Helper()
	got := slices.Sorted(maps.Keys(listing(t, b, prefix)))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("List(%q) = %q, want %q", prefix, got, want)
	}
}

func testSizes(t *testing.T, b backend.Backend) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 1 << 20, 5<<20 + 3} {
		name := fmt.Sprintf("packs/00/%d", n)
		put(t, b, name, content(n))
		wantObject(t, b, name, content(n))
		if size := listing(t, b, "packs")[name]; size != int64(n) {
			t.Errorf("%q is listed with %d bytes", name, size)
		}
	}
}

func testRanges(t *testing.T, b backend.Backend) {
	const n = 10000
	data := content(n)
	put(t, b, "object", data)
	for _, off := range []int{0, 1, 4096, n - 1, n, n + 1, 2 * n} {
		for _, length := range []int{0, 1, 4096, n - 1, n, n + 1} {
			want := data[min(off, n):min(off+length, n)]
			var wantErr error
			if len(want) < length {
				wantErr = io.EOF
			}
			p := make([]byte, length)
			got, err := b.ReadAt(t.Context(), "object", p, int64(off))
			if err != wantErr || !bytes.Equal(p[:got], want) {
				t.Errorf("ReadAt(%d bytes, %d) = %d bytes, %v; want %d, %v", length, off, got, err, len(want), wantErr)
			}
		}
	}
	if _, err := b.ReadAt(t.Context(), "object", make([]byte, 1), -1); err == nil || err == io.EOF {
		t.Errorf("ReadAt at a negative offset: %v", err)
	}
}

func testReplace(t *testing.T, b backend.Backend) {
	for _, n := range []int{100, 5000, 0, 7} {
		put(t, b, "packs/ab/object", content(n))
		wantObject(t, b, "packs/ab/object", content(n))
	}
	wantListing(t, b, "", "packs/ab/object")
}

// testCopies would lose data to a caller that reuses its buffer.
func testCopies(t *testing.T, b backend.Backend) {
	data := content(100)
	put(t, b, "object", data)
	clear(data)
	wantObject(t, b, "object", content(100))
	if _, err := b.ReadAt(t.Context(), "object", data, 0); err != nil {
		t.Fatal(err)
	}
	clear(data)
	wantObject(t, b, "object", content(100))
}

func testDelete(t *testing.T, b backend.Backend) {
	put(t, b, "keys/a", content(10))
	put(t, b, "keys/b", content(10))
	wantObject(t, b, "keys/a", content(10)) // whatever keeps files open has it open now
	if err := b.Delete(t.Context(), "keys/a"); err != nil {
		t.Fatal(err)
	}
	_, err := b.ReadAt(t.Context(), "keys/a", make([]byte, 10), 0)
	wantMissing(t, "ReadAt of a deleted object", err)
	wantMissing(t, "deleting again", b.Delete(t.Context(), "keys/a"))
	wantListing(t, b, "keys", "keys/b")

	put(t, b, "keys/a", content(11))
	wantObject(t, b, "keys/a", content(11))
}

func testMissing(t *testing.T, b backend.Backend) {
	ctx := t.Context()
	put(t, b, "packs/aa/object", content(10))
	for _, name := range []string{"missing", "missing/object", "packs/aa/missing", "packs/bb/object", "packs/aa/object/below"} {
		_, err := b.ReadAt(ctx, name, make([]byte, 1), 0)
		wantMissing(t, "ReadAt "+name, err)
		_, err = b.ReadAt(ctx, name, nil, 0)
		wantMissing(t, "ReadAt of no bytes "+name, err)
		_, err = b.Size(ctx, name)
		wantMissing(t, "Size "+name, err)
		wantMissing(t, "Delete "+name, b.Delete(ctx, name))
		wantListing(t, b, name)
	}
	_, err := b.Size(ctx, "packs/aa/missing")
	var e *backend.Error
	if !errors.As(err, &e) || e.Name != "packs/aa/missing" || !strings.Contains(err.Error(), "packs/aa/missing") {
		t.Errorf("the error does not name the object: %v", err)
	}
}

// testFolder: a folder is no object.
func testFolder(t *testing.T, b backend.Backend) {
	ctx := t.Context()
	put(t, b, "packs/aa/object", content(10))
	for _, name := range []string{"packs", "packs/aa"} {
		_, err := b.ReadAt(ctx, name, make([]byte, 1), 0)
		wantMissing(t, "ReadAt "+name, err)
		_, err = b.Size(ctx, name)
		wantMissing(t, "Size "+name, err)
		wantMissing(t, "Delete "+name, b.Delete(ctx, name))
	}
	if err := b.Delete(ctx, "packs/aa/object"); err != nil {
		t.Fatal(err)
	}
	wantListing(t, b, "packs")
	wantListing(t, b, "")
}
