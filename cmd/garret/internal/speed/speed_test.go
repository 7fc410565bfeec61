package speed

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
)

func TestMeasure(t *testing.T) {
	const threads, each = 3, 7
	s, err := measure(t.Context(), threads, time.Hour, false, func(thread int) (operation, error) {
		n := 0
		return func() (int, error) {
			if n++; n > each {
				return 0, errDone
			}
			return thread, nil
		}, nil
	})
	if err != nil || s.Operations != threads*each || s.Bytes != each*(0+1+2) || s.Threads != threads {
		t.Errorf("%+v, %v", s, err)
	}
	slow := func(int) (operation, error) {
		return func() (int, error) { time.Sleep(2 * time.Millisecond); return 10, nil }, nil
	}
	s, err = measure(t.Context(), 1, time.Nanosecond, true, slow)
	if err != nil || s.Operations != 1 || s.Bytes != 10 || s.Median < 0.002 || s.P99 != s.Median || s.Seconds < s.Median || s.Rate() > 5000 {
		t.Errorf("less time than an operation takes: %+v, %v", s, err)
	}
	wrong := errors.New("wrong")
	for _, warm := range []bool{false, true} {
		_, err = measure(t.Context(), 2, time.Hour, warm, func(int) (operation, error) {
			return func() (int, error) { return 0, wrong }, nil
		})
		if !errors.Is(err, wrong) {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err = measure(ctx, 2, time.Hour, false, slow); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// All stages are measured, with both directions where there are two.
func TestMachine(t *testing.T) {
	s := &Sample{Data: Generate().Data[:1<<20+5]}
	var names []string
	if err := measureMachine(t.Context(), s, time.Nanosecond, 2000, func(s Stage) error {
		names = append(names, s.Name)
		if len(s.Writing)+len(s.Reading) == 0 {
			t.Errorf("%s: nothing", s.Name)
		}
		for _, speed := range slices.Concat(s.Writing, s.Reading) {
			if speed.Seconds <= 0 || speed.Operations < 1 || speed.Median <= 0 || speed.P99 < speed.Median {
				t.Errorf("%s: %+v", s.Name, speed)
			}
			if counted := strings.HasPrefix(s.Name, "index") || strings.HasPrefix(s.Name, "key"); counted != (speed.Bytes == 0) {
				t.Errorf("%s: %d bytes", s.Name, speed.Bytes)
			}
		}
		compression := strings.HasPrefix(s.Name, "compression")
		if compression != (s.Ratio > 1.5) || compression && s.Ratio > 8 {
			t.Errorf("%s: ratio %v", s.Name, s.Ratio)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(names) != 8+len(methods)+2 {
		t.Errorf("stages: %q", names)
	}
	stop := errors.New("stop")
	if err := measureMachine(t.Context(), s, time.Nanosecond, 2000, func(Stage) error { return stop }); err != stop {
		t.Error(err)
	}
}

func TestGenerate(t *testing.T) {
	a, b := Generate(), Generate()
	if len(a.Data) != sampleSize || !bytes.Equal(a.Data, b.Data) || a.Files != 0 {
		t.Errorf("%d bytes of %d files, or not always the same", len(a.Data), a.Files)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.Repeat([]byte(name[len(name)-1:]), size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	write("empty", 0)
	if _, err := Load(t.Context(), dir); !errors.Is(err, errNoData) {
		t.Error(err)
	}
	write("sub/a", 1000)
	write("sub/b", maxPiece+1000)
	write("c", 10)
	if err := os.Symlink("a", filepath.Join(dir, "sub", "link")); err != nil {
		t.Fatal(err)
	}
	s, err := Load(t.Context(), dir)
	want := "c" + "a" + "b"
	if err != nil || s.Files != 3 || len(s.Data) != maxPiece+2010 || string(slices.Compact(slices.Clone(s.Data))) != want {
		t.Fatalf("%d files, %d bytes, %v", s.Files, len(s.Data), err)
	}
	// One large file is a sample as well, and a sample has its bounds.
	if err := os.Truncate(filepath.Join(dir, "c"), 3*sampleSize); err != nil {
		t.Fatal(err)
	}
	if s, err = Load(t.Context(), filepath.Join(dir, "c")); err != nil || len(s.Data) != sampleSize || s.Files != 1 {
		t.Errorf("%d bytes of %d files, %v", len(s.Data), s.Files, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// left is what is in a repository.
func left(t *testing.T, b backend.Backend) (names []string) {
	t.Helper()
	entries, err := backend.List(context.Background(), b, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}

func ignore(Operation) error { return nil }

// testPack is a small pack.
const testPack = 2 * rangeSize

// All operations are measured, and nothing stays, nor what a run that was killed
// has left; what else is there does.
func TestBackend(t *testing.T) {
	m := mem.New()
	until := func(d time.Duration) string {
		return folder + "/" + time.Now().UTC().Add(d).Format(timeFormat) + "-0011-s1"
	}
	stays := []string{"benchmark/strange", until(time.Hour), "config/1"}
	for _, name := range append(stays, until(-2*time.Second), until(-1000*time.Hour)) {
		if err := m.Put(t.Context(), name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	done := make(map[string]int)
	if err := Backend(t.Context(), m, 5*time.Millisecond, func(o Operation) error {
		if o.Operations < 1 || o.Seconds <= 0 || o.P99 < o.Median || o.Size*o.Operations != o.Bytes {
			t.Errorf("%+v", o)
		}
		name, _, _ := strings.Cut(o.Name, " ")
		done[name]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"put": 3, "read": 4, "size": 1, "list": 1, "delete": 1} {
		if done[name] != n {
			t.Errorf("%s was measured %d times", name, done[name])
		}
	}
	slices.Sort(stays)
	if names := left(t, m); !slices.Equal(names, stays) {
		t.Errorf("%q are there, not %q", names, stays)
	}
}

// Whatever fails, and wherever it is interrupted, it cleans up; and what it
// cannot remove, it names.
func TestBackendFails(t *testing.T) {
	for n := 1; n <= 60; n++ {
		m := mem.New()
		b := faulty.New(m)
		b.FailAt(n, faulty.Put|faulty.ReadAt|faulty.List, faulty.Fault{Err: backend.ErrFull})
		if err := measureBackend(t.Context(), b, 100*time.Microsecond, testPack, ignore); err != nil && !errors.Is(err, backend.ErrFull) {
			t.Error(err)
		}
		if names := left(t, m); len(names) > 0 {
			t.Fatalf("%d: %q are left", n, names)
		}
	}
	for _, at := range []string{"put", "list 1 objects", "read a range"} {
		m := mem.New()
		ctx, cancel := context.WithCancel(t.Context())
		err := measureBackend(ctx, m, time.Nanosecond, testPack, func(o Operation) error {
			if o.Name == at {
				cancel()
			}
			return nil
		})
		if names := left(t, m); !errors.Is(err, context.Canceled) || len(names) > 0 {
			t.Errorf("interrupted after %s: %q are left, %v", at, names, err)
		}
		cancel()
	}
	m := mem.New()
	b := faulty.New(m)
	b.FailIf(func(c faulty.Call) bool { return c.Op == faulty.Delete }, faulty.Fault{Err: backend.ErrReadOnly})
	err := measureBackend(t.Context(), b, time.Nanosecond, testPack, ignore)
	if names := left(t, m); !errors.Is(err, backend.ErrReadOnly) || len(names) != 1 || !strings.Contains(err.Error(), names[0]+" is left behind") {
		t.Errorf("%q are left, %v", names, err)
	}
	// Storage that gives back something else is found out.
	b = faulty.New(mem.New())
	b.Add(func(c faulty.Call) faulty.Fault {
		if c.Op == faulty.Put {
			b.FlipBit(c.Name, 3)
		}
		return faulty.Fault{}
	})
	if err := measureBackend(t.Context(), b, time.Nanosecond, testPack, ignore); err == nil || !strings.Contains(err.Error(), "another object") {
		t.Error(err)
	}
}
