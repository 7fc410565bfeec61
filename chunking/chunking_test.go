package chunking

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

var (
	testGear = [32]byte{1, 2, 3}
	testCut  = [16]byte{4, 5, 6}
)

// small is cut often, so that tests are quick.
var small = Params{Algorithm: FastCDC, Min: 4 * kib, Avg: 16 * kib, Max: 64 * kib}

func chunker(t testing.TB, p Params) *Chunker {
	t.Helper()
	c, err := New(p, testGear, testCut)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func random(n int, seed byte) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

// cutAll returns the sizes of the chunks of data.
func cutAll(t testing.TB, c *Chunker, data []byte) []int {
	t.Helper()
	var sizes []int
	for len(data) > 0 {
		n := c.Cut(data)
		if n <= 0 || n > len(data) || n > c.params.Max || n < c.params.Min && n < len(data) {
			t.Fatalf("a chunk of %d of %d bytes", n, len(data))
		}
		sizes = append(sizes, n)
		data = data[n:]
	}
	return sizes
}

func TestParams(t *testing.T) {
	for _, v := range []struct {
		p  Params
		ok bool
	}{
		{Default(), true},
		{Params{FastCDC, 1 * kib, 2 * kib, 4 * kib, 0}, true},
		{Params{FastCDC, 2 * mib, 4 * mib, 8 * mib, 0}, true},
		{Params{FastCDC, 1*kib - 1, 2 * kib, 4 * kib, 0}, false},
		{Params{FastCDC, 1 * kib, 2*kib - 1, 4 * kib, 0}, false},
		{Params{FastCDC, 1 * kib, 2 * kib, 4*kib - 1, 0}, false},
		{Params{FastCDC, 2 * mib, 4 * mib, 8*mib + 1, 0}, false},
		{Params{FastCDC, -1, -1, -1, 0}, false},
		{Params{FastCDC, 4 * kib, 16 * kib, 64 * kib, 4 * kib}, true},
		{Params{FastCDC, 4 * kib, 16 * kib, 64 * kib, 4*kib - 1}, false},
		{Params{FastCDC, 4 * kib, 16 * kib, 64 * kib, 16 * kib}, false},
		{Params{FastCDC, 4 * kib, 16 * kib, 64 * kib, -1}, false},
		{Average(1 * mib), true},
		{Average(8 * kib), true},
		{Average(4 * kib), true},
		{Params{Fixed, 4 * kib, 4 * kib, 4 * kib, 4 * kib}, false},
		{Params{Fixed, 0, 4 * kib, 4 * kib, 0}, true},
		{Params{Fixed, 4 * kib, 4 * kib, 4 * kib, 0}, true},
		{Params{Fixed, 0, 512, 512, 0}, true},
		{Params{Fixed, 0, 511, 511, 0}, false},
		{Params{Fixed, 0, 8 * mib, 8 * mib, 0}, true},
		{Params{Fixed, 0, 8*mib + 1, 8*mib + 1, 0}, false},
		{Params{Fixed, 0, 4 * kib, 8 * kib, 0}, false},
		{Params{Fixed, 2 * kib, 4 * kib, 4 * kib, 0}, false},
		{Params{"", 128 * kib, 512 * kib, 2 * mib, 0}, false},
	} {
		err := v.p.Validate()
		if (err == nil) != v.ok || err != nil && !errors.Is(err, ErrParams) {
			t.Errorf("%+v: %v", v.p, err)
		}
		c, err := New(v.p, testGear, testCut)
		if (err == nil) != v.ok || err == nil && c.Params() != v.p {
			t.Errorf("New(%+v): %v", v.p, err)
		}
	}
}

// The parameters stand in the repository's config under these names.
// Programs are cut as a chunker of their size would cut them, and nothing else
// is.
func TestPrograms(t *testing.T) {
	c := chunker(t, Params{FastCDC, 16 * kib, 64 * kib, 256 * kib, 8 * kib})
	fine := chunker(t, Params{FastCDC, 2 * kib, 8 * kib, 32 * kib, 0})
	data := random(2*mib, 7)
	for head, program := range map[string]bool{
		"\x7fELF": true, "\xfe\xed\xfa\xcf": true, "\xcf\xfa\xed\xfe": true, "\xca\xfe\xba\xbe": true, "MZ\x90\x00": true,
		"!<arch>\n/       ": true, "!<arch>\ndebian-b": false, "!<arch> ": false,
		"\x7fELG": false, "ELF\x7f": false, "#!/b": false, "\x00\x00\x00\x00": false, "\x7fEL": false, "": false,
	} {
		want := c
		if program {
			want = fine
		}
		if len(head) < 4 {
			if c.For([]byte(head)) != c {
				t.Errorf("%q is taken for a program", head)
			}
			continue
		}
		copy(data, head)
		if got := cutAll(t, c.For(data), data); !slices.Equal(got, cutAll(t, want, data)) {
			t.Errorf("%q: cut at %d places", head, len(got))
		}
	}
	fixed := chunker(t, Params{Fixed, 0, 4 * kib, 4 * kib, 0})
	if fixed.For([]byte("\x7fELF")) != fixed {
		t.Error("fixed chunks of a program have a size of their own")
	}
}

func TestParamsJSON(t *testing.T) {
	const want = `{"algorithm":"fastcdc","min":32768,"avg":131072,"max":524288,"programs":16384}`
	got, err := json.Marshal(Default())
	if err != nil || string(got) != want {
		t.Fatalf("%s, %v", got, err)
	}
	var p Params
	if err := json.Unmarshal(got, &p); err != nil || p != Default() {
		t.Fatalf("%+v, %v", p, err)
	}
}

func TestBoundarySizes(t *testing.T) {
	for _, p := range []Params{small, {Fixed, 0, 4 * kib, 4 * kib, 0}, {FastCDC, 1 * kib, 2 * kib, 4 * kib, 0}} {
		c := chunker(t, p)
		data := random(3*p.Max, 9)
		for _, size := range []int{0, 1, p.Min, p.Avg, c.pivot, p.Max, 2 * p.Max} {
			for n := max(0, size-1); n <= size+1; n++ {
				sizes := cutAll(t, c, data[:n])
				if n <= p.Min && len(sizes) > 1 || n == 0 && len(sizes) != 0 {
					t.Errorf("%+v: %d bytes in %d chunks", p, n, len(sizes))
				}
			}
		}
	}
}

func TestFixed(t *testing.T) {
	c := chunker(t, Params{Fixed, 0, 4 * kib, 4 * kib, 0})
	if got := cutAll(t, c, random(10000, 1)); !slices.Equal(got, []int{4096, 4096, 1808}) {
		t.Fatal(got)
	}
}

// reference is the definition of a cut in the plainest words, for comparison
// with the fast loop.
func reference(c *Chunker, data []byte) int {
	for n := c.params.Min; n < len(data) && n < c.params.Max; n++ {
		var h uint64
		for _, b := range data[n-64 : n] {
			h = h*2 + c.gear[b]
		}
		threshold := c.rare
		if n >= c.pivot {
			threshold = c.likely
		}
		if h < c.propose && c.verdict(h, make([]byte, 16)) < threshold {
			return n
		}
	}
	return min(len(data), c.params.Max)
}

func TestCutIsAsDefined(t *testing.T) {
	for _, p := range []Params{small, {FastCDC, 1 * kib, 2 * kib, 4 * kib, 0}} {
		c := chunker(t, p)
		for seed, data := range [][]byte{random(100*kib, 1), text(100*kib, 2), periodic(70*kib, 3), periodic(70*kib, 40)} {
			for len(data) > 0 {
				n := c.Cut(data)
				if want := reference(c, data); n != want {
					t.Fatalf("data %d, %d bytes left: cut at %d, not %d", seed, len(data), n, want)
				}
				data = data[n:]
			}
		}
	}
}

// text has little entropy a byte, as most content has.
func text(n int, seed byte) []byte {
	data := random(n, seed)
	for i := range data {
		data[i] = "etaoinsh"[data[i]&7]
	}
	return data
}

func periodic(n, period int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i % period)
	}
	return data
}

