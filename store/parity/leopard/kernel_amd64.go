package leopard

import "golang.org/x/sys/cpu"

// vector says that the kernels of kernel_amd64.s can be used. They need AVX2
// alone. (GODEBUG=cpu.avx2=off turns it off, and so do the tests.)
var vector = cpu.X86.HasAVX2

// The vector kernels do what those of kernel_generic.go do. n is the length in
// bytes, a positive multiple of 64.

//go:noescape
func ifftVector(x, y *byte, n int, t *products, c uint16)

//go:noescape
func fftVector(x, y *byte, n int, t *products, c uint16)

//go:noescape
func mulVector(x *byte, n int, t *products, c uint16)
