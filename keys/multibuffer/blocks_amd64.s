//go:build !purego

#include "textflag.h"

// The constants of the 64 rounds (FIPS 180-4, 4.2.2), two in each line.
DATA constants<>+0x00(SB)/8, $0x71374491428a2f98
DATA constants<>+0x08(SB)/8, $0xe9b5dba5b5c0fbcf
DATA constants<>+0x10(SB)/8, $0x59f111f13956c25b
DATA constants<>+0x18(SB)/8, $0xab1c5ed5923f82a4
DATA constants<>+0x20(SB)/8, $0x12835b01d807aa98
DATA constants<>+0x28(SB)/8, $0x550c7dc3243185be
DATA constants<>+0x30(SB)/8, $0x80deb1fe72be5d74
DATA constants<>+0x38(SB)/8, $0xc19bf1749bdc06a7
DATA constants<>+0x40(SB)/8, $0xefbe4786e49b69c1
DATA constants<>+0x48(SB)/8, $0x240ca1cc0fc19dc6
DATA constants<>+0x50(SB)/8, $0x4a7484aa2de92c6f
DATA constants<>+0x58(SB)/8, $0x76f988da5cb0a9dc
DATA constants<>+0x60(SB)/8, $0xa831c66d983e5152
DATA constants<>+0x68(SB)/8, $0xbf597fc7b00327c8
DATA constants<>+0x70(SB)/8, $0xd5a79147c6e00bf3
DATA constants<>+0x78(SB)/8, $0x1429296706ca6351
DATA constants<>+0x80(SB)/8, $0x2e1b213827b70a85
DATA constants<>+0x88(SB)/8, $0x53380d134d2c6dfc
DATA constants<>+0x90(SB)/8, $0x766a0abb650a7354
DATA constants<>+0x98(SB)/8, $0x92722c8581c2c92e
DATA constants<>+0xa0(SB)/8, $0xa81a664ba2bfe8a1
DATA constants<>+0xa8(SB)/8, $0xc76c51a3c24b8b70
DATA constants<>+0xb0(SB)/8, $0xd6990624d192e819
DATA constants<>+0xb8(SB)/8, $0x106aa070f40e3585
DATA constants<>+0xc0(SB)/8, $0x1e376c0819a4c116
DATA constants<>+0xc8(SB)/8, $0x34b0bcb52748774c
DATA constants<>+0xd0(SB)/8, $0x4ed8aa4a391c0cb3
DATA constants<>+0xd8(SB)/8, $0x682e6ff35b9cca4f
DATA constants<>+0xe0(SB)/8, $0x78a5636f748f82ee
DATA constants<>+0xe8(SB)/8, $0x8cc7020884c87814
DATA constants<>+0xf0(SB)/8, $0xa4506ceb90befffa
DATA constants<>+0xf8(SB)/8, $0xc67178f2bef9a3f7
GLOBL constants<>(SB), RODATA|NOPTR, $256

// Words of a message are big-endian.
DATA flip<>+0(SB)/8, $0x0405060700010203
DATA flip<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL flip<>(SB), RODATA|NOPTR, $16