// A snapshot of sparse or wiped space must cost little and deduplicate, with
// every key.
func TestRunsAreCutAtMax(t *testing.T) {
	for key := range byte(8) {
		for _, p := range []Params{Default(), small, {FastCDC, 1 * kib, 2 * kib, 4 * kib, 0}} {
			c, err := New(p, [32]byte{key}, [16]byte{key})
			if err != nil {
				t.Fatal(err)
			}
			data := make([]byte, p.Max+1)
			for _, value := range []byte{0, 0xff, key} {
				for i := range data {
					data[i] = value
				}
				if n := c.Cut(data); n != p.Max {
					t.Fatalf("a run of %#x: cut at %d of %d", value, n, p.Max)
				}
			}
		}
	}
}

// Sizes must be what the parameters promise: the index is planned by them.
func TestDistribution(t *testing.T) {
	if testing.Short() {
		t.Skip("32 MiB of random data")
	}
	c := chunker(t, small)
	sizes := cutAll(t, c, random(32*mib, 1))
	var outer, top int
	for _, n := range sizes {
		if n < small.Avg/2 || n > 2*small.Avg {
			outer++
		}
		if n == small.Max {
			top++
		}
	}
	mean := float64(32*mib) / float64(len(sizes)) / float64(small.Avg)
	t.Logf("%d chunks, mean %.3f of the average, %.1f %% far from it", len(sizes), mean, 100*float64(outer)/float64(len(sizes)))
	if mean < 0.95 || mean > 1.05 {
		t.Errorf("the mean is %.3f of the average", mean)
	}
	if outer*10 > len(sizes) {
		t.Errorf("%d of %d chunks are less than half or more than twice the average", outer, len(sizes))
	}
	if top*100 > len(sizes) {
		t.Errorf("%d of %d chunks are cut at the maximum", top, len(sizes))
	}
}

