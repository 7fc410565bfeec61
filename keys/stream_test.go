package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

func pattern(n int) []byte {
	p := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(p)
	return p
}

var streamSizes = []int{0, 1, 100, pageSize - 1, pageSize, pageSize + 1, 2*pageSize - 1, 2 * pageSize, 2*pageSize + 1, 5*pageSize + 17}

func mustSeal(t testing.TB, k *Put, name string, plain []byte) []byte {
	t.Helper()
	sealed, err := k.Seal(IndexKey, name, []byte("aad"), plain)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// openBoth opens an object whole and as a stream, and requires both to agree
// on whether it may be opened.
func openBoth(t testing.TB, k *Put, name string, sealed []byte) ([]byte, error) {
	t.Helper()
	whole, err := k.Open(IndexKey, name, []byte("aad"), sealed)
	if err != nil && (whole != nil || !errors.Is(err, ErrAuthentication)) {
		t.Errorf("%d bytes with error %v", len(whole), err)
	}
	var streamed []byte
	r, serr := k.OpenReader(IndexKey, name, []byte("aad"), bytes.NewReader(sealed))
	if serr == nil {
		streamed, serr = io.ReadAll(r)
	}
	if (err == nil) != (serr == nil) || err == nil && !bytes.Equal(whole, streamed) {
		t.Errorf("Open: %v; OpenReader: %v", err, serr)
	}
	if serr != nil && !errors.Is(serr, ErrAuthentication) {
		t.Errorf("OpenReader: %v", serr)
	}
	return whole, err
}

func TestSealedObjects(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite) {
		k := &generate(t, s).Put
		for _, n := range streamSizes {
			plain := pattern(n)
			sealed := mustSeal(t, k, "index/1", plain)
			if int64(len(sealed)) != SealedSize(int64(n)) {
				t.Errorf("%d bytes became %d, not %d", n, len(sealed), SealedSize(int64(n)))
			}
			if got, err := openBoth(t, k, "index/1", sealed); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes: %v", n, err)
			}
			if again := mustSeal(t, k, "index/1", plain); bytes.Equal(again[:sealedHeadSize], sealed[:sealedHeadSize]) {
				t.Errorf("%d bytes: a salt is used twice", n)
			}
		}
	})
}

func TestSealedObjectsAreBound(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite) {
		k := &generate(t, s).Put
		sealed := mustSeal(t, k, "index/1", []byte("segment"))
		other := *k
		other.repository[0]++
		later := *k
		later.epoch++
		for what, open := range map[string]func() ([]byte, error){
			"name":       func() ([]byte, error) { return k.Open(IndexKey, "index/2", []byte("aad"), sealed) },
			"aad":        func() ([]byte, error) { return k.Open(IndexKey, "index/1", []byte("aae"), sealed) },
			"shifted":    func() ([]byte, error) { return k.Open(IndexKey, "index/1a", []byte("ad"), sealed) },
			"purpose":    func() ([]byte, error) { return k.Open(ListKey, "index/1", []byte("aad"), sealed) },
			"repository": func() ([]byte, error) { return other.Open(IndexKey, "index/1", []byte("aad"), sealed) },
			"epoch":      func() ([]byte, error) { return later.Open(IndexKey, "index/1", []byte("aad"), sealed) },
			"keys":       func() ([]byte, error) { return generate(t, s).Open(IndexKey, "index/1", []byte("aad"), sealed) },
		} {
			if got, err := open(); !errors.Is(err, ErrAuthentication) || got != nil {
				t.Errorf("another %s opens it: %v", what, err)
			}
		}
	})
}

