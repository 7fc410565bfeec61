package parity_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"runtime"
	"testing"

	"garret/store/object"
	"garret/store/parity"
	"garret/store/parity/leopard"
)

const pack = 32 << 20

// sizes are those at which something changes: the symbols' padding, one cell
// and two, as much parity as data and less, plates that tell all and parts, any
// units that tell the table and a third of them.
var sizes = []int{
	1, 63, 64, 65, 1000, 1024, 4032, 4033, 4095, 4096, 4097, 8192, 8193, 3 * 4096, 17*4096 + 5, 18 * 4096, 18*4096 + 1,
	32 * 4096, 46*4096 - 1, 46 * 4096, 46*4096 + 1, 100 * 4096, 360 * 4096, 361 * 4096, 400*4096 + 77, 1024 * 4096, 1024*4096 + 1, 1100*4096 - 9,
}

// one is a protected object with its parity.
type one struct {
	params       parity.Params
	data, parity []byte
}

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 5)) }

func noise(r *rand.Rand, n int) []byte {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(r.Uint32())
	}
	b := make([]byte, n)
	rand.NewChaCha8(seed).Read(b)
	return b
}

func protect(t testing.TB, r *rand.Rand, size, percent int) one {
	t.Helper()
	o := one{params: parity.Params{Of: object.Pack, ID: [16]byte(noise(r, 16)), Percent: percent}, data: noise(r, size)}
	before := bytes.Clone(o.data)
	var err error
	if o.parity, err = parity.Encode(o.params, o.data, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(o.data, before) {
		t.Fatal("encoding changed the data")
	}
	return o
}

// heals checks that what is left gives both objects back as they were.
func (o one) heals(t testing.TB, data, par []byte, extra func(int) (uint32, bool)) {
	t.Helper()
	p, err := parity.Parse(par)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	if p.Of() != o.params.Of || p.ID() != o.params.ID || p.Size() != int64(len(o.data)) || p.Percent() != o.params.Percent {
		t.Fatalf("parity of %v %x, %d bytes, %d %%", p.Of(), p.ID(), p.Size(), p.Percent())
	}
	healed, err := p.Heal(data, extra)
	if err != nil {
		lost, _ := p.Damage()
		t.Fatalf("heal with %d of %d parity cells lost: %v", lost, p.M(), err)
	}
	if !bytes.Equal(healed, o.data) {
		t.Fatal("healed to other bytes")
	}
	again, err := p.Repair(healed)
	if err != nil {
		t.Fatalf("repair: %v", err)
	}
	if !bytes.Equal(again, o.parity) {
		t.Fatal("the parity object was repaired to other bytes")
	}
	if p, err = parity.Parse(again); err != nil {
		t.Fatal(err)
	}
	if cells, whole := p.Damage(); cells != 0 || !whole {
		t.Fatalf("repaired parity has lost %d cells, whole: %v", cells, whole)
	}
}

func TestUndamaged(t *testing.T) {
	r := source(1)
	for _, size := range sizes {
		for _, percent := range []int{1, 5, 100} {
			o := protect(t, r, size, percent)
			k, m, cell := parity.Cells(int64(size), percent)
			if int64(len(o.parity)) != parity.Size(int64(size), percent) {
				t.Fatalf("size %d: %d bytes of parity, not the %d foretold", size, len(o.parity), parity.Size(int64(size), percent))
			}
			if _, _, err := object.Open(o.parity, object.Parity); err != nil {
				t.Fatalf("size %d: %v", size, err)
			}
			p, err := parity.Parse(o.parity)
			if err != nil {
				t.Fatal(err)
			}
			if cells, whole := p.Damage(); cells != 0 || !whole || p.K() != k || p.M() != m || p.Cell() != cell {
				t.Fatalf("size %d: k %d m %d, %d lost, whole %v", size, p.K(), p.M(), cells, whole)
			}
			if bad := p.Verify(o.data); bad != nil {
				t.Fatalf("size %d: bad cells %v in whole data", size, bad)
			}
			o.heals(t, o.data, o.parity, nil)
			if m >= k {
				o.heals(t, nil, o.parity, nil)
			}
			appended, err := parity.Encode(o.params, o.data, []byte("before"))
			if err != nil || !bytes.Equal(appended, append([]byte("before"), o.parity...)) {
				t.Fatal("appending gives other bytes")
			}
		}
	}
}

// The cells of any size that can be stored fit the code, and cost no more than
// was asked for.
func TestCells(t *testing.T) {
	for _, c := range []struct {
		size       int64
		percent    int
		k, m, cell int
	}{
		{1, 5, 1, 1, 64}, {64, 5, 1, 1, 64}, {65, 5, 1, 1, 128}, {4096, 100, 1, 1, 4096}, {4097, 5, 2, 2, 4096},
		{18 * 4096, 5, 18, 18, 4096}, {19 * 4096, 5, 19, 18, 4096}, {360 * 4096, 5, 360, 18, 4096}, {361 * 4096, 5, 361, 19, 4096},
		{pack, 5, 8192, 410, 4096}, {pack, 100, 8192, 8192, 4096}, {128 << 20, 100, 32768, 32768, 4096},
		{128<<20 + 1, 100, 16385, 16385, 8192}, {1 << 30, 5, 52429, 2622, 20480}, {1<<32 - 1, 1, 61681, 617, 69632},
	} {
		k, m, cell := parity.Cells(c.size, c.percent)
		if k != c.k || m != c.m || cell != c.cell {
			t.Errorf("%d bytes, %d %%: k %d m %d cell %d, want %d, %d, %d", c.size, c.percent, k, m, cell, c.k, c.m, c.cell)
		}
	}
	r := source(2)
	for range 2000 {
		size, percent := 1+r.Int64N(1<<r.IntN(32)), 1+r.IntN(100)
		k, m, cell := parity.Cells(size, percent)
		if k+leopard.Span(m) > leopard.MaxCells || int64(k)*int64(cell) < size || int64(k-1)*int64(cell) >= size || m > k || m < min(k, parity.Fewest) {
			t.Fatalf("%d bytes, %d %%: k %d m %d cell %d", size, percent, k, m, cell)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, percent := range []int{-1, 0, 101} {
		if _, err := parity.Encode(parity.Params{Percent: percent}, []byte{1}, nil); err == nil {
			t.Errorf("parity of %d %% was made", percent)
		}
	}
	if _, err := parity.Encode(parity.Params{Percent: 5}, nil, nil); err == nil {
		t.Error("parity of nothing was made")
	}
}

// Objects written by an earlier program must stay readable.
func TestFrozen(t *testing.T) {
	for _, c := range []struct {
		size, percent int
		want          string
	}{
		{1000, 5, "a1a878f2f2ef1d5824cd3d6d30f735dc5b3fbc11a0130314a317f4c93cf61aa6"},
		{100*4096 + 1, 5, "4947896f7897cadaeec1dd97d5176bdfb237f4aed9f2d9613b7c2845d5823a23"},
		{2000 * 4096, 10, "46fb114747deba51e385af7ee2578901d7fdbf9e0f39b35cd96492efddfe2ea1"},
	} {
		data := make([]byte, c.size)
		x := uint32(1)
		for i := range data {
			x = x*1664525 + 1013904223
			data[i] = byte(x >> 24)
		}
		p := parity.Params{Of: object.Pack, ID: [16]byte([]byte("an id of a pack.")), Percent: c.percent}
		got, err := parity.Encode(p, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(got)
		if hex.EncodeToString(sum[:]) != c.want {
			t.Errorf("parity of %d bytes at %d %%: %x, was %s", c.size, c.percent, sum, c.want)
		}
	}
}

// The file system backs up with less than 150 MiB: parity must not take part of
// that for itself.
func TestMemory(t *testing.T) {
	r := source(3)
	data := noise(r, pack)
	dst := make([]byte, 0, parity.Size(pack, 5))
	p := parity.Params{Of: object.Pack, Percent: 5}
	measure := func(f func()) (mallocs, size uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc
	}
	mallocs, size := measure(func() {
		if _, err := parity.Encode(p, data, dst); err != nil {
			t.Fatal(err)
		}
	})
	if mallocs > 200 || size > 5<<20 {
		t.Errorf("encoding a pack took %d allocations, %d bytes", mallocs, size)
	}
	whole, err := parity.Encode(p, data, dst)
	if err != nil {
		t.Fatal(err)
	}
	clear(data[:parity.Sector*400])
	mallocs, size = measure(func() {
		o, err := parity.Parse(whole)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Heal(data, nil); err != nil {
			t.Fatal(err)
		}
	})
	if mallocs > 1000 || size > pack+16<<20 {
		t.Errorf("healing a pack took %d allocations, %d bytes", mallocs, size)
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"1KiB", 1 << 10}, {"64KiB", 64 << 10}, {"32MiB", pack}} {
		b.Run(c.name, func(b *testing.B) {
			data, dst := noise(source(1), c.size), make([]byte, 0, parity.Size(int64(c.size), 5))
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parity.Encode(parity.Params{Of: object.Pack, Percent: 5}, data, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHeal(b *testing.B) {
	for _, lost := range []int{1, 410} {
		o := protect(b, source(1), pack, 5)
		b.Run(map[int]string{1: "1-of-8192", 410: "410-of-8192"}[lost], func(b *testing.B) {
			p, err := parity.Parse(o.parity)
			if err != nil {
				b.Fatal(err)
			}
			for i := range lost {
				clear(o.data[i*(8192/lost)*parity.Sector:][:parity.Sector])
			}
			b.SetBytes(pack)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Heal(o.data, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
