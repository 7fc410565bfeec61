package faulty_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"garret/store/backend"
	"garret/store/backend/backendtest"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
)

// TestConformance: without faults, the decorator is not to be noticed.
func TestConformance(t *testing.T) {
	backendtest.Run(t, func(*testing.T) backend.Backend { return faulty.New(mem.New()) })
}

// exists reports what is in the storage below the decorator.
func exists(t *testing.T, b backend.Backend, name string) bool {
	t.Helper()
	_, err := b.Size(t.Context(), name)
	if err != nil && !errors.Is(err, backend.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestStopAfter(t *testing.T) {
	ctx := t.Context()
	for n := range 4 {
		storage := mem.New()
		b := faulty.New(storage)
		if err := b.Put(ctx, "before", nil); err != nil {
			t.Fatal(err)
		}
		b.StopAfter(n, faulty.Changes)
		for i := range 6 {
			if _, err := b.Size(ctx, "before"); (err == nil) != (i <= n) {
				t.Errorf("n=%d: reading before change %d: %v", n, i, err)
			}
			name := fmt.Sprint("object", i)
			err := b.Put(ctx, name, nil)
			if (err == nil) != (i < n) || err != nil && !errors.Is(err, faulty.ErrStopped) {
				t.Errorf("n=%d: change %d: %v", n, i, err)
			}
			if exists(t, storage, name) != (i < n) {
				t.Errorf("n=%d: change %d has the wrong effect", n, i)
			}
			if b.Stopped() != (i >= n) {
				t.Errorf("n=%d: Stopped is %v after change %d", n, b.Stopped(), i)
			}
		}
		if err := b.Delete(ctx, "before"); !errors.Is(err, faulty.ErrStopped) || !exists(t, storage, "before") {
			t.Errorf("deleting after the stop: %v", err)
		}
		err := b.List(ctx, "", func(backend.Entry) error { return nil })
		if !errors.Is(err, faulty.ErrStopped) {
			t.Errorf("listing after the stop: %v", err)
		}
		if got := b.Count(faulty.Changes); got != 1+n {
			t.Errorf("n=%d: %d changes are counted", n, got)
		}
		if got := b.Count(faulty.Size); got != n+1 {
			t.Errorf("n=%d: %d looks at a size are counted", n, got)
		}
	}
}

func TestFailAt(t *testing.T) {
	ctx := t.Context()
	for _, effect := range []bool{false, true} {
		storage := mem.New()
		b := faulty.New(storage)
		b.FailAt(2, faulty.Put, faulty.Fault{Err: backend.ErrFull, Effect: effect})
		for i := 1; i <= 3; i++ {
			name := fmt.Sprint("object", i)
			if err := b.Put(ctx, name, nil); errors.Is(err, backend.ErrFull) != (i == 2) {
				t.Errorf("put %d: %v", i, err)
			}
			if exists(t, storage, name) != (i != 2 || effect) {
				t.Errorf("put %d has the wrong effect", i)
			}
			if !exists(t, b, "object1") {
				t.Error("the fault is not for looking at sizes")
			}
		}
	}
}

// TestRule: a rule may use the storage, and so lets another process run in
// the middle of an operation's way.
func TestRule(t *testing.T) {
	ctx := t.Context()
	b := faulty.New(mem.New())
	var seen []faulty.Call
	b.Add(func(c faulty.Call) faulty.Fault {
		seen = append(seen, c)
		if c.Op == faulty.ReadAt {
			if err := b.Delete(ctx, c.Name); err != nil {
				t.Error(err)
			}
		}
		return faulty.Fault{}
	})
	if err := b.Put(ctx, "keys/a", []byte("data")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ReadAt(ctx, "keys/a", make([]byte, 2), 1); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("ReadAt: %v", err)
	}
	want := []faulty.Call{
		{Op: faulty.Put, Name: "keys/a", Bytes: 4},
		{Op: faulty.ReadAt, Name: "keys/a", Bytes: 2, Off: 1},
		{Op: faulty.Delete, Name: "keys/a"},
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("calls %v, want %v", seen, want)
	}
}

func TestFailIf(t *testing.T) {
	ctx := t.Context()
	b := faulty.New(mem.New())
	first, second := errors.New("first"), errors.New("second")
	b.FailIf(func(c faulty.Call) bool { return c.Name == "a" }, faulty.Fault{Err: first})
	b.FailIf(func(c faulty.Call) bool { return c.Op == faulty.Put }, faulty.Fault{Err: second})
	if err := b.Put(ctx, "a", nil); !errors.Is(err, first) {
		t.Errorf("Put a: %v", err)
	}
	if err := b.Put(ctx, "b", nil); !errors.Is(err, second) {
		t.Errorf("Put b: %v", err)
	}
	if err := b.Delete(ctx, "b"); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("Delete b: %v", err)
	}
}

func TestCapacity(t *testing.T) {
	ctx := t.Context()
	storage := mem.New()
	b := faulty.New(storage)
	b.SetCapacity(10)
	for i, tt := range []struct {
		bytes int
		fits  bool
	}{{6, true}, {5, false}, {4, true}, {0, true}, {1, false}} {
		name := fmt.Sprint("object", i)
		err := b.Put(ctx, name, make([]byte, tt.bytes))
		if (err == nil) != tt.fits || err != nil && !errors.Is(err, backend.ErrFull) || exists(t, storage, name) != tt.fits {
			t.Errorf("put %d: %v", i, err)
		}
	}
}

func TestFlipBit(t *testing.T) {
	ctx := t.Context()
	b := faulty.New(mem.New())
	data := make([]byte, 100)
	for _, name := range []string{"a", "b"} {
		if err := b.Put(ctx, name, data); err != nil {
			t.Fatal(err)
		}
	}
	const bit = 8*50 + 3
	b.FlipBit("a", bit)
	for _, off := range []int{0, 1, 49, 50, 51} {
		want := make([]byte, 100-off)
		if off <= 50 {
			want[50-off] = 1 << 3
		}
		got := make([]byte, 100-off)
		if _, err := b.ReadAt(ctx, "a", got, int64(off)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("reading from %d: %x, %v", off, got, err)
		}
	}
	p := make([]byte, 200)
	if n, _ := b.ReadAt(ctx, "a", p, 0); n != 100 || p[50] != 1<<3 {
		t.Errorf("a read beyond the end is not damaged: %d bytes, %x", n, p[50])
	}
	if got, err := backend.ReadAll(ctx, b, "b", 100); err != nil || !bytes.Equal(got, data) {
		t.Errorf("another object is damaged: %v", err)
	}
	b.FlipBit("a", bit)
	if got, err := backend.ReadAll(ctx, b, "a", 100); err != nil || !bytes.Equal(got, data) {
		t.Errorf("flipped twice, it is damaged: %v", err)
	}
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := mem.New()
		b := faulty.New(storage)
		b.SetLatency(time.Second)
		start := time.Now()
		if err := b.Put(t.Context(), "a", nil); err != nil || time.Since(start) != time.Second {
			t.Errorf("Put took %v, %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if err := b.Put(ctx, "b", nil); !errors.Is(err, context.DeadlineExceeded) || exists(t, storage, "b") {
			t.Errorf("Put with a time-out: %v", err)
		}

		// A slow operation that the stop overtakes has no effect: the process
		// that had begun it is dead.
		slow := make(chan error)
		go func() { slow <- b.Put(t.Context(), "slow", nil) }()
		time.Sleep(time.Second / 2)
		b.StopAfter(0, faulty.Changes)
		_ = b.Put(t.Context(), "stopped", nil)
		if err := <-slow; !errors.Is(err, faulty.ErrStopped) || exists(t, storage, "slow") {
			t.Errorf("an operation that was overtaken by the stop: %v", err)
		}
	})
}
