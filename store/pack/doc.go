// Package pack is the unit of storage: one object of about 32 MiB that holds
// frames of one kind, the directory of their blobs, and a CRC32C for each of
// its 4-KiB cells.
//
//	offset       size
//	0            16    object header, type 'p'
//	16           1     kind: 1 data, 2 tree
//	17           1     suite of the repository
//	18           2     n, length of the encapsulation
//	20           4     key epoch
//	24           8     session id
//	32           16    pack id (its first 8 bytes are the session id)
//	48           n     encapsulated session key
//	48+n         …     frames, each AEAD(frame), nonce = ordinal
//	…            d     AEAD(directory), nonce = number of frames
//	body         4·c   CRC32C of each cell of 4,096 bytes of the body, the last
//	                   one shorter; c = ceil(body/4096)
//	end-32       8     length of the body: all before the CRC table
//	end-24       4     d, length of the sealed directory
//	end-20       4     number of frames
//	end-16       4     CRC32C of the CRC table and of the 16 bytes before this
//	end-12       12    "garret-pack" and a NUL
//
// All numbers are little-endian. The associated data of a frame is: pack id,
// kind, ordinal (u32), and 0 for a frame or 1 for the directory. Nothing in
// the clear shows how large a frame is.
//
// A frame's plaintext:
//
//	1        codec (package codec)
//	3        raw length
//	uvarint  number of blobs, 1 to 32,768
//	uvarint  length of each blob; their sum is the raw length
//	…        payload: the blobs one after another, compressed
//
// The directory's plaintext: for each frame its stored length (u32) and its
// number of blobs (u32); after all of these the blobs' IDs, 32 bytes each. So
// an index can be rebuilt from packs alone.
//
// Limits: a frame holds at most 8 MiB raw and is stored in less than 16 MiB; a
// pack has at most 65,535 frames and 1,048,576 blobs and less than 4 GiB.
package pack
