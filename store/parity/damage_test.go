package parity_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"garret/store/object"
	"garret/store/parity"
)

// spoil changes n bytes of b at at, in one of the ways in which storage does:
// noise, zeros, one bit.
func spoil(r *rand.Rand, b []byte, at, n int) {
	b = b[at:min(at+n, len(b))]
	switch r.IntN(3) {
	case 0:
		copy(b, noise(r, len(b)))
	case 1:
		clear(b)
	case 2:
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	}
}

// units returns where in its parity object an object's units begin, how many
// there are, and how the two are divided.
func units(o one) (at, n, k, m, cell int) {
	k, m, cell = parity.Cells(int64(len(o.data)), o.params.Percent)
	if k == 1 {
		return object.HeaderSize + 44 + 64 + 4, 1, k, m, cell
	}
	return 0, len(o.parity) / cell, k, m, cell
}

// Any m cells may be lost, wherever they lie, here and there together.
func TestAnyCells(t *testing.T) {
	type pattern func(r *rand.Rand, n, lose int) []int
	patterns := map[string]pattern{
		"random":     func(r *rand.Rand, n, lose int) []int { return r.Perm(n)[:lose] },
		"contiguous": func(r *rand.Rand, n, lose int) []int { return run(r.IntN(n-lose+1), lose) },
		"first":      func(r *rand.Rand, n, lose int) []int { return run(0, lose) },
		"last":       func(r *rand.Rand, n, lose int) []int { return run(n-lose, lose) },
	}
	check := func(t *testing.T, size, percent, runs int) {
		for run := range runs {
			seed := rand.Uint64()
			r := source(seed)
			o := protect(t, r, size, percent)
			at, n, k, m, cell := units(o)
			for name, lost := range patterns {
				data, par := bytes.Clone(o.data), bytes.Clone(o.parity)
				lose := m - r.IntN(2)*r.IntN(m)
				for _, i := range lost(r, k+n, lose) {
					if i < k {
						spoil(r, data, i*cell, cell)
					} else {
						spoil(r, par, at+(i-k)*cell, cell)
					}
				}
				t.Run(fmt.Sprintf("%d bytes/%d %%/%s/run %d/seed %d", size, percent, name, run, seed), func(t *testing.T) {
					o.heals(t, data, par, nil)
				})
			}
		}
	}
	for _, size := range sizes {
		check(t, size, 5, 2)
	}
	check(t, 700*4096-1, 1, 2)
	check(t, 700*4096-1, 33, 2)
	check(t, 300*4096-1, 100, 2)
	check(t, pack, 5, 1)
}

func run(from, n int) []int {
	var is []int
	for i := range n {
		is = append(is, from+i)
	}
	return is
}