// An insertion must leave the chunks after it as they were, or nothing would
// deduplicate.
func TestInsertionChangesFewChunks(t *testing.T) {
	data := random(32*mib, 2)
	for _, p := range []Params{Default(), small} {
		c := chunker(t, p)
		old := make(map[[32]byte]bool)
		for rest := data; len(rest) > 0; {
			n := c.Cut(rest)
			old[sha256.Sum256(rest[:n])] = true
			rest = rest[n:]
		}
		differ := 0
		for rest := slices.Concat([]byte("ten bytes!"), data); len(rest) > 0; {
			n := c.Cut(rest)
			if !old[sha256.Sum256(rest[:n])] {
				differ++
			}
			rest = rest[n:]
		}
		if differ > 3 {
			t.Errorf("%+v: %d of %d chunks differ", p, differ, len(old))
		}
	}
}

// Without both keys nobody may know where content is cut.
func TestKeysMatter(t *testing.T) {
	data := random(4*mib, 3)
	a := cutAll(t, chunker(t, small), data)
	for name, keys := range map[string]func() ([32]byte, [16]byte){
		"gear": func() ([32]byte, [16]byte) { g := testGear; g[31] ^= 1; return g, testCut },
		"cut":  func() ([32]byte, [16]byte) { k := testCut; k[15] ^= 1; return testGear, k },
	} {
		gear, cut := keys()
		c, err := New(small, gear, cut)
		if err != nil {
			t.Fatal(err)
		}
		b := cutAll(t, c, data)
		if common := shared(a, b); common > len(a)/10 {
			t.Errorf("another %s key: %d of %d cuts are the same", name, common, len(a))
		}
	}
}

// shared counts the cuts that two lists of chunk sizes have in common, the last
// one apart.
func shared(a, b []int) (n int) {
	at := make(map[int]bool)
	for i, sum := 0, 0; i < len(a)-1; i++ {
		sum += a[i]
		at[sum] = true
	}
	for i, sum := 0, 0; i < len(b)-1; i++ {
		sum += b[i]
		if at[sum] {
			n++
		}
	}
	return n
}

// The cuts may never change: what was stored before would be stored again.
func TestFrozenCuts(t *testing.T) {
	for _, v := range []struct {
		p    Params
		want string
	}{
		{Default(), "145087c94fb3aec9"},
		{Params{FastCDC, 128 * kib, 512 * kib, 2 * mib, 0}, "426592d4e732e6ab"},
		{small, "8d808f528594fb3e"},
		{Params{FastCDC, 1 * kib, 2 * kib, 4 * kib, 0}, "79684198f8afd216"},
	} {
		data := slices.Concat(random(8*mib, 4), make([]byte, 3*mib), text(5*mib, 5))
		sizes := cutAll(t, chunker(t, v.p), data)
		sum := sha256.Sum256(fmt.Append(nil, sizes))
		if got := hex.EncodeToString(sum[:8]); got != v.want {
			t.Errorf("%+v: %s, %d chunks %v…", v.p, got, len(sizes), sizes[:min(len(sizes), 20)])
		}
	}
}
