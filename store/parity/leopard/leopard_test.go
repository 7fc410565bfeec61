package leopard

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/reedsolomon"
)

// racing says that the race detector runs, which makes portable kernels and the
// oracle slow, and finds nothing in large cells that it does not in small ones.
var racing bool

// bothKernels runs a test with the kernels that this machine would use, and
// with the portable ones.
func bothKernels(t *testing.T, test func(t *testing.T)) {
	if vector {
		t.Run("vector", test)
		vector = false
		defer func() { vector = true }()
	}
	t.Run("portable", test)
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 1})
	r.Read(b)
	return b
}

// oracle encodes with an independent implementation of the same code.
func oracle(t *testing.T, k, m, cell int, data []byte) []byte {
	t.Helper()
	enc, err := reedsolomon.New(k, m, reedsolomon.WithLeopardGF16(true))
	if err != nil {
		t.Fatal(err)
	}
	all := make([]byte, (k+m)*cell)
	copy(all, data)
	shards := make([][]byte, k+m)
	for i := range shards {
		shards[i] = all[i*cell : (i+1)*cell]
	}
	if err := enc.Encode(shards); err != nil {
		t.Fatal(err)
	}
	return all[k*cell:]
}

// What this package writes must be readable by any implementation of
// Leopard-RS: else a repository's parity dies with this program.
func TestOtherImplementation(t *testing.T) {
	cases := []struct{ k, m, cell int }{
		{1, 1, 64}, {1, 1, 1088}, {1, 1, 4096}, {2, 2, 4096}, {3, 3, 4096}, {5, 2, 128}, {17, 17, 4096}, {18, 18, 4096},
		{19, 18, 4096}, {100, 18, 4096}, {255, 18, 4096}, {256, 18, 4096}, {257, 18, 4096}, {512, 26, 4096},
		{512, 512, 192}, {1000, 50, 4096}, {1000, 1, 4096}, {8192, 410, 4096}, {600, 600, 4160}, {63488, 2000, 64}, {32768, 32768, 64},
	}
	bothKernels(t, func(t *testing.T) {
		for _, c := range cases {
			if !vector && c.k*c.cell > 8<<20 {
				c.cell = min(c.cell, 192)
			}
			if racing && (!vector || c.k > 8192) && c.k > 300 {
				continue
			}
			for _, short := range []int{0, 1, c.cell / 2, c.cell - 1} {
				if short > 0 && c.k*c.cell > 8<<20 && short != 1 {
					continue
				}
				data := random(uint64(c.k), c.k*c.cell-short)
				before := bytes.Clone(data)
				got := make([]byte, c.m*c.cell)
				seen := make([][]byte, c.k)
				Encode(c.k, c.m, c.cell, data, got, func(i int, part []byte) { seen[i] = append(seen[i], part...) })
				for i := range seen {
					if !bytes.Equal(seen[i], part(data, i, c.cell, 0, c.cell)) {
						t.Fatalf("k %d cell %d less %d: other data seen of cell %d", c.k, c.cell, short, i)
					}
				}
				if !bytes.Equal(got, oracle(t, c.k, c.m, c.cell, data)) {
					t.Fatalf("k %d m %d cell %d less %d: other parity than Leopard-RS", c.k, c.m, c.cell, short)
				}
				if !bytes.Equal(data, before) {
					t.Fatal("the data were changed")
				}
			}
		}
	})
}

