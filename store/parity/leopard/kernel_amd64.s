#include "textflag.h"

// The AVX2 kernels. A symbol's four nibbles index eight tables of 16 bytes by
// VPSHUFB: the low and the high byte of the product with each nibble. The
// tables of a factor lie in Y0 to Y7; they are sums of four rows of products.

// NIBBLES sets SI, DI, R8, R9 to the offsets of the factor's four rows in
// products: 128 bytes times the nibble, 2,048 times its place. AX is the factor.
#define NIBBLES \
	MOVQ AX, SI; ANDQ $0x000F, SI; SHLQ $7, SI; \
	MOVQ AX, DI; ANDQ $0x00F0, DI; SHLQ $3, DI; ADDQ $2048, DI; \
	MOVQ AX, R8; ANDQ $0x0F00, R8; SHRQ $1, R8; ADDQ $4096, R8; \
	MOVQ AX, R9; ANDQ $0xF000, R9; SHRQ $5, R9; ADDQ $6144, R9

// TABLE puts the 16 bytes at offset o of the factor's nibbles into both lanes
// of Y. BX is products.
#define TABLE(o, X, Y) \
	VMOVDQU o(BX)(SI*1), X; \
	VPXOR o(BX)(DI*1), X, X; \
	VPXOR o(BX)(R8*1), X, X; \
	VPXOR o(BX)(R9*1), X, X; \
	VINSERTI128 $1, X, Y, Y

#define TABLES \
	NIBBLES \
	TABLE(0, X0, Y0) \
	TABLE(16, X1, Y1) \
	TABLE(32, X2, Y2) \
	TABLE(48, X3, Y3) \
	TABLE(64, X4, Y4) \
	TABLE(80, X5, Y5) \
	TABLE(96, X6, Y6) \
	TABLE(112, X7, Y7) \
	MOVL $0x0F, AX \
	VMOVD AX, X15 \
	VPBROADCASTB X15, Y15

// MULADD adds the factor times (Y10 low, Y11 high) to (Y8 low, Y9 high); it
// uses Y12, Y13 and Y14.
#define MULADD \
	VPAND Y15, Y10, Y12; \
	VPSRLQ $4, Y10, Y13; \
	VPAND Y15, Y13, Y13; \
	VPSHUFB Y12, Y0, Y14; \
	VPXOR Y14, Y8, Y8; \
	VPSHUFB Y12, Y1, Y14; \
	VPXOR Y14, Y9, Y9; \
	VPSHUFB Y13, Y2, Y14; \
	VPXOR Y14, Y8, Y8; \
	VPSHUFB Y13, Y3, Y14; \
	VPXOR Y14, Y9, Y9; \
	VPAND Y15, Y11, Y12; \
	VPSRLQ $4, Y11, Y13; \
	VPAND Y15, Y13, Y13; \
	VPSHUFB Y12, Y4, Y14; \
	VPXOR Y14, Y8, Y8; \
	VPSHUFB Y12, Y5, Y14; \
	VPXOR Y14, Y9, Y9; \
	VPSHUFB Y13, Y6, Y14; \
	VPXOR Y14, Y8, Y8; \
	VPSHUFB Y13, Y7, Y14; \
	VPXOR Y14, Y9, Y9

// func ifftVector(x, y *byte, n int, t *products, c uint16)
// y += x; x += c·y
TEXT ·ifftVector(SB), NOSPLIT, $0-34
	MOVQ t+24(FP), BX
	MOVWQZX c+32(FP), AX
	TABLES
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ n+16(FP), CX
ifft:
	VMOVDQU (SI), Y8
	VMOVDQU 32(SI), Y9
	VPXOR (DI), Y8, Y10
	VPXOR 32(DI), Y9, Y11
	VMOVDQU Y10, (DI)
	VMOVDQU Y11, 32(DI)
	MULADD
	VMOVDQU Y8, (SI)
	VMOVDQU Y9, 32(SI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $64, CX
	JA   ifft
	VZEROUPPER
	RET

// func fftVector(x, y *byte, n int, t *products, c uint16)
// x += c·y; y += x
TEXT ·fftVector(SB), NOSPLIT, $0-34
	MOVQ t+24(FP), BX
	MOVWQZX c+32(FP), AX
	TABLES
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ n+16(FP), CX
fft:
	VMOVDQU (SI), Y8
	VMOVDQU 32(SI), Y9
	VMOVDQU (DI), Y10
	VMOVDQU 32(DI), Y11
	MULADD
	VMOVDQU Y8, (SI)
	VMOVDQU Y9, 32(SI)
	VPXOR Y8, Y10, Y10
	VPXOR Y9, Y11, Y11
	VMOVDQU Y10, (DI)
	VMOVDQU Y11, 32(DI)
	ADDQ $64, SI
	ADDQ $64, DI
	SUBQ $64, CX
	JA   fft
	VZEROUPPER
	RET

// func mulVector(x *byte, n int, t *products, c uint16)
// x = c·x
TEXT ·mulVector(SB), NOSPLIT, $0-26
	MOVQ t+16(FP), BX
	MOVWQZX c+24(FP), AX
	TABLES
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
mul:
	VMOVDQU (SI), Y10
	VMOVDQU 32(SI), Y11
	VPXOR Y8, Y8, Y8
	VPXOR Y9, Y9, Y9
	MULADD
	VMOVDQU Y8, (SI)
	VMOVDQU Y9, 32(SI)
	ADDQ $64, SI
	SUBQ $64, CX
	JA   mul
	VZEROUPPER
	RET
