package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

func TestRunReader(t *testing.T) {
	b := newBench(t)
	for i, n := range sizes() {
		data := noise(uint64(i), n)
		r, err := RunReader(context.Background(), b.o, "/dumps/db.sql", iotest.HalfReader(bytes.NewReader(data)))
		if err != nil {
			t.Fatal(err)
		}
		v := b.tree(r)
		if got := content(t, v, "dumps/db.sql"); !bytes.Equal(got, data) {
			t.Errorf("%d bytes: got %d others", n, len(got))
		}
		if e := resolve(t, v, "dumps/db.sql"); e.Mode != 0o600 || e.ModTime.IsZero() || e.Size != uint64(n) {
			t.Errorf("%+v", e.Node)
		}
		if r.Stats.Files != 1 || r.Stats.BytesRead != uint64(n) || r.Stats.BytesTotal != uint64(n) || r.Stats.Dirs != 2 {
			t.Errorf("%+v", r.Stats)
		}
	}
	if !slices.Contains(b.items, "i dumps/db.sql") {
		t.Errorf("%q", b.items)
	}
}

// Half a stream is no backup.
func TestRunReaderFails(t *testing.T) {
	b := newBench(t)
	lost, full := errors.New("lost"), errors.New("full")
	in := io.MultiReader(bytes.NewReader(noise(1, 500_000)), iotest.ErrReader(lost))
	if r, err := RunReader(context.Background(), b.o, "x", in); !errors.Is(err, lost) || r != nil {
		t.Errorf("%v, %v", r, err)
	}
	for _, path := range []string{"", "/", "a//b", "a/../b", ".", "a\x00"} {
		if r, err := RunReader(context.Background(), b.o, path, bytes.NewReader(nil)); err == nil {
			t.Errorf("path %q: %+v", path, r)
		}
	}
	b.o.Store = &failing{Store: b.store, left: 2, err: full}
	if r, err := RunReader(context.Background(), b.o, "x", bytes.NewReader(noise(1, 500_000))); !errors.Is(err, full) || r != nil {
		t.Errorf("%v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b.o.Store = forgetful{b.store}
	if r, err := RunReader(ctx, b.o, "x", bytes.NewReader(noise(1, 500_000))); !errors.Is(err, context.Canceled) || r != nil {
		t.Errorf("%v, %v", r, err)
	}
}
