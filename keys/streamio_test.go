package keys

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/iotest"
)

func TestStreamsTakeAnyReadsAndWrites(t *testing.T) {
	k := &generate(t, SuiteAES256GCM).Put
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range streamSizes {
		plain := pattern(n)
		for _, step := range []int{1000, pageSize, 3 * pageSize, 0} {
			var out bytes.Buffer
			w, err := k.SealWriter(IndexKey, "index/1", []byte("aad"), &out)
			if err != nil {
				t.Fatal(err)
			}
			for rest := plain; len(rest) > 0; {
				m := step
				if m == 0 {
					m = rng.IntN(2 * pageSize)
				}
				m = min(m, len(rest))
				if got, err := w.Write(rest[:m]); err != nil || got != m {
					t.Fatalf("%d, %v", got, err)
				}
				rest = rest[m:]
			}
			for range 2 {
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.Write([]byte("x")); err == nil {
				t.Error("a closed object can be written to")
			}
			if int64(out.Len()) != SealedSize(int64(n)) {
				t.Errorf("%d bytes became %d", n, out.Len())
			}
			if got, err := openBoth(t, k, "index/1", out.Bytes()); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes by %d: %v", n, step, err)
			}
		}
		sealed := mustSeal(t, k, "index/1", plain)
		for what, wrap := range map[string]func(io.Reader) io.Reader{
			"halves":   iotest.HalfReader,
			"data+EOF": iotest.DataErrReader,
		} {
			r, err := k.OpenReader(IndexKey, "index/1", []byte("aad"), wrap(bytes.NewReader(sealed)))
			if err != nil {
				t.Fatal(err)
			}
			if err := iotest.TestReader(r, plain); err != nil {
				t.Errorf("%d bytes in %s: %v", n, what, err)
			}
		}
	}
}

func TestStreamsPassErrorsOn(t *testing.T) {
	k := &generate(t, SuiteAES256GCM).Put
	boom := errors.New("boom")
	sealed := mustSeal(t, k, "index/1", pattern(3*pageSize))
	for _, n := range []int{0, 10, sealedHeadSize, sealedHeadSize + 100, sealedHeadSize + sealedPageSize, len(sealed)} {
		src := io.MultiReader(bytes.NewReader(sealed[:n]), iotest.ErrReader(boom))
		r, err := k.OpenReader(IndexKey, "index/1", []byte("aad"), src)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if !errors.Is(err, boom) {
			t.Errorf("read error after %d bytes: %v", n, err)
		}
	}
	for _, n := range []int{0, sealedHeadSize, sealedHeadSize + sealedPageSize, sealedHeadSize + 3*sealedPageSize - 1} {
		w, err := k.SealWriter(IndexKey, "index/1", nil, &limitedWriter{n, boom})
		if err == nil {
			w.Write(pattern(3 * pageSize))
			err = w.Close()
		}
		if !errors.Is(err, boom) {
			t.Errorf("write error after %d bytes: %v", n, err)
		}
	}
}

type limitedWriter struct {
	left int
	err  error
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		return w.left, w.err
	}
	w.left -= len(p)
	return len(p), nil
}

// A segment of a large repository has gigabytes.
func TestStreamsUseConstantMemory(t *testing.T) {
	k := &generate(t, SuiteAES256GCM).Put
	const n = 32 << 20
	pr, pw := io.Pipe()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan error, 1)
	go func() {
		w, err := k.SealWriter(IndexKey, "index/1", nil, pw)
		if err == nil {
			if _, err = io.Copy(w, io.LimitReader(zeros{}, n)); err == nil {
				err = w.Close()
			}
		}
		pw.CloseWithError(err)
		done <- err
	}()
	r, err := k.OpenReader(IndexKey, "index/1", nil, pr)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.Copy(io.Discard, r)
	if werr := <-done; err != nil || werr != nil || got != n {
		t.Fatalf("%d bytes, %v, %v", got, err, werr)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("%d bytes allocated for %d", used, n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
