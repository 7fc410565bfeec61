package chunking

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// split returns the sizes of the chunks and their content.
func split(c *Chunker, r io.Reader, buf []byte) (sizes []int, content []byte, err error) {
	err = c.Split(r, buf, func(chunk []byte) error {
		sizes = append(sizes, len(chunk))
		content = append(content, chunk...)
		return nil
	})
	return sizes, content, err
}

// randomReader returns as much as it pleases: short reads, sometimes nothing,
// the end with the last bytes or after them.
type randomReader struct {
	data []byte
	rng  *rand.Rand
}

func (r *randomReader) Read(p []byte) (int, error) {
	n := r.rng.IntN(5000)
	if r.rng.IntN(4) == 0 {
		n = len(p)
	}
	n = copy(p[:min(n, len(p))], r.data)
	r.data = r.data[n:]
	if len(r.data) == 0 && (n == 0 || r.rng.IntN(2) == 0) {
		return n, io.EOF
	}
	return n, nil
}

// The same file read through a pipe, over a network or in one piece must make
// the same chunks.
func TestSplitIgnoresReadSizes(t *testing.T) {
	fixed := Params{Fixed, 0, 4 * kib, 4 * kib, 0}
	for _, p := range []Params{small, fixed} {
		c := chunker(t, p)
		for _, n := range []int{0, 1, p.Max - 1, p.Max, p.Max + 1, 2*p.Max - 1, 2 * p.Max, 2*p.Max + 1, 700 * kib} {
			data := random(n, 6)
			want := cutAll(t, c, data)
			for seed := range uint64(4) {
				rng := rand.New(rand.NewPCG(seed, 1))
				buf := make([]byte, 0, 2*p.Max+rng.IntN(2*p.Max))
				got, content, err := split(c, &randomReader{data, rng}, buf)
				if err != nil || !slices.Equal(got, want) || !bytes.Equal(content, data) {
					t.Fatalf("%d bytes: %v, want %v; %v", n, got, want, err)
				}
			}
		}
	}
	c := chunker(t, small)
	data := random(200*kib, 7)
	got, _, err := split(c, iotest.OneByteReader(bytes.NewReader(data)), make([]byte, 2*small.Max))
	if err != nil || !slices.Equal(got, cutAll(t, c, data)) {
		t.Fatalf("%v, %v", got, err)
	}
}

func TestSplitErrors(t *testing.T) {
	c := chunker(t, small)
	buf := make([]byte, 2*small.Max)
	mine := errors.New("mine")

	if _, _, err := split(c, strings.NewReader("x"), buf[:len(buf)-1:len(buf)-1]); !errors.Is(err, ErrBuffer) {
		t.Errorf("a small buffer: %v", err)
	}
	sizes, _, err := split(c, io.MultiReader(bytes.NewReader(random(mib, 1)), iotest.ErrReader(mine)), buf)
	if err != mine || len(sizes) == 0 {
		t.Errorf("a reader that fails: %v, %v", err, sizes)
	}
	if _, _, err = split(c, iotest.ErrReader(io.ErrUnexpectedEOF), buf); err != io.ErrUnexpectedEOF {
		t.Errorf("an early end: %v", err)
	}
	if _, _, err = split(c, emptyReader{}, buf); err != io.ErrNoProgress {
		t.Errorf("a reader that returns nothing: %v", err)
	}
	if _, _, err = split(c, lyingReader{}, buf); err == nil {
		t.Error("a reader that claims too much is believed")
	}
	calls := 0
	err = c.Split(bytes.NewReader(random(mib, 1)), buf, func([]byte) error {
		calls++
		return mine
	})
	if err != mine || calls != 1 {
		t.Errorf("emit fails: %v after %d calls", err, calls)
	}
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

type lyingReader struct{}

func (lyingReader) Read(p []byte) (int, error) { return len(p) + 1, nil }

// One chunker serves all workers of a snapshot (run with -race).
func TestConcurrentUse(t *testing.T) {
	c := chunker(t, small)
	data := random(mib, 8)
	want := cutAll(t, c, data)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, _, err := split(c, bytes.NewReader(data), make([]byte, 3*small.Max))
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	wg.Wait()
}

// FuzzSplit: whatever the content and the reads, the chunks are those that Cut
// defines, within bounds, and together they are the content.
func FuzzSplit(f *testing.F) {
	f.Add([]byte{}, uint16(1), uint64(0))
	f.Add([]byte("abc"), uint16(3000), uint64(1))
	f.Add(random(5000, 1), uint16(9), uint64(2))
	f.Add(make([]byte, 4096), uint16(1), uint64(3))
	f.Add(periodic(1000, 2), uint16(50), uint64(4))
	p := Params{FastCDC, 1 * kib, 2 * kib, 4 * kib, 0}
	f.Fuzz(func(t *testing.T, piece []byte, times uint16, seed uint64) {
		if len(piece) > 12*kib {
			piece = piece[:12*kib] // the reference is slow
		}
		data := bytes.Repeat(piece, 1+int(times)%(1+12*kib/(1+len(piece))))
		c, err := New(p, [32]byte{byte(seed)}, [16]byte{byte(seed >> 8)})
		if err != nil {
			t.Fatal(err)
		}
		var want []int
		for rest := data; len(rest) > 0; {
			n := reference(c, rest)
			want = append(want, n)
			rest = rest[n:]
		}
		if got := cutAll(t, c, data); !slices.Equal(got, want) {
			t.Fatalf("Cut: %v, want %v", got, want)
		}
		reader := &randomReader{data, rand.New(rand.NewPCG(seed, 1))}
		got, content, err := split(c, reader, make([]byte, 2*p.Max))
		if err != nil || !slices.Equal(got, want) || !bytes.Equal(content, data) {
			t.Fatalf("Split: %v, want %v; %v", got, want, err)
		}
	})
}