func TestRebuild(t *testing.T) {
	cases := []struct{ k, m, cell, runs int }{
		{1, 1, 64, 3}, {2, 1, 64, 10}, {2, 2, 64, 20}, {3, 3, 128, 20}, {17, 5, 64, 20}, {100, 18, 192, 20}, {257, 18, 64, 10},
		{200, 200, 64, 10}, {1000, 50, 256, 3}, {8192, 410, 64, 1}, {60000, 1500, 64, 1},
	}
	bothKernels(t, func(t *testing.T) {
		for _, c := range cases {
			if racing && !vector && c.k > 300 {
				continue
			}
			for run := range c.runs {
				seed := rand.Uint64()
				r := rand.New(rand.NewPCG(seed, 0))
				data := random(seed, c.k*c.cell-r.IntN(c.cell))
				cells := make([]byte, c.m*c.cell)
				Encode(c.k, c.m, c.cell, data, cells, nil)
				name := fmt.Sprintf("k %d m %d cell %d run %d seed %d", c.k, c.m, c.cell, run, seed)

				broken, lost, parity := bytes.Clone(data), make([]bool, c.k), make([][]byte, c.m)
				for i := range parity {
					parity[i] = cells[i*c.cell : (i+1)*c.cell]
				}
				order := r.Perm(c.k + c.m)
				for _, i := range order[:r.IntN(c.m)+1] {
					if i >= c.k {
						parity[i-c.k] = nil
						continue
					}
					lost[i] = true
					r := random(1, c.cell)
					copy(part(broken, i, c.cell, 0, c.cell), r)
				}
				Rebuild(c.k, c.m, c.cell, broken, lost, parity)
				if !bytes.Equal(broken, data) {
					t.Fatal(name + ": other bytes than those lost")
				}
			}
		}
	})
}

// The definition that FORMAT.md gives: for all j below Span(m), the sum over
// all positions i of cell(i)·i^j is zero.
func TestDefinition(t *testing.T) {
	const cell = 64
	for _, c := range []struct{ k, m int }{{1, 1}, {2, 2}, {5, 4}, {100, 32}, {200, 16}} {
		data, parity := random(uint64(c.k), c.k*cell), make([]byte, c.m*cell)
		Encode(c.k, c.m, cell, data, parity, nil)
		mul := func(a, b uint16) uint16 {
			row := tables().of(a)
			return row.product(b)
		}
		powers := make([]uint16, c.m+c.k) // i^j
		for i := range powers {
			powers[i] = 1
		}
		for j := range c.m {
			for column := range cell / 2 {
				symbol := func(b []byte) uint16 { return uint16(b[column]) | uint16(b[column+32])<<8 }
				var sum uint16
				for i, power := range powers {
					if i < c.m {
						sum ^= mul(power, symbol(parity[i*cell:]))
					} else {
						sum ^= mul(power, symbol(data[(i-c.m)*cell:]))
					}
				}
				if sum != 0 {
					t.Fatalf("k %d m %d column %d: power sum %d is %#x", c.k, c.m, column, j, sum)
				}
			}
			for i := range powers {
				powers[i] = mul(powers[i], uint16(i))
			}
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	const k, m, cell = 8192, 410, 4096
	data, parity := random(1, k*cell), make([]byte, m*cell)
	for _, v := range []bool{true, false} {
		if v && !vector {
			continue
		}
		b.Run(fmt.Sprintf("vector=%v", v), func(b *testing.B) {
			defer func(v bool) { vector = v }(vector)
			vector = v
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				Encode(k, m, cell, data, parity, nil)
			}
		})
	}
}

func BenchmarkRebuild(b *testing.B) {
	const k, m, cell = 8192, 410, 4096
	data, cells := random(1, k*cell), make([]byte, m*cell)
	Encode(k, m, cell, data, cells, nil)
	for _, n := range []int{1, m} {
		for _, v := range []bool{true, false} {
			if v && !vector {
				continue
			}
			b.Run(fmt.Sprintf("lost=%d/vector=%v", n, v), func(b *testing.B) {
				defer func(v bool) { vector = v }(vector)
				vector = v
				lost, parity := make([]bool, k), make([][]byte, m)
				for i := range parity {
					parity[i] = cells[i*cell : (i+1)*cell]
				}
				for i := range n {
					lost[i*k/n] = true
				}
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					Rebuild(k, m, cell, data, lost, parity)
				}
			})
		}
	}
}
