package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"garret/store/backend"
)

func testList(t *testing.T, b backend.Backend) {
	wantListing(t, b, "")
	wantListing(t, b, "packs")
	names := []string{
		"config.1", "config.1.2", "keys/0a", "index/00", "index/01", "leases/1.0", "leases/1.dead",
		"pack", "packs/00/00aa", "packs/00/00ab", "packs/ff/ffff", "packs-old/00/00aa",
	}
	for i, name := range names {
		put(t, b, name, content(i))
	}
	wantListing(t, b, "", names...)
	wantListing(t, b, "packs", "packs/00/00aa", "packs/00/00ab", "packs/ff/ffff")
	wantListing(t, b, "packs/00", "packs/00/00aa", "packs/00/00ab")
	wantListing(t, b, "leases", "leases/1.0", "leases/1.dead")
	wantListing(t, b, "config.1") // an object is no folder
	wantListing(t, b, "packs/00/00aa")
	for name, size := range listing(t, b, "") {
		if got, err := b.Size(t.Context(), name); err != nil || got != size {
			t.Errorf("%q is listed with %d bytes, but has %d (%v)", name, size, got, err)
		}
	}
}

// testListVisit: the visitor may end the listing and may use the backend.
func testListVisit(t *testing.T, b backend.Backend) {
	const n = 20
	for i := range n {
		put(t, b, fmt.Sprintf("index/%02d", i), content(i))
	}
	stop := errors.New("seen enough")
	visits := 0
	err := b.List(t.Context(), "index", func(backend.Entry) error {
		visits++
		if visits == 3 {
			return stop
		}
		return nil
	})
	if err != stop || visits != 3 {
		t.Errorf("List = %v after %d visits, want the visitor's error after 3", err, visits)
	}

	err = b.List(t.Context(), "index", func(e backend.Entry) error {
		return b.Delete(t.Context(), e.Name)
	})
	if err != nil {
		t.Errorf("deleting while listing: %v", err)
	}
	wantListing(t, b, "index")
}

func testNames(t *testing.T, b backend.Backend) {
	long := strings.Repeat("x", 255)
	good := []string{"a", "0", "_", "a.b-c_d", "a..b", "-", "tmp", "xtmp-1", long, "y/" + long, "1/2/3/4/5/6/7/8"}
	for i, name := range good {
		put(t, b, name, content(i))
		wantObject(t, b, name, content(i))
	}
	wantListing(t, b, "", good...)

	ctx := t.Context()
	for _, name := range badNames {
		checks := map[string]error{"Put": b.Put(ctx, name, nil), "Delete": b.Delete(ctx, name)}
		_, checks["ReadAt"] = b.ReadAt(ctx, name, nil, 0)
		_, checks["Size"] = b.Size(ctx, name)
		if name != "" {
			checks["List"] = b.List(ctx, name, func(backend.Entry) error { return nil })
		}
		for what, err := range checks {
			if !errors.Is(err, backend.ErrName) {
				t.Errorf("%s(%q): %v, want ErrName", what, name, err)
			}
		}
	}
	wantListing(t, b, "", good...)
}

// badNames are refused everywhere, so that no name leads out of the
// repository and none means something else on another system.
var badNames = []string{
	"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b", ".a", "a/.b", "A", "a b", "a\\b", "a\x00", "a\n",
	"ä", "a:b", "a*", "tmp-", "tmp-1", "a/tmp-1/b", strings.Repeat("x", 256), "1/2/3/4/5/6/7/8/9",
	strings.Repeat(strings.Repeat("x", 200)+"/", 2) + strings.Repeat("x", 200),
}

func testContext(t *testing.T, b backend.Backend) {
	put(t, b, "keys/a", content(10))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	checks := map[string]error{
		"Put":    b.Put(ctx, "keys/b", content(10)),
		"Delete": b.Delete(ctx, "keys/a"),
		"List":   b.List(ctx, "", func(backend.Entry) error { return nil }),
	}
	_, checks["ReadAt"] = b.ReadAt(ctx, "keys/a", make([]byte, 10), 0)
	_, checks["Size"] = b.Size(ctx, "keys/a")
	for what, err := range checks {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", what, err)
		}
	}
	wantListing(t, b, "", "keys/a")
}

func testClosed(t *testing.T, b backend.Backend) {
	put(t, b, "keys/a", content(10))
	wantObject(t, b, "keys/a", content(10))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	checks := map[string]error{
		"Put":    b.Put(ctx, "keys/b", nil),
		"Delete": b.Delete(ctx, "keys/a"),
		"List":   b.List(ctx, "", func(backend.Entry) error { return nil }),
	}
	_, checks["ReadAt"] = b.ReadAt(ctx, "keys/a", make([]byte, 10), 0)
	_, checks["Size"] = b.Size(ctx, "keys/a")
	for what, err := range checks {
		if !errors.Is(err, backend.ErrClosed) {
			t.Errorf("%s of a closed backend: %v", what, err)
		}
	}
}
