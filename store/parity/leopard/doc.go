// Package leopard is a Reed-Solomon erasure code of up to 65,536 cells in
// O(n log n): from k data cells it computes m parity cells, and from any k of
// these k+m the others. Its parity cells are those of Leopard-RS over GF(2^16)
// (https://github.com/catid/leopard, and github.com/klauspost/reedsolomon with
// WithLeopardGF16), but its tables take 8 KiB instead of 72 MiB and are made in
// microseconds, and its working memory is bounded.
//
// # The code
//
// The field is GF(2)[x] modulo x^16+x^5+x^3+x^2+1. A symbol of 16 bits stands
// for the sum of those elements v(j) of the Cantor basis whose bit j is set:
// v(0) = 1 and v(j)² + v(j) = v(j-1). So addition is exclusive or.
//
// A cell is a multiple of 64 bytes. Each 64 bytes hold 32 symbols: first their
// low bytes, then their high bytes. Each column, which is the symbols at the
// same place in all cells, is a codeword of its own.
//
// Let M be the power of two that is not below m. Positions are symbols too:
//
//	0 … m-1        parity cells
//	m … M-1        cells that are computed and not kept
//	M … M+k-1      data cells
//	M+k … 65535    zeros
//
// and the cells c fulfil, for j = 0 … M-1, with 0^0 = 1,
//
//	sum over all positions i of c(i)·i^j = 0
//
// which is to say that c are the values of a polynomial of a degree below
// 65536-M. That determines M cells by the others: the parity cells by the data,
// and any up to m lost cells by those that are left.
//
// # Transforms
//
// S.-J. Lin, W.-H. Chung, Y. S. Han: "Novel Polynomial Basis and Its
// Application to Reed-Solomon Erasure Codes", FOCS 2014; with T. Y. Al-Naffouri,
// IEEE Transactions on Information Theory 62 (2016). In their basis a transform
// of n values takes n/2·log n butterflies (rows.inverse, rows.forward), whose
// factors, thanks to the Cantor basis, are the positions themselves, shifted.
//
// Encoding: M data cells at a time are transformed to coefficients, summed up
// over all such groups, and the sum is transformed to the values at the
// positions of parity. Rebuilding: the values times the error locator, whose
// roots are the lost positions, are those of a polynomial of low degree; its
// derivative at a lost position is the lost value times the locator's
// derivative (rows.derive, locate).
//
// The factor of a butterfly multiplies whole rows, so each row or block of rows
// has its tables of products by nibbles, which VPSHUFB looks up 32 at a time.
// They are sums of four of 64 fixed tables, since multiplication is linear.
package leopard
