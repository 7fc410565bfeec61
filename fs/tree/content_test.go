package tree_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

// parts returns n parts, a twentieth of them holes, no two of which adjoin.
func parts(n int, seed uint64) []tree.Part {
	rng := rand.New(rand.NewPCG(seed, 9))
	list := make([]tree.Part, n)
	for i := range list {
		list[i].Length = 1 + rng.Uint64N(1<<20)
		if rng.IntN(20) == 0 && (i == 0 || !list[i-1].IsHole()) {
			list[i].Length = 1 + rng.Uint64N(1<<34)
			continue
		}
		for j := 0; j < 32; j += 8 {
			binary.LittleEndian.PutUint64(list[i].ID[j:], rng.Uint64())
		}
	}
	return list
}

func buildContent(t testing.TB, p tree.Putter, list []tree.Part) (tree.Content, uint64) {
	t.Helper()
	b := tree.NewContentBuilder(p)
	for _, part := range list {
		if err := b.Add(ctx, part); err != nil {
			t.Fatal(err)
		}
	}
	size := b.Size()
	c, err := b.Finish(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c, size
}

// loadContent reads a content list back, checking each page against its parent.
func loadContent(t testing.TB, s tree.Loader, c tree.Content, size uint64) (list []tree.Part, pages int) {
	t.Helper()
	if c.Pages.Parts == 0 {
		return c.Parts, 0
	}
	var walk func(level uint32, r tree.PartRef)
	walk = func(level uint32, r tree.PartRef) {
		pages++
		b, err := s.Blob(ctx, index.Tree, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		p, err := tree.ParseContentPage(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Fits(level, r); err != nil {
			t.Fatal(err)
		}
		checkContentPage(t, p)
		for i := range p.Len() {
			if level > 0 {
				walk(level-1, p.Ref(i))
			} else {
				list = append(list, p.Part(i))
			}
		}
	}
	walk(c.Pages.Level, c.Pages.Ref(size))
	return list, pages
}

func checkContentPage(t testing.TB, p *tree.ContentPage) {
	t.Helper()
	for i := 0; i < p.Len(); i += 1 + p.Len()/64 {
		end := p.Bytes()
		if i+1 < p.Len() {
			end = p.Offset(i + 1)
		}
		if p.Find(p.Offset(i)) != i || p.Find(end-1) != i {
			t.Fatalf("Find of %d and %d: %d and %d, want %d", p.Offset(i), end-1, p.Find(p.Offset(i)), p.Find(end-1), i)
		}
		length := uint64(0)
		if p.Level() == 0 {
			length = p.Part(i).Length
		} else {
			length = p.Ref(i).Bytes
		}
		if length != end-p.Offset(i) || length == 0 {
			t.Fatalf("part %d of %d bytes ends %d after it begins", i, length, end-p.Offset(i))
		}
	}
}

func TestContentSizes(t *testing.T) {
	s := treetest.New()
	all := parts(100000, 1)
	for _, n := range []int{0, 1, 255, 256, 257, 513, 5000, 100000} {
		c, size := buildContent(t, s, all[:n])
		var want, holes uint64
		for _, p := range all[:n] {
			want += p.Length
			if p.IsHole() {
				holes += p.Length
			}
		}
		got, pages := loadContent(t, s, c, size)
		if size != want || len(got) != n || n > 0 && !slices.Equal(got, all[:n]) {
			t.Errorf("%d parts of %d bytes became %d of %d", n, want, len(got), size)
		}
		node := &tree.Node{Name: "x", Type: tree.Regular, Size: size, Content: c}
		if back, err := tree.ParseNode(tree.AppendNode(nil, node)); err != nil || !reflect.DeepEqual(back, node) {
			t.Errorf("%d parts: the node does not come back: %v", n, err)
		}
		if (pages > 0) != (n > tree.MaxNodeParts) {
			t.Errorf("%d parts took %d pages", n, pages)
		}
		if node.Allocated() != want-holes {
			t.Errorf("%d bytes are not in holes, want %d", node.Allocated(), want-holes)
		}
	}
}

func TestContentHolesMerge(t *testing.T) {
	d := func(b byte) tree.Part { return tree.Part{ID: id(b), Length: 10} }
	hole := func(n uint64) tree.Part { return tree.Part{Length: n} }
	for _, test := range []struct{ in, want []tree.Part }{
		{[]tree.Part{hole(1), hole(2)}, []tree.Part{hole(3)}},
		{[]tree.Part{hole(1), d(1), hole(2), hole(3), hole(4), d(1)}, []tree.Part{hole(1), d(1), hole(9), d(1)}},
		{[]tree.Part{d(1), d(1), hole(2)}, []tree.Part{d(1), d(1), hole(2)}},
	} {
		if c, _ := buildContent(t, treetest.New(), test.in); !slices.Equal(c.Parts, test.want) {
			t.Errorf("%v became %v", test.in, c.Parts)
		}
	}
}

func TestContentBuilderRefuses(t *testing.T) {
	b := tree.NewContentBuilder(treetest.New())
	for _, p := range []tree.Part{{}, {ID: id(1)}, {ID: id(1), Length: tree.MaxBlob}, {Length: 1 << 63}} {
		if err := b.Add(ctx, p); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%d bytes: %v", p.Length, err)
		}
	}
	if err := b.Add(ctx, tree.Part{Length: tree.MaxSize}); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(ctx, tree.Part{Length: 1}); !errors.Is(err, tree.ErrInvalid) {
		t.Error("size overflow:", err)
	}
	if c, err := b.Finish(ctx); err != nil || len(c.Parts) != 1 {
		t.Errorf("what was refused left a trace: %v, %v", c, err)
	}
	if c, err := b.Finish(ctx); err != nil || !reflect.DeepEqual(c, tree.Content{}) {
		t.Errorf("an empty file: %v, %v", c, err)
	}
}

// Content lists of different programs and days must deduplicate.
func TestContentFrozen(t *testing.T) {
	c, _ := buildContent(t, treetest.New(), parts(3000, 6))
	const want = "a37bb1a00c1af030c2f99cccad2c63096da13d73547d6792d9336a9fffb28856"
	if got := c.Pages.ID.String(); got != want {
		t.Errorf("top page %s, want %s", got, want)
	}
}

// A write into a huge image must not store its content list anew.
func TestContentChangeRewritesOnePage(t *testing.T) {
	s := treetest.New()
	list := parts(20000, 2)
	buildContent(t, s, list)
	rng := rand.New(rand.NewPCG(8, 8))
	const rounds = 5
	stored := 0
	for round := range rounds {
		i := rng.IntN(len(list))
		changed := slices.Insert(slices.Clone(list), i, parts(1, uint64(100+round))[0])
		before := s.Stats().Puts
		buildContent(t, s, changed)
		stored += s.Stats().Puts - before
	}
	if stored < 2*rounds || stored > 2*rounds+4 {
		t.Errorf("%d changes stored %d pages", rounds, stored)
	}
}

// An image of one block repeated is one blob and few pages.
func TestContentRepeated(t *testing.T) {
	s := treetest.New()
	list := slices.Repeat([]tree.Part{{ID: id(1), Length: 1 << 19}}, 100000)
	c, size := buildContent(t, s, list)
	if got, _ := loadContent(t, s, c, size); !slices.Equal(got, list) {
		t.Error("parts did not come back")
	}
	if n := s.Len(index.Tree); n > 8 {
		t.Errorf("%d pages", n)
	}
}

func contentField(tag byte, body ...byte) []byte {
	return append([]byte{tag, byte(len(body))}, body...)
}

func TestContentPageRefused(t *testing.T) {
	const part, ref = 4<<3 | 2, 5<<3 | 2
	blob := append([]byte{0x0a, 32}, make([]byte, 31)...)
	blob = append(blob, 1)
	max := []byte{0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	most := append(slices.Clone(blob), max...)
	most = append(most, 0x18, 1)
	good := append(slices.Clone(blob), 0x10, 9, 0x18, 2)
	if _, err := tree.ParseContentPage(page(1, contentField(ref, good...))); err != nil {
		t.Fatal("a good page:", err)
	}
	for name, b := range map[string][]byte{
		"empty":              {},
		"level":              page(tree.MaxLevel+1, contentField(ref, good...)),
		"parts at level 1":   page(1, contentField(part, 0x10, 5)),
		"references at 0":    page(0, contentField(ref, good...)),
		"both":               page(1, contentField(ref, good...), contentField(part, 0x10, 5)),
		"empty part":         page(0, contentField(part, 0x10, 5), contentField(part)),
		"part without bytes": page(0, contentField(part, blob...)),
		"huge part":          page(0, contentField(part, append(slices.Clone(blob), 0x10, 0x80, 0x80, 0x80, 0x08)...)),
		"short blob id":      page(0, contentField(part, 0x0a, 1, 1, 0x10, 5)),
		"bytes overflow":     page(0, contentField(part, max...), contentField(part, 0x10, 1)),
		"refs overflow":      page(1, contentField(ref, most...), contentField(ref, good...)),
		"ref without parts":  page(1, contentField(ref, append(slices.Clone(blob), 0x10, 9)...)),
		"more parts":         page(1, contentField(ref, append(slices.Clone(blob), 0x10, 9, 0x18, 10)...)),
		"more holes":         page(1, contentField(ref, append(slices.Clone(good), 0x20, 10)...)),
		"ref to nothing":     page(1, contentField(ref, 0x10, 9, 0x18, 2)),
		"directory":          page(0, nodeField(fullFile())),
		"too large":          make([]byte, tree.MaxPage+1),
	} {
		if p, err := tree.ParseContentPage(b); !errors.Is(err, tree.ErrInvalid) || p != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestContentPageFits(t *testing.T) {
	s := treetest.New()
	c, size := buildContent(t, s, parts(300, 5))
	p, err := tree.ParseContentPage(s.Page(c.Pages.ID))
	if err != nil {
		t.Fatal(err)
	}
	right := c.Pages.Ref(size)
	if err := p.Fits(0, right); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []tree.PartRef{
		{Bytes: right.Bytes + 1, Parts: right.Parts, Holes: right.Holes},
		{Bytes: right.Bytes, Parts: right.Parts - 1, Holes: right.Holes},
		{Bytes: right.Bytes, Parts: right.Parts, Holes: right.Holes + 1},
	} {
		if err := p.Fits(0, wrong); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%+v fits", wrong)
		}
	}
	if p.Fits(1, right) == nil {
		t.Error("a wrong level fits")
	}
}

func FuzzParseContentPage(f *testing.F) {
	s := treetest.New()
	for _, n := range []int{257, 3000} {
		c, _ := buildContent(f, s, parts(n, 3))
		f.Add(s.Page(c.Pages.ID))
	}
	f.Add(page(0, contentField(4<<3|2, 0x10, 5)))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := tree.ParseContentPage(b)
		if err != nil {
			if p != nil || !errors.Is(err, tree.ErrInvalid) {
				t.Fatalf("%v with %v", p, err)
			}
			return
		}
		if p.MemSize() > int64(64*len(b)+1024) {
			t.Fatalf("%d bytes take %d", len(b), p.MemSize())
		}
		checkContentPage(t, p)
	})
}

func BenchmarkContentPageFind(b *testing.B) {
	s := treetest.New()
	c, _ := buildContent(b, s, parts(3000, 4))
	p, err := tree.ParseContentPage(s.Page(c.Pages.ID))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	off := uint64(0)
	for b.Loop() {
		p.Find(off)
		off = (off + 1<<29) % p.Bytes()
	}
}
