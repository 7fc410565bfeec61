// Package index answers where a blob lies: tables of blob ID → [Location],
// immutable, sorted, mapped into memory and searched in place.
//
// A [Segment] is one such table. A [Builder] collects the rows of a run and
// writes them as a segment, [Merge] makes one segment of several, and a [Set]
// looks a blob up in many at once and knows which packs count as usable. The
// bytes below are a segment's plaintext, as it lies in the local cache; in the
// repository the store seals them.
//
// # Bytes
//
// Integers are little-endian, without padding between parts.
//
//	header           24   magic "garretix" 8 | version u16 = 1 | fan-out bits u8
//	                      | zero u8 | sessions u32 | packs u32
//	                      | bytes of encapsulations u32
//	session table    16 each   id 8 | epoch u32 | end of its encapsulation u32
//	encapsulations   of the sessions, one after another; a session's begins
//	                 where the one before it ends
//	pack table       25 each   id 16 | size u32 | kind u8 | session ordinal u32
//	rows             46 each   blob id 32 | pack ordinal u24 | frame offset u32
//	                           | stored length u24 | frame ordinal u16
//	                           | blob ordinal u16
//	fan-out          4 each, 2^bits of them   rows whose ID's first `bits` bits,
//	                      read as a number, are at most the entry's ordinal u32
//	footer           24   rows u64 | CRC32C of everything before the rows
//	                      | CRC32C of the rows | CRC32C of the fan-out
//	                      | CRC32C of the header and of the footer so far
//
// Sessions are in ascending order of (id, epoch, encapsulation), packs of (id,
// size, kind, session ordinal), rows of (blob id, pack ordinal, offset, length,
// frame ordinal, blob ordinal), and none occurs twice. An ID may occur more
// than once: another copy of a blob is another chance to read it. A session id
// or a pack id may occur twice too, when two segments that were merged
// contradict each other; both claims are kept, and the reader finds out which
// one is true.
//
// The counts that are known last stand in the footer, so that a merge streams.
//
// # Searching
//
// IDs are HMAC values, hence uniform. The fan-out (as in git's pack index, but
// with about one entry for 16 to 32 rows) gives the few rows that share an ID's
// first bits, and interpolation the place among them: a look-up touches one
// cache line of the fan-out and two or three of the rows, whatever the
// segment's size. Rows that somebody with a key has made to be anything but
// uniform cost a binary search.
//
// # Trust
//
// A segment may have been damaged, or written by somebody hostile. [Parse] and
// [OpenFile] check the sizes and the counts, in constant time; look-ups check
// every number they follow and skip a row that makes no sense. [Segment.Verify]
// checks all of it. A mapped file that is cut short or cannot be read from disk
// is noticed as well: its rows are not found, and [Segment.Err] says why.
package index
