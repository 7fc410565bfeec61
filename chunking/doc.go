// Package chunking cuts content into chunks, the units of deduplication: at
// places that the content itself decides ("fastcdc"), so that an insertion
// changes the chunks around it and no others, or every so many bytes ("fixed"),
// for disk images and database files that change in place.
//
// # Content-defined cuts
//
// A gear hash runs over the bytes, h = 2h + gear[b] mod 2^64, and so depends on
// the last 64 of them. Where h < 2^64/spacing the place is a proposal; AES-128
// of h under a key of its own decides, its first 8 bytes (little-endian, of the
// block h as 8 bytes little-endian and 8 zeros) having to be below a threshold:
//
//	|<--- min --->|<------- rare ------->|<------- likely ------->|
//	0            min                   pivot                     max
//	 not looked at   a cut every 4 avg      4 cuts every avg         cut
//
// That is FastCDC's normalisation (Xia et al., USENIX ATC 2016): sizes crowd
// around the average, fewer chunks are cut at max, where content does not
// decide. The places that are cut while cuts are rare would be cut while they
// are likely as well. The pivot lies at 13/16 of the average, which makes the
// mean size of chunks of random data the average, within 3 %, when min and max
// are a quarter of it and four times it.
//
// Nothing before min-64 is read. The end of the data ends the last chunk, which
// may be shorter than min.
//
// A run of one byte value never proposes: the gear table is drawn so. A file of
// zeros is therefore cut at max, under whatever key, and costs no AES.
//
// # Programs
//
// Of a program's next version only pieces of some KiB are the same, for what
// moves changes the addresses all over it. So content that begins like a program
// (ELF, Mach-O, PE, static libraries) has finer chunks, by the same keys: of Go's next version a
// fifth less is new. Other content would pay for the longer index and gain less.
//
// # What the keys are for
//
// Whoever sees the sizes of chunks could tell from them that a known file is
// stored. So the table is secret, derived from a key. But the gear hash is
// linear in its table, and an observer who knows some content and where it was
// cut can solve for the table (ePrint 2025/532, 2025/558). Here such an observer
// learns of each cut only that it was proposed, log2(spacing) bits, and even the
// whole table would give no more than the proposals, one every spacing bytes;
// which of them are cuts takes the other key. Sizes of chunks are not shown to
// begin with: they are inside of encrypted frames.
package chunking
