package view_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"testing/iotest"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
	"garret/index"
)

// fileOf stores data as a tree's root.
func fileOf(t testing.TB, s *treetest.Store, data []byte, chunk int) (*view.Tree, view.Entry) {
	t.Helper()
	v := view.New(s, mustBuild(t, s, treetest.File("", string(data)), chunk), view.Options{})
	return v, v.Root()
}

func TestReadAt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{0, 1, 128, 129, 1023, 1024, 1025, 5000, 300000} {
		s := treetest.New()
		data := randomData(rng, size)
		v, e := fileOf(t, s, data, 64) // 300,000 bytes are pages of two levels
		for range 200 {
			off, n := rng.IntN(size+2), rng.IntN(min(size, 2000)+2)
			p := bytes.Repeat([]byte{0xee}, n)
			got, err := v.ReadAt(ctx, e, p, int64(off))
			want := min(n, max(size-off, 0))
			if got != want || !bytes.Equal(p[:got], data[min(off, size):min(off, size)+got]) {
				t.Fatalf("%d bytes at %d of %d: %d, or wrong ones", n, off, size, got)
			}
			if off >= size && err != io.EOF || off < size && (want < n) != (err == io.EOF) || err != nil && err != io.EOF {
				t.Fatalf("%d bytes at %d of %d: %d, %v", n, off, size, got, err)
			}
		}
		if err := iotest.TestReader(v.Open(ctx, e), data); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		for range 5 {
			f, off := v.Open(ctx, e), rng.IntN(size+1)
			f.Seek(int64(off), io.SeekStart)
			var b bytes.Buffer
			if n, err := f.WriteTo(&b); err != nil || n != int64(size-off) || !bytes.Equal(b.Bytes(), data[off:]) {
				t.Errorf("WriteTo from %d of %d: %d, %v", off, size, n, err)
			}
			if n, err := f.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("after WriteTo: %d, %v", n, err)
			}
		}
	}
}

// A lost blob costs the ranges that touch it, not the file.
func TestReadAroundLostBlob(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	data := make([]byte, 40000)
	for i := range data {
		data[i] = byte(rng.Uint32()) // no two blobs are the same
	}
	for _, chunk := range []int{64, 1000} { // pages and a list
		s := treetest.New()
		v, e := fileOf(t, s, data, chunk)
		s.Lose(index.Data, s.ID(index.Data, data[5*chunk:6*chunk]))
		p := make([]byte, len(data))
		n, err := v.ReadAt(ctx, e, p, int64(chunk))
		if n != 4*chunk || !errors.Is(err, treetest.ErrLost) || !bytes.Equal(p[:n], data[chunk:5*chunk]) {
			t.Errorf("across: %d, %v", n, err)
		}
		if n, err := v.ReadAt(ctx, e, p[:1], int64(6*chunk-1)); n != 0 || !errors.Is(err, treetest.ErrLost) {
			t.Errorf("within: %d, %v", n, err)
		}
		if n, err := v.ReadAt(ctx, e, p[:5*chunk], 0); n != 5*chunk || err != nil {
			t.Errorf("before: %d, %v", n, err)
		}
		if n, err := v.ReadAt(ctx, e, p, int64(6*chunk)); err != io.EOF || !bytes.Equal(p[:n], data[6*chunk:]) {
			t.Errorf("after: %d, %v", n, err)
		}
		var b bytes.Buffer
		if n, err := v.Open(ctx, e).WriteTo(&b); n != int64(5*chunk) || !errors.Is(err, treetest.ErrLost) {
			t.Errorf("WriteTo: %d, %v", n, err)
		}
	}
}

// A blob of another length than its part says must not shift what follows.
func TestReadForgedBlob(t *testing.T) {
	s := treetest.New()
	data := bytes.Repeat([]byte("0123456789abcdef"), 100)
	v, e := fileOf(t, s, data, 160)
	for _, forged := range [][]byte{{}, data[:159], data[:161]} {
		s.Forge(index.Data, s.ID(index.Data, data[:160]), forged)
		if n, err := v.ReadAt(ctx, e, make([]byte, 10), 0); n != 0 || !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%d bytes: %d, %v", len(forged), n, err)
		}
	}
}

