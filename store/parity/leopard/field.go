package leopard

import (
	"math/bits"
	"sync"
)

const (
	order      = 1 << 16
	modulus    = order - 1 // of exponents: the order of the multiplicative group
	polynomial = 0x1002D   // x^16 + x^5 + x^3 + x^2 + 1
)

// cantor is the Cantor basis as polynomials: the first is 1, and each v after
// it solves v² + v = the one before. Symbols are coordinates in this basis: bit
// j of a symbol stands for cantor[j].
var cantor = [16]uint16{
	0x0001, 0xACCA, 0x3C0E, 0x163E, 0xC582, 0xED2E, 0x914C, 0x4012,
	0x6C98, 0x10D8, 0x6A72, 0xB900, 0xFDB8, 0xFB34, 0xFF38, 0x991E,
}

// nibbles holds the products of one factor with all symbols that have bits in
// one nibble only, as VPSHUFB wants them: of nibble n (0 the lowest) the 16 low
// bytes are at 32n, the 16 high bytes at 32n+16.
type nibbles [128]byte

// products holds the nibbles of every factor that has bits in one nibble only:
// [n][v] of the factor v<<4n. Multiplication is linear in both factors, so the
// nibbles of any factor are the sum of four of these: 8 KiB do for what would
// take 8 MiB, and stay in the first-level cache.
type products [4][16]nibbles

// of returns the nibbles of any factor.
func (t *products) of(c uint16) (sum nibbles) {
	a, b, d, e := &t[0][c&15], &t[1][c>>4&15], &t[2][c>>8&15], &t[3][c>>12]
	for i := range sum {
		sum[i] = a[i] ^ b[i] ^ d[i] ^ e[i]
	}
	return sum
}

// product returns the product of the factor with a symbol.
func (n *nibbles) product(a uint16) uint16 {
	var low, high byte
	for i := 0; i < len(n); i += 32 {
		low, high = low^n[i+int(a&15)], high^n[i+16+int(a&15)]
		a >>= 4
	}
	return uint16(low) | uint16(high)<<8
}

// tables returns the products, made when first asked for in some 10 µs.
var tables = sync.OnceValue(func() *products {
	// basis[i][j] = cantor[i]·cantor[j], in coordinates.
	var basis [16][16]uint16
	toCoordinates := invert()
	for i := range 16 {
		for j := range 16 {
			basis[i][j] = toCoordinates.apply(multiplyPolynomials(cantor[i], cantor[j]))
		}
	}
	t := new(products)
	for n := range 4 {
		for v := 1; v < 16; v++ {
			row, low := &t[n][v], bits.TrailingZeros(uint(v))
			*row = t[n][v&(v-1)]
			for o := range 4 {
				for w := 1; w < 16; w++ {
					p := uint16(0)
					for b := range 4 {
						if w>>b&1 != 0 {
							p ^= basis[4*n+low][4*o+b]
						}
					}
					row[32*o+w] ^= byte(p)
					row[32*o+16+w] ^= byte(p >> 8)
				}
			}
		}
	}
	return t
})

// multiplyPolynomials returns a·b modulo the field's polynomial, in the basis
// of the powers of x.
func multiplyPolynomials(a, b uint16) uint16 {
	var p uint32
	for i := 15; i >= 0; i-- {
		p <<= 1
		if p >= order {
			p ^= polynomial
		}
		if b>>i&1 != 0 {
			p ^= uint32(a)
		}
	}
	return uint16(p)
}

// matrix is a linear map of symbols: the image of each bit.
type matrix [16]uint16

func (m *matrix) apply(a uint16) uint16 {
	var p uint16
	for ; a != 0; a &= a - 1 {
		p ^= m[bits.TrailingZeros16(a)]
	}
	return p
}

// invert returns the map from polynomials to coordinates, by Gauss-Jordan
// elimination of the map from coordinates to polynomials.
func invert() *matrix {
	rows := cantor
	var images matrix // rows[i] as a polynomial has the coordinates images[i]
	for i := range images {
		images[i] = 1 << i
	}
	for bit := range 16 {
		pivot := bit
		for rows[pivot]>>bit&1 == 0 {
			pivot++ // the basis is one, so there is a pivot
		}
		rows[bit], rows[pivot] = rows[pivot], rows[bit]
		images[bit], images[pivot] = images[pivot], images[bit]
		for i := range 16 {
			if i != bit && rows[i]>>bit&1 != 0 {
				rows[i] ^= rows[bit]
				images[i] ^= images[bit]
			}
		}
	}
	return &images
}

// logarithms to the base x, and its powers; both in coordinates.
type logarithms struct {
	log [order]uint16 // log[0] = 0, which stands for nothing
	exp [order]uint16 // exp[modulus] = exp[0]
}

// logs returns the tables that only rebuilding needs: 256 KiB, made when first
// asked for in less than a millisecond.
var logs = sync.OnceValue(func() *logarithms {
	l, times := new(logarithms), new(matrix) // the map v → x·v
	toCoordinates := invert()
	for i := range times {
		times[i] = toCoordinates.apply(multiplyPolynomials(2, cantor[i]))
	}
	power := uint16(1)
	for i := range modulus {
		l.exp[i], l.log[power] = power, uint16(i)
		power = times.apply(power)
	}
	l.exp[modulus] = 1
	return l
})