func TestChangedObjectsDoNotOpen(t *testing.T) {
	forSuites(t, func(t *testing.T, s Suite) {
		k := &generate(t, s).Put
		const pages = 3
		plain := pattern(pages * pageSize)
		sealed := mustSeal(t, k, "index/1", plain)
		page := func(i int) []byte { return sealed[sealedHeadSize+i*sealedPageSize:][:sealedPageSize] }
		join := func(parts ...[]byte) []byte {
			return slices.Concat(append([][]byte{sealed[:sealedHeadSize]}, parts...)...)
		}
		twin := mustSeal(t, k, "index/1", plain)
		cases := map[string][]byte{
			"nothing":           nil,
			"salt alone":        sealed[:sealedHeadSize],
			"part of the salt":  sealed[:sealedHeadSize-1],
			"part of a tag":     sealed[:sealedHeadSize+tagSize-1],
			"cut by a byte":     sealed[:len(sealed)-1],
			"cut after page 0":  join(page(0)),
			"cut after page 1":  join(page(0), page(1)),
			"cut in page 2":     join(page(0), page(1), page(2)[:tagSize]),
			"first page lost":   join(page(1), page(2)),
			"middle page lost":  join(page(0), page(2)),
			"pages swapped":     join(page(1), page(0), page(2)),
			"page twice":        join(page(0), page(0), page(1), page(2)),
			"last page twice":   join(page(0), page(1), page(2), page(2)),
			"a byte follows":    append(bytes.Clone(sealed), 0),
			"a tag follows":     append(bytes.Clone(sealed), make([]byte, tagSize)...),
			"another's page":    join(page(0), twin[sealedHeadSize+sealedPageSize:][:sealedPageSize], page(2)),
			"another's salt":    append(bytes.Clone(twin[:sealedHeadSize]), sealed[sealedHeadSize:]...),
			"an empty last one": emptyLastPage(t, k, plain[:pageSize]),
		}
		for _, i := range []int{0, sealedHeadSize - 1, sealedHeadSize, sealedHeadSize + pageSize, sealedHeadSize + sealedPageSize, len(sealed) - tagSize, len(sealed) - 1} {
			bad := bytes.Clone(sealed)
			bad[i] ^= 0x80
			cases[fmt.Sprintf("byte %d changed", i)] = bad
		}
		for what, bad := range cases {
			if _, err := openBoth(t, k, "index/1", bad); !errors.Is(err, ErrAuthentication) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := openBoth(t, k, "index/1", sealed); err != nil {
			t.Errorf("unchanged: %v", err)
		}
	})
}

// emptyLastPage seals one full page as not the last and an empty one after
// it, which no writer does: a message would have two forms.
func emptyLastPage(t *testing.T, k *Put, page []byte) []byte {
	o, err := k.object(IndexKey, "index/1", []byte("aad"))
	if err != nil {
		t.Fatal(err)
	}
	head := o.newHead(nil)
	aead, err := o.aead(head[4:])
	if err != nil {
		t.Fatal(err)
	}
	first, last := pageNonce(0, false), pageNonce(1, true)
	return aead.Seal(aead.Seal(head, first[:], page, nil), last[:], nil, nil)
}

func TestPageNonce(t *testing.T) {
	if got := pageNonce(0x0102030405060708, true); got != [12]byte{3: 1, 4: 2, 5: 3, 6: 4, 7: 5, 8: 6, 9: 7, 10: 8, 11: 1} {
		t.Errorf("%x", got)
	}
	if got := pageNonce(1, false); got != [12]byte{10: 1} {
		t.Errorf("%x", got)
	}
}

func TestUnknownPurpose(t *testing.T) {
	k := &generate(t, SuiteNone).Put
	for _, p := range []Purpose{0, 3} {
		if _, err := k.Seal(p, "n", nil, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("%d: %v", p, err)
		}
		if _, err := k.Open(p, "n", nil, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("%d: %v", p, err)
		}
		if _, err := k.SealWriter(p, "n", nil, io.Discard); !errors.Is(err, ErrInvalid) {
			t.Errorf("%d: %v", p, err)
		}
		if _, err := k.OpenReader(p, "n", nil, zeros{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%d: %v", p, err)
		}
	}
}

// An object that was sealed in another key epoch says so, before anything is
// taken for damage.
func TestSealedEpoch(t *testing.T) {
	k := generate(t, SuiteAES256GCM)
	sealed := mustSeal(t, &k.Put, "index/1", []byte("plain"))
	sealed[0]++
	if _, err := k.Open(IndexKey, "index/1", []byte("aad"), sealed); !errors.Is(err, ErrEpoch) || !errors.Is(err, ErrAuthentication) {
		t.Errorf("%v", err)
	}
}