// func hasSHA() bool
TEXT ·hasSHA(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JLT  no
	MOVL $7, AX
	XORL CX, CX
	CPUID
	SHRL $29, BX // CPUID.(EAX=7,ECX=0):EBX.SHA
	ANDL $1, BX
	MOVB BX, ret+0(FP)
no:
	RET

// A lane's hash value lies in two registers as the instructions want it: ABEF
// and CDGH, from the highest word down. Its message's last 16 words lie in four.

#define TMP  X13
#define FLIP X15

// ENTER brings the hash value at p into abef and cdgh.
#define ENTER(p, abef, cdgh) \
	MOVOU   (p), abef        \
	MOVOU   16(p), cdgh      \
	PSHUFD  $0xB1, abef, abef \
	PSHUFD  $0x1B, cdgh, cdgh \
	MOVOU   abef, TMP        \
	PALIGNR $8, cdgh, abef   \
	PBLENDW $0xF0, TMP, cdgh

// LEAVE is the reverse of ENTER.
#define LEAVE(p, abef, cdgh) \
	PSHUFD  $0x1B, abef, abef \
	PSHUFD  $0xB1, cdgh, cdgh \
	MOVOU   abef, TMP        \
	PBLENDW $0xF0, cdgh, abef \
	PALIGNR $8, TMP, cdgh    \
	MOVOU   abef, (p)        \
	MOVOU   cdgh, 16(p)

// LOAD brings the message's next four words into m.
#define LOAD(p, offset, m) \
	MOVOU  offset(p), m \
	PSHUFB FLIP, m

// FIRST does the first two of four rounds, with the words in m, LAST the others.
// SHA256RNDS2 takes the words with the constants added from X0.
#define FIRST(offset, m, abef, cdgh) \
	MOVOU       m, X0          \
	PADDD       offset(AX), X0 \
	SHA256RNDS2 X0, abef, cdgh
#define LAST(abef, cdgh) \
	PSHUFD      $0x0E, X0, X0 \
	SHA256RNDS2 X0, cdgh, abef

// EXTEND completes the four words that follow m, of which before are those
// before m, in next, which MIX has prepared.
#define EXTEND(before, m, next) \
	MOVOU      m, TMP         \
	PALIGNR    $4, before, TMP \
	PADDD      TMP, next      \
	SHA256MSG2 m, next
#define MIX(m, before) \
	SHA256MSG1 m, before

// Four rounds, of both lanes: of the first 16 (READ0 has nothing to mix yet),
// of those in the middle, and of the last.
#define READ0(offset, m, n) \
	LOAD(R8, offset, m)       \
	FIRST(offset, m, X1, X2)  \
	LAST(X1, X2)              \
	LOAD(R9, offset, n)       \
	FIRST(offset, n, X3, X4)  \
	LAST(X3, X4)
#define READ(offset, m, mb, n, nb) \
	LOAD(R8, offset, m)       \
	FIRST(offset, m, X1, X2)  \
	LAST(X1, X2)              \
	MIX(m, mb)                \
	LOAD(R9, offset, n)       \
	FIRST(offset, n, X3, X4)  \
	LAST(X3, X4)              \
	MIX(n, nb)
#define MIDDLE(offset, mb, m, mn, nb, n, nn) \
	FIRST(offset, m, X1, X2)  \
	EXTEND(mb, m, mn)         \
	LAST(X1, X2)              \
	MIX(m, mb)                \
	FIRST(offset, n, X3, X4)  \
	EXTEND(nb, n, nn)         \
	LAST(X3, X4)              \
	MIX(n, nb)
#define LATE(offset, mb, m, mn, nb, n, nn) \
	FIRST(offset, m, X1, X2)  \
	EXTEND(mb, m, mn)         \
	LAST(X1, X2)              \
	FIRST(offset, n, X3, X4)  \
	EXTEND(nb, n, nn)         \
	LAST(X3, X4)

// func blocks(a, b *state, p, q *byte, n int)
TEXT ·blocks(SB), NOSPLIT, $64-40
	MOVQ  a+0(FP), DI
	MOVQ  b+8(FP), SI
	MOVQ  p+16(FP), R8
	MOVQ  q+24(FP), R9
	MOVQ  n+32(FP), CX
	LEAQ  constants<>(SB), AX
	MOVOU flip<>(SB), FLIP
	ENTER(DI, X1, X2)
	ENTER(SI, X3, X4)

loop:
	MOVOU X1, a0-64(SP)
	MOVOU X2, a1-48(SP)
	MOVOU X3, b0-32(SP)
	MOVOU X4, b1-16(SP)

	READ0(0, X5, X9)
	READ(16, X6, X5, X10, X9)
	READ(32, X7, X6, X11, X10)
	LOAD(R8, 48, X8)
	LOAD(R9, 48, X12)
	MIDDLE(48, X7, X8, X5, X11, X12, X9)
	MIDDLE(64, X8, X5, X6, X12, X9, X10)
	MIDDLE(80, X5, X6, X7, X9, X10, X11)
	MIDDLE(96, X6, X7, X8, X10, X11, X12)
	MIDDLE(112, X7, X8, X5, X11, X12, X9)
	MIDDLE(128, X8, X5, X6, X12, X9, X10)
	MIDDLE(144, X5, X6, X7, X9, X10, X11)
	MIDDLE(160, X6, X7, X8, X10, X11, X12)
	MIDDLE(176, X7, X8, X5, X11, X12, X9)
	MIDDLE(192, X8, X5, X6, X12, X9, X10)
	LATE(208, X5, X6, X7, X9, X10, X11)
	LATE(224, X6, X7, X8, X10, X11, X12)
	FIRST(240, X8, X1, X2)
	LAST(X1, X2)
	FIRST(240, X12, X3, X4)
	LAST(X3, X4)

	MOVOU a0-64(SP), X5
	PADDD X5, X1
	MOVOU a1-48(SP), X6
	PADDD X6, X2
	MOVOU b0-32(SP), X7
	PADDD X7, X3
	MOVOU b1-16(SP), X8
	PADDD X8, X4
	ADDQ  $64, R8
	ADDQ  $64, R9
	DECQ  CX
	JNZ   loop

	LEAVE(DI, X1, X2)
	LEAVE(SI, X3, X4)
	RET