func TestSeek(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, size := range []int{0, 100, 3000, 60000, 400000} {
		for _, fill := range []string{"mixed", "data", "hole", "sparse"} {
			const chunk = 64
			data := randomData(rng, size)
			switch fill {
			case "data":
				for i := range data {
					data[i] |= 1
				}
			case "hole":
				clear(data)
			case "sparse":
				clear(data)
				for i := size / 3; i < size; i += size/5 + 1 {
					data[i] = 1
				}
			}
			s := treetest.New()
			v, e := fileOf(t, s, data, chunk)
			// hole says for each byte whether its part is one.
			hole := make([]bool, size)
			if size > tree.MaxInline {
				for at := 0; at < size; at += chunk {
					empty := len(bytes.Trim(data[at:min(at+chunk, size)], "\x00")) == 0
					for i := at; i < min(at+chunk, size); i++ {
						hole[i] = empty
					}
				}
			}
			next := func(off int, want bool) int {
				for ; off < size && hole[off] != want; off++ {
				}
				return off
			}
			for range 100 {
				off := rng.IntN(size + 2)
				wantData, wantHole := next(off, false), next(off, true)
				if got, err := v.SeekData(ctx, e, int64(off)); wantData >= size && err != syscall.ENXIO || wantData < size && (err != nil || got != int64(wantData)) {
					t.Fatalf("%s: SeekData(%d) of %d: %d, %v; want %d", fill, off, size, got, err, wantData)
				}
				if got, err := v.SeekHole(ctx, e, int64(off)); off >= size && err != syscall.ENXIO || off < size && (err != nil || got != int64(wantHole)) {
					t.Fatalf("%s: SeekHole(%d) of %d: %d, %v; want %d", fill, off, size, got, err, wantHole)
				}
			}
			if _, err := v.SeekData(ctx, e, -1); err != syscall.ENXIO {
				t.Error(err)
			}
		}
	}
}

// image is a file of 100,000 parts, with holes in its last tenth only.
func image(t testing.TB, s *treetest.Store) *tree.Node {
	t.Helper()
	b := tree.NewContentBuilder(s)
	rng := rand.New(rand.NewPCG(4, 4))
	for i := range 100000 {
		p := tree.Part{Length: 1 << 19}
		if i < 90000 || i%2 == 0 {
			for j := 0; j < 32; j += 8 {
				binary.LittleEndian.PutUint64(p.ID[j:], rng.Uint64())
			}
		}
		if err := b.Add(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	size := b.Size()
	c, err := b.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return &tree.Node{Type: tree.Regular, Size: size, Content: c}
}

// A seek in a huge image decodes a page a level.
func TestHugeImage(t *testing.T) {
	s := treetest.New()
	n := image(t, s)
	for _, part := range []uint64{0, 1, 50000, 99999} {
		v := view.New(s, n, view.Options{})
		before := s.Stats().Loads
		visited := uint64(0)
		err := v.Parts(ctx, v.Root(), part<<19+5, func(off uint64, p tree.Part) bool {
			if off != (part+visited)<<19 || p.Length != 1<<19 {
				t.Fatalf("part %d is at %d, %d bytes", part+visited, off, p.Length)
			}
			visited++
			return visited < 3
		})
		if want := min(3, 100000-part); err != nil || visited != want {
			t.Errorf("visited %d from %d on: %v", visited, part, err)
		}
		if loads := s.Stats().Loads - before; loads > 3 {
			t.Errorf("part %d took %d pages", part, loads)
		}
	}
	v := view.New(s, n, view.Options{})
	before := s.Stats().Loads
	if off, err := v.SeekHole(ctx, v.Root(), 7); err != nil || off != 90001<<19 {
		t.Errorf("the first hole is at part %d: %v", off>>19, err)
	}
	if loads := s.Stats().Loads - before; loads > 4 {
		t.Errorf("finding it took %d pages", loads)
	}
}

// A lost page of a content list costs the range that it lists.
func TestLostContentPage(t *testing.T) {
	data := randomData(rand.New(rand.NewPCG(5, 5)), 200000)
	s := treetest.New()
	v, e := fileOf(t, s, data, 64)
	top, err := tree.ParseContentPage(s.Page(e.Content.Pages.ID))
	if err != nil || top.Level() != 1 {
		t.Fatal(top, err)
	}
	s.Lose(index.Tree, top.Ref(1).ID)
	begin, end := int64(top.Offset(1)), int64(top.Offset(2))
	p := make([]byte, len(data))
	if n, err := v.ReadAt(ctx, e, p, 0); int64(n) != begin || !errors.Is(err, treetest.ErrLost) || !bytes.Equal(p[:n], data[:n]) {
		t.Errorf("before: %d, %v", n, err)
	}
	if n, err := v.ReadAt(ctx, e, p, end); err != io.EOF || !bytes.Equal(p[:n], data[end:]) {
		t.Errorf("after: %d, %v", n, err)
	}
}