// One cell more than there is parity for must never give other bytes.
func TestOneTooMany(t *testing.T) {
	for _, size := range sizes {
		seed := rand.Uint64()
		r := source(seed)
		o := protect(t, r, size, 5)
		at, n, k, m, cell := units(o)
		data, par := bytes.Clone(o.data), bytes.Clone(o.parity)
		for _, i := range r.Perm(k)[:min(k, m+1)] {
			data[i*cell] ^= 1
		}
		if m == k { // then as many units as make one parity cell too few
			for _, u := range r.Perm(n)[:n-m+1] {
				par[at+u*cell] ^= 1
			}
		}
		p, err := parity.Parse(par)
		if err != nil {
			t.Fatalf("%d bytes, seed %d: %v", size, seed, err)
		}
		if healed, err := p.Heal(data, nil); !errors.Is(err, parity.ErrTooDamaged) || !errors.Is(err, object.ErrDamaged) || healed != nil {
			t.Errorf("%d bytes, seed %d: %d cells lost, healed to %d bytes, %v", size, seed, m+1, len(healed), err)
		}
		if _, err := p.Repair(data); !errors.Is(err, object.ErrDamaged) {
			t.Errorf("%d bytes, seed %d: parity made anew of damaged data: %v", size, seed, err)
		}
		if len(p.Verify(data)) == 0 {
			t.Errorf("%d bytes, seed %d: damage not seen", size, seed)
		}
	}
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Everything that happens to files, to a full pack and to smaller ones: the
// damage to the pack takes at most all the parity but what the damage to the
// parity object takes.
func TestFaults(t *testing.T) {
	const k64 = 64 << 10
	faults := []struct {
		name  string
		cells int // that it costs at most
		do    func(r *rand.Rand, b []byte) []byte
	}{
		{"nothing", 0, func(r *rand.Rand, b []byte) []byte { return b }},
		{"first 64 KiB zeroed", 16, func(r *rand.Rand, b []byte) []byte { clear(b[:k64]); return b }},
		{"first 64 KiB cut off", 16, func(r *rand.Rand, b []byte) []byte { return b[k64:] }},
		{"first odd bytes cut off", 16, func(r *rand.Rand, b []byte) []byte { return b[1+r.IntN(k64):] }},
		{"last 64 KiB truncated", 17, func(r *rand.Rand, b []byte) []byte { return b[:len(b)-k64] }},
		{"truncated to a sector", 17, func(r *rand.Rand, b []byte) []byte { return b[:(len(b)-k64+4095)/4096*4096] }},
		{"last byte lost", 1, func(r *rand.Rand, b []byte) []byte { return b[:len(b)-1] }},
		{"grown", 0, func(r *rand.Rand, b []byte) []byte { return append(b, noise(r, 1+r.IntN(k64))...) }},
		{"grown at the front", 0, func(r *rand.Rand, b []byte) []byte { return cat(noise(r, 1+r.IntN(k64)), b) }},
		{"bytes inserted", 1, func(r *rand.Rand, b []byte) []byte {
			at := r.IntN(len(b))
			return cat(b[:at], noise(r, 1+r.IntN(k64)), b[at:])
		}},
		{"bytes removed", 17, func(r *rand.Rand, b []byte) []byte {
			at := r.IntN(len(b) - k64)
			return cat(b[:at], b[at+1+r.IntN(k64):])
		}},
		{"cut off and then grown to its size", 0, func(r *rand.Rand, b []byte) []byte {
			return cat(b, noise(r, 1))[:len(b)]
		}},
		{"8 bursts of 4 KiB", 16, func(r *rand.Rand, b []byte) []byte {
			for range 8 {
				spoil(r, b, r.IntN(len(b)), 4096)
			}
			return b
		}},
		{"a bit in every megabyte", 34, func(r *rand.Rand, b []byte) []byte {
			for at := 0; at < len(b); at += 1 << 20 {
				b[at+r.IntN(min(1<<20, len(b)-at))] ^= 1
			}
			return b
		}},
	}
	parityFaults := []struct {
		name  string
		cells int
		do    func(r *rand.Rand, b []byte) []byte
	}{
		{"nothing", 0, func(r *rand.Rand, b []byte) []byte { return b }},
		{"head zeroed", 2, func(r *rand.Rand, b []byte) []byte { clear(b[:min(4097, len(b)/3)]); return b }},
		{"tail zeroed", 1, func(r *rand.Rand, b []byte) []byte { clear(b[len(b)-min(4096, len(b)/4):]); return b }},
		{"head cut off", 2, func(r *rand.Rand, b []byte) []byte { return b[1+r.IntN(4097):] }},
		{"tail truncated", 2, func(r *rand.Rand, b []byte) []byte { return b[:len(b)-1-r.IntN(4096)] }},
		{"grown at both ends", 0, func(r *rand.Rand, b []byte) []byte {
			return cat(noise(r, 1+r.IntN(5000)), b, noise(r, 1+r.IntN(5000)))
		}},
		{"bytes inserted", 1, func(r *rand.Rand, b []byte) []byte {
			at := r.IntN(len(b))
			return cat(b[:at], []byte("x"), b[at:])
		}},
		{"a burst", 2, func(r *rand.Rand, b []byte) []byte { spoil(r, b, r.IntN(len(b)), 4096); return b }},
	}
	check := func(t *testing.T, size int) {
		seed := rand.Uint64()
		o := protect(t, source(seed), size, 5)
		_, _, _, m, _ := units(o)
		for i, f := range faults {
			for j, pf := range parityFaults {
				if f.cells+pf.cells > m || size >= pack-4096 && (i+j)%len(parityFaults) != int(seed%8) {
					continue // a full pack takes its time: one pair of each
				}
				t.Run(fmt.Sprintf("%d/%s/parity %s/seed %d", size, f.name, pf.name, seed), func(t *testing.T) {
					r := source(seed)
					data := f.do(r, bytes.Clone(o.data))
					o.heals(t, data, pf.do(r, bytes.Clone(o.parity)), nil)
					p, err := parity.Parse(o.parity)
					if err != nil {
						t.Fatal(err)
					}
					if same := bytes.Equal(data, o.data); same != (len(p.Verify(data)) == 0) {
						t.Errorf("the same: %v, bad cells %v", same, p.Verify(data))
					}
				})
			}
		}
	}
	for _, size := range []int{40 * 4096, 100*4096 + 5, 760*4096 - 1} {
		check(t, size)
	}
	check(t, pack-77)
}

// What issue 5 asks of a full pack at 5 %: 40 bad sectors' worth of bursts and
// a megabyte in one piece, all at once, while the parity object suffers too.
func TestBurstsAndMegabyte(t *testing.T) {
	for run := range 2 {
		seed := rand.Uint64()
		r := source(seed)
		o := protect(t, r, pack, 5)
		data, par := bytes.Clone(o.data), bytes.Clone(o.parity)
		for range 40 {
			spoil(r, data, r.IntN(pack-4096), 4096)
		}
		at := r.IntN(pack - 1<<20)
		clear(data[at : at+1<<20])
		for range 20 {
			spoil(r, par, r.IntN(len(par)), 4096)
		}
		t.Run(fmt.Sprintf("run %d/seed %d", run, seed), func(t *testing.T) { o.heals(t, data, par, nil) })
	}
}

// A bad sector anywhere in the parity object costs one cell at most.
func TestEverySector(t *testing.T) {
	for _, size := range []int{2 * 4096, 20 * 4096, 400 * 4096, 1500 * 4096} {
		o := protect(t, source(7), size, 5)
		for at := 0; at < len(o.parity); at += parity.Sector {
			par := bytes.Clone(o.parity)
			clear(par[at:min(at+parity.Sector, len(par))])
			p, err := parity.Parse(par)
			if err != nil {
				t.Fatalf("%d bytes, sector at %d: %v", size, at, err)
			}
			if cells, whole := p.Damage(); cells > 1 || whole {
				t.Errorf("%d bytes, sector at %d: %d cells lost, whole: %v", size, at, cells, whole)
			}
			if again, err := p.Repair(o.data); err != nil || !bytes.Equal(again, o.parity) {
				t.Errorf("%d bytes, sector at %d: repair: %v", size, at, err)
			}
		}
	}
}

// collide changes bytes of a cell so that its CRC32C stays: by a multiple of
// the CRC's polynomial.
func collide(cell []byte) {
	multiple := uint64(0x82F63B78)<<1 | 1
	for i := range 5 {
		cell[100+i] ^= byte(multiple >> (8 * i))
	}
}

// A cell that changed and kept its CRC must not become part of a file, whether
// others are lost or not.
func TestCollision(t *testing.T) {
	for _, size := range []int{10 * 4096, 400 * 4096} {
		for lost := range 4 {
			o := protect(t, source(9), size, 5)
			data := bytes.Clone(o.data)
			collide(data[3*4096 : 4*4096])
			if bytes.Equal(data, o.data) || crc32.Checksum(data[3*4096:4*4096], object.Castagnoli) != crc32.Checksum(o.data[3*4096:4*4096], object.Castagnoli) {
				t.Fatal("that is no collision")
			}
			for i := range lost {
				clear(data[(5+i)*4096:][:4096])
			}
			p, err := parity.Parse(o.parity)
			if err != nil {
				t.Fatal(err)
			}
			if healed, err := p.Heal(data, nil); !errors.Is(err, object.ErrDamaged) {
				t.Errorf("size %d, %d lost: a cell with a forged CRC: %v, the original: %v", size, lost, err, bytes.Equal(healed, o.data))
			}
		}
	}
}

// A protected object may be anything, such as a copy of a parity object.
func TestParityOfParity(t *testing.T) {
	r := source(11)
	inner := protect(t, r, 700, 5)
	outer := one{params: parity.Params{Of: object.Snapshot, ID: [16]byte(noise(r, 16)), Percent: 5}, data: inner.parity}
	var err error
	if outer.parity, err = parity.Encode(outer.params, outer.data, nil); err != nil {
		t.Fatal(err)
	}
	outer.heals(t, nil, outer.parity, nil)
	cut := bytes.Clone(outer.parity)
	clear(cut[:70])
	outer.heals(t, nil, cut, nil)
	cut = bytes.Clone(outer.parity)
	clear(cut[len(cut)-60:])
	outer.heals(t, nil, cut, nil)
}

func TestNothingLeft(t *testing.T) {
	r := source(12)
	o := protect(t, r, 5000, 5)
	for _, b := range [][]byte{nil, {}, o.parity[:16], o.parity[:70], noise(r, 5000), make([]byte, 5000)} {
		if _, err := parity.Parse(b); !errors.Is(err, object.ErrDamaged) {
			t.Errorf("parsed %d bytes: %v", len(b), err)
		}
	}
	newer := object.AppendHeader(nil, object.Parity)
	newer[7]++
	if _, err := parity.Parse(object.Finish(newer)); !errors.Is(err, object.ErrReadFeature) {
		t.Errorf("a newer version: %v", err)
	}
}
