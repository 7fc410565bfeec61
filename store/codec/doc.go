// Package codec compresses frames. One byte names how a frame is stored:
//
//	0 none   as it is
//	1 lz4    LZ4 block format
//	2 s2     S2 block format (github.com/klauspost/compress/s2)
//	3 zstd   RFC 8878, one frame
//	4 zlib   RFC 1950
//	5 lzma   LZMA "alone" format (.lzma) with the size in its header
//
// plus 16 where the calls in x86 machine code were rewritten before (x86.go).
//
// The reader needs nothing else: levels matter to the writer only. A Method
// is what a user asks for ("auto", "zstd,7"); a Compressor carries it out. The
// levels of lzma choose its dictionary: 32 KiB at 1, twice that a level.
package codec
