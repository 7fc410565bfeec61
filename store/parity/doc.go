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
// The parity object has n units of the size of a cell, n a few more than m, and
// 4 bytes: the CRC32C of everything before it. They begin where disks' sectors
// do, so a bad sector costs one of them. No unit is more important than another:
// each holds a plate, which tells what the object is of, whether the unit is
// whole, and a part of the data cells' CRCs; and around it parts of parity cells.
//
//	unit u of n, in groups of 64 bytes
//
//	|  parity cells  | room: 16, plate |          parity cells          |
//	                 ^ (u mod w)·(s+64)
//
// A room has s+64 bytes, and there are w = floor(cell/(s+64)) places for it, in
// turn. Before the plate are 16 bytes: the object header, type 'r', in unit 0,
// zeros in the others. The bytes [a, a+64) of parity cell i, a being a multiple
// of 64, are the bytes [a, a+64) of the unit that is number i, counted from 0, of
// those whose room does not lie there. Units in excess of m have zeros there. So
// a lost unit costs at most one parity cell at any a, though not the same one.
//
// A plate, s+48 bytes:
//
//	0            8        "garretr1"
//	8            1        type of the protected object
//	9            1        percent
//	10           2        s, bytes of the payload
//	12           4        u, number of the unit
//	16           16       id of the protected object
//	32           8        its size
//	40           4        CRC32C of the unit's bytes before the plate and after it
//	44           s        payload
//	44+s         4        CRC32C of the plate before it
//
// The table is the CRC32C of each data cell, and zeros to f·s bytes, with
// f = ceil(4·k/s). Its f parts are the payloads of the units 0 to f-1, those of
// the others are the parity of these by the same code (data cells f, parity cells
// n-f, cells of s bytes). So any f units tell all of the table. Of more than
// 32,768 units, unit u repeats the payload of unit u mod 32,768.
//
// s is that multiple of 64 up to the lesser of cell/4-64 and 4,032 for which n is
// least, and the least such. n is the least number for which
//
//	n - ceil(n/w) >= m      each parity cell has its places
//	n >= m+f-1              if k <= 1,024
//	n >= min(m+f-1, 3·f)    if k > 1,024
//
// If k is 1, the object is compact and not of sectors: header (16), plate 0,
// parity cell, plate 1, CRC32C; s = 64, f = 1, n = 2, and the CRC32C in both
// plates is that of the parity cell.
//
//	k       5 %: m   n     s     f     bytes         of the object
//	1       1        2     64    1     cell+244
//	18      18       19    64    2     77,828        106 %
//	200     18       20    320   3     81,924        10.0 %
//	1,000   50       58    448   9     237,572       5.80 %
//	8,192   410      448   256   128   1,835,012     5.47 %
//
// # What heals
//
// Whatever is lost of the two objects heals if it comes to at most m cells of the
// one and units of the other, however it divides. Where m-1 units are lost and
// one data cell, n-m+1 >= f units are left, and tell the table: that is always so
// for k <= 1,024, and where k > 1,024 as long as f units are left, at most a third
// of them. In a full pack at 5 % these are 128 of 448: what does not heal from
// parity alone is the loss of 321 to 409 units together with at least one data
// cell, because it is not known then which data cells are lost (that there are
// none lost is seen). A pack's own trailer still tells it, unless it is among
// what was lost: that lies in 9 of 8,192 cells, so with d data cells lost at
// random (at most 89) this fails with a probability of about d·0.11 %.
//
// Plates are found by their magic and CRC wherever they lie, and tell where their
// units are, so bytes may be cut off, inserted or removed in the parity object.
// Data cells are looked for at their places as counted from the beginning and
// from the end of the object. What was healed is encoded again, and must agree
// with every CRC that is known and every unit that is left: so a cell that
// changed and kept its CRC by chance is found out.
//
// Nothing here is secret or authenticated: parity heals accidents. Whoever can
// write to the storage can forge it, which the keys notice, not this package.
package parity
