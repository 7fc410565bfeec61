package leopard

import "encoding/binary"

// wide holds the products of one factor with every low byte and every high
// byte of a symbol: the product's low byte in bits 0 to 7, its high byte in
// bits 32 to 39, so that four products shift together into four low and four
// high bytes.
type wide struct{ low, high [256]uint64 }

func (w *wide) fill(t *products, c uint16) {
	row := t.of(c)
	for bit := range 8 {
		low, high := spread(row.product(1<<bit)), spread(row.product(1<<(8+bit)))
		for i := range 1 << bit {
			w.low[1<<bit+i] = w.low[i] ^ low
			w.high[1<<bit+i] = w.high[i] ^ high
		}
	}
}

func spread(p uint16) uint64 { return uint64(p&0xff) | uint64(p>>8)<<32 }

// times multiplies eight symbols, given and returned as their low and their
// high bytes.
func (w *wide) times(low, high uint64) (uint64, uint64) {
	a := w.low[byte(low)] ^ w.high[byte(high)]
	a |= (w.low[byte(low>>8)] ^ w.high[byte(high>>8)]) << 8
	a |= (w.low[byte(low>>16)] ^ w.high[byte(high>>16)]) << 16
	a |= (w.low[byte(low>>24)] ^ w.high[byte(high>>24)]) << 24
	b := w.low[byte(low>>32)] ^ w.high[byte(high>>32)]
	b |= (w.low[byte(low>>40)] ^ w.high[byte(high>>40)]) << 8
	b |= (w.low[byte(low>>48)] ^ w.high[byte(high>>48)]) << 16
	b |= (w.low[byte(low>>56)] ^ w.high[byte(high>>56)]) << 24
	return a&0xffffffff | b<<32, a>>32 | b&^0xffffffff
}

func ifftGeneric(x, y []byte, t *products, c uint16) {
	var w wide
	w.fill(t, c)
	for len(x) >= 64 && len(y) >= 64 {
		for i := 0; i < 32; i += 8 {
			xl, xh := binary.LittleEndian.Uint64(x[i:]), binary.LittleEndian.Uint64(x[i+32:])
			yl, yh := binary.LittleEndian.Uint64(y[i:])^xl, binary.LittleEndian.Uint64(y[i+32:])^xh
			binary.LittleEndian.PutUint64(y[i:], yl)
			binary.LittleEndian.PutUint64(y[i+32:], yh)
			l, h := w.times(yl, yh)
			binary.LittleEndian.PutUint64(x[i:], xl^l)
			binary.LittleEndian.PutUint64(x[i+32:], xh^h)
		}
		x, y = x[64:], y[64:]
	}
}

func fftGeneric(x, y []byte, t *products, c uint16) {
	var w wide
	w.fill(t, c)
	for len(x) >= 64 && len(y) >= 64 {
		for i := 0; i < 32; i += 8 {
			yl, yh := binary.LittleEndian.Uint64(y[i:]), binary.LittleEndian.Uint64(y[i+32:])
			l, h := w.times(yl, yh)
			xl, xh := binary.LittleEndian.Uint64(x[i:])^l, binary.LittleEndian.Uint64(x[i+32:])^h
			binary.LittleEndian.PutUint64(x[i:], xl)
			binary.LittleEndian.PutUint64(x[i+32:], xh)
			binary.LittleEndian.PutUint64(y[i:], yl^xl)
			binary.LittleEndian.PutUint64(y[i+32:], yh^xh)
		}
		x, y = x[64:], y[64:]
	}
}

func mulGeneric(x []byte, t *products, c uint16) {
	var w wide
	w.fill(t, c)
	for len(x) >= 64 {
		for i := 0; i < 32; i += 8 {
			l, h := w.times(binary.LittleEndian.Uint64(x[i:]), binary.LittleEndian.Uint64(x[i+32:]))
			binary.LittleEndian.PutUint64(x[i:], l)
			binary.LittleEndian.PutUint64(x[i+32:], h)
		}
		x = x[64:]
	}
}
