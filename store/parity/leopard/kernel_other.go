//go:build !amd64

package leopard

var vector = false

func ifftVector(x, y *byte, n int, t *products, c uint16) { panic("leopard: no vector kernels") }
func fftVector(x, y *byte, n int, t *products, c uint16)  { panic("leopard: no vector kernels") }
func mulVector(x *byte, n int, t *products, c uint16)     { panic("leopard: no vector kernels") }
