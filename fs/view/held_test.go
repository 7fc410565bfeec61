package view_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
	"garret/index"
)

// holding is a store that has everything in memory, but for what is away, and
// counts what it has lent.
type holding struct {
	*treetest.Store
	away map[index.ID]bool
	lent int
}

func (h *holding) Borrow(ctx context.Context, kind index.Kind, id index.ID) ([]byte, func(), error) {
	b, err := h.Blob(ctx, kind, id)
	if err == nil {
		h.lent++
	}
	return b, func() { h.lent-- }, err
}

func (h *holding) BorrowCached(kind index.Kind, id index.ID) ([]byte, func(), bool) {
	if h.away[id] {
		return nil, nil, false
	}
	b, giveBack, err := h.Borrow(context.Background(), kind, id)
	return b, giveBack, err == nil
}

var _ tree.Lender = (*holding)(nil)

// What is read without a copy is what ReadAt reads, whatever the pieces.
func TestSlices(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, size := range []int{0, 1, 128, 129, 1023, 1024, 1025, 5000, 300000} {
		data := randomData(rng, size)
		h := &holding{Store: treetest.New()}
		_, e := fileOf(t, h.Store, data, 64)
		v := view.New(h, e.Node, view.Options{})
		for range 200 {
			off, n, limit := rng.IntN(size+2), rng.IntN(min(size, 2000)+2), 1+rng.IntN(40)
			var loan view.Loan
			ok, err := v.Slices(ctx, e, &loan, uint64(off), uint64(n), limit)
			if err != nil {
				t.Fatal(err)
			}
			pieces := loan.Pieces
			if len(pieces) > limit {
				t.Fatalf("%d pieces where %d are allowed", len(pieces), limit)
			}
			if most := n/64 + 2; !ok && most <= limit {
				t.Fatalf("%d bytes at %d of %d: not in %d pieces", n, off, size, limit)
			}
			if want := data[min(off, size):min(off+n, size)]; ok && !bytes.Equal(bytes.Join(pieces, nil), want) {
				t.Fatalf("%d bytes at %d of %d: wrong ones", n, off, size)
			}
			if loan.Return(); h.lent != 0 {
				t.Fatalf("%d bytes at %d of %d: %d blobs are not given back", n, off, size, h.lent)
			}
		}
	}
	h := &holding{Store: treetest.New()}
	_, e := fileOf(t, h.Store, bytes.Repeat([]byte("lost"), 1000), 1000)
	v := view.New(h, e.Node, view.Options{})
	h.Lose(index.Data, e.Content.Parts[2].ID)
	var loan view.Loan
	if ok, err := v.Slices(ctx, e, &loan, 0, 4000, 100); ok || err == nil || len(loan.Pieces) > 0 || h.lent != 0 {
		t.Errorf("of a file that has lost a part: %d pieces, %d blobs lent, %v", len(loan.Pieces), h.lent, err)
	}
}

// Large holes are pieces of zeros.
func TestSlicesOfHole(t *testing.T) {
	s := treetest.New()
	v, e := fileOf(t, s, make([]byte, 300000), 300000)
	var loan view.Loan
	ok, err := v.Slices(ctx, e, &loan, 1, 1<<20, 10)
	if err != nil || !ok || !bytes.Equal(bytes.Join(loan.Pieces, nil), make([]byte, 299999)) {
		t.Errorf("%d pieces, %v, %v", len(loan.Pieces), ok, err)
	}
	loan.Return()
	if ok, err := v.Slices(ctx, e, &loan, 0, 1<<20, 2); ok || err != nil || len(loan.Pieces) > 0 {
		t.Errorf("in two pieces: %v, %v", ok, err)
	}
}

// Held gives a small file's bytes if they are in memory, and leaves alone what is
// damaged.
func TestHeld(t *testing.T) {
	h := &holding{Store: treetest.New(), away: map[index.ID]bool{}}
	content := bytes.Repeat([]byte("small"), 100)
	root := mustBuild(t, h.Store, treetest.Dir("",
		treetest.File("inline", "a few bytes"), treetest.File("one", string(content)),
		treetest.File("many", string(bytes.Repeat([]byte("large"), 1000))), treetest.File("none", ""),
		treetest.Symlink("link", "one")), 1000)
	v := view.New(h, root, view.Options{})
	look := func(name string) view.Entry {
		e, err := v.Resolve(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for name, want := range map[string]string{"inline": "a few bytes", "one": string(content), "many": string(bytes.Repeat([]byte("large"), 1000)), "none": "", "link": ""} {
		var loan view.Loan
		if ok := v.Held(look(name), &loan); string(bytes.Join(loan.Pieces, nil)) != want || ok != (want != "") {
			t.Errorf("%s: %d pieces, %v", name, len(loan.Pieces), ok)
		}
		if loan.Return(); h.lent != 0 {
			t.Errorf("%s: %d blobs are not given back", name, h.lent)
		}
	}
	var loan view.Loan
	many := look("many")
	h.away[many.Content.Parts[3].ID] = true
	if v.Held(many, &loan) || len(loan.Pieces) > 0 || h.lent != 0 {
		t.Errorf("one part is not in memory: %d pieces, %d blobs lent", len(loan.Pieces), h.lent)
	}
	one := look("one")
	h.away[one.Content.Parts[0].ID] = true
	if v.Held(one, &loan) || len(loan.Pieces) > 0 {
		t.Errorf("what is not in memory: %d pieces", len(loan.Pieces))
	}
	clear(h.away)
	h.Forge(index.Data, one.Content.Parts[0].ID, []byte("too short"))
	if v.Held(one, &loan) || len(loan.Pieces) > 0 || h.lent != 0 {
		t.Errorf("a blob of another length: %d pieces", len(loan.Pieces))
	}
	if view.New(h.Store, root, view.Options{}).Held(one, &loan) {
		t.Error("of a loader that cannot say what it has")
	}
}
