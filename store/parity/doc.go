// Package parity makes one stored object heal: Reed-Solomon parity (package
// leopard) in one codeword over the object's cells of 4 KiB, so that any m lost
// cells come back wherever they lie, and CRCs that tell which cells are lost.
//
//	size of the object  cell                      k                  m
//	1 to 4,096          size, rounded up to 64    1                  1
//	more                4,096                     ceil(size/cell)    max(ceil(percent·k/100), min(k, 18))
//
// The cell of a very large object is the smallest multiple of 4,096 for which k
// and the power of two that is not below m are together at most 65,536. The
// last data cell is padded with zeros for the code, but not for its CRC. There
// is always at least one parity cell and never more than there are data cells;
// small objects have as many, so that they can be lost altogether.
//
// The parity object:
//
//	offset       size
//	0            16       object header, type 'r'
//	16           C·p      head: plates 0 to C-1; C = ceil((k+m)/64)
//	…            …        zeros to the next multiple of 4,096, if k > 1
//	P            m·cell   parity cells
//	P+m·cell     2·C·p    tail: plates C to 3·C-1
//	end-4        4        CRC32C of everything before it
//
// A plate, p = 56+s bytes:
//
//	0            8        "garretr1"
//	8            1        type of the protected object
//	9            1        percent
//	10           2        s, bytes of the payload: 4·min(k+m, 64) rounded up to 64
//	12           4        number of the plate
//	16           16       id of the protected object
//	32           8        its size
//	40           4        k
//	44           4        m
//	48           4        bytes of a cell
//	52           s        payload
//	52+s         4        CRC32C of the plate before it
//
// The payloads of the plates 0 to C-1 are, one after another, the CRC32C of
// each data cell and of each parity cell, and zeros. The payloads of the plates
// C to 3·C-1 are the parity of these by the same code (data cells C, parity
// cells 2·C, cells of s bytes). So any third of the plates tells all CRCs, and
// every single plate what the objects are; each can be told from noise by
// itself, wherever it lies.
//
// Parity cells begin where disks' sectors do, so a bad sector costs one of
// them; one in a table costs nothing. All that is damaged in the two objects may
// come to m cells. What does not heal is a parity object that has lost more than
// two thirds of its plates. Where k+m is below some 800, its plates lie in two
// or three sectors, and bad ones at both of its ends at once can do that.
//
// Cells are looked for at their places as counted from the beginning and from
// the end of the object, in case bytes were cut off, inserted or removed. What
// was healed is encoded again, and must agree with every CRC that is known: so
// a cell that changed and kept its CRC by chance is found out.
//
// Nothing here is secret or authenticated: parity heals accidents. Whoever can
// write to the storage can forge it, which the keys notice, not this package.
package parity
