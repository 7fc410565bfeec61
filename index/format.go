package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
)

// Errors of this package; returned errors wrap them.
var (
	// ErrDamaged says that a segment's bytes contradict themselves.
	ErrDamaged = errors.New("damaged index segment")
	// ErrVersion says that a newer program wrote the segment.
	ErrVersion = errors.New("index segment of an unknown version")
	// ErrLimit says that something does not fit into a segment.
	ErrLimit = errors.New("too large for an index segment")
)

const (
	magic   = "garretix"
	version = 1

	headerSize      = 24
	headerVersion   = 8
	headerFanBits   = 10
	headerZero      = 11
	headerSessions  = 12
	headerPacks     = 16
	headerEncapsule = 20

	sessionSize  = 16
	sessionEpoch = 8
	sessionEnd   = 12

	packSize    = 25
	packBytes   = 16
	packKind    = 20
	packSession = 21

	rowSize   = 46
	rowPack   = 32
	rowOffset = 35
	rowLength = 39
	rowFrame  = 42
	rowBlob   = 44

	fanSize = 4

	footerSize      = 24
	footerTablesCRC = 8
	footerRowsCRC   = 12
	footerFanCRC    = 16
	footerCRC       = 20
)

const (
	maxPacks         = 1 << 24 // pack ordinals are u24
	maxLength        = 1 << 24 // stored lengths are u24
	maxRows          = 1<<32 - 1
	maxEncapsulation = 1<<16 - 1
	maxFanBits       = 28

	// rowsPerFan is how many rows share an entry of the fan-out at most, on
	// average. Measured with 10 million rows, 4 to 128 make no difference to a
	// look-up beyond noise; this costs 0.3 to 0.5 % of the segment.
	rowsPerFan = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// row is one row of a segment, decoded.
type row struct {
	id             ID
	pack           uint32
	offset, length uint32
	frame, blob    uint16
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }

func putUint24(b []byte, v uint32) { b[0], b[1], b[2] = byte(v), byte(v>>8), byte(v>>16) }

func (r *row) encode(b *[rowSize]byte) {
	copy(b[:rowPack], r.id[:])
	putUint24(b[rowPack:], r.pack)
	binary.LittleEndian.PutUint32(b[rowOffset:], r.offset)
	putUint24(b[rowLength:], r.length)
	binary.LittleEndian.PutUint16(b[rowFrame:], r.frame)
	binary.LittleEndian.PutUint16(b[rowBlob:], r.blob)
}

func (r *row) decode(b []byte) {
	_ = b[rowSize-1]
	copy(r.id[:], b[:rowPack])
	r.pack = uint24(b[rowPack:])
	r.offset = binary.LittleEndian.Uint32(b[rowOffset:])
	r.length = uint24(b[rowLength:])
	r.frame = binary.LittleEndian.Uint16(b[rowFrame:])
	r.blob = binary.LittleEndian.Uint16(b[rowBlob:])
}

func compareRows(a, b *row) int {
	if c := bytes.Compare(a.id[:], b.id[:]); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(a.pack, b.pack),
		cmp.Compare(a.offset, b.offset),
		cmp.Compare(a.length, b.length),
		cmp.Compare(a.frame, b.frame),
		cmp.Compare(a.blob, b.blob))
}

// packEntry is one row of the pack table.
type packEntry struct {
	Pack
	session uint32 // ordinal
}

func comparePacks(a, b packEntry) int {
	return cmp.Or(
		bytes.Compare(a.ID[:], b.ID[:]),
		cmp.Compare(a.Size, b.Size),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.session, b.session))
}

func compareSessions(a, b Session) int {
	return cmp.Or(
		bytes.Compare(a.ID[:], b.ID[:]),
		cmp.Compare(a.Epoch, b.Epoch),
		bytes.Compare(a.Encapsulation, b.Encapsulation))
}

// fanBits is how many of an ID's first bits the fan-out of so many rows takes.
func fanBits(rows uint64) uint8 {
	if rows <= rowsPerFan {
		return 0
	}
	return uint8(min(bits.Len64((rows-1)/rowsPerFan), maxFanBits))
}

// prefix is an ID's first eight bytes as a number, in the order of the IDs.
func prefix(id []byte) uint64 { return binary.BigEndian.Uint64(id) }

// fanIndex is the entry of the fan-out that an ID belongs to.
func fanIndex(id []byte, bits uint8) int { return int(prefix(id) >> (64 - bits)) }

// header is what a segment's first and last bytes say.
type header struct {
	fanBits                        uint8
	sessions, packs, encapsulation uint32
	rows                           uint64
	tablesCRC, rowsCRC, fanCRC     uint32
}

// encode returns the bytes of the header; footer those of the footer.
func (h *header) encode() []byte {
	b := make([]byte, 0, headerSize)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, version)
	b = append(b, h.fanBits, 0)
	b = binary.LittleEndian.AppendUint32(b, h.sessions)
	b = binary.LittleEndian.AppendUint32(b, h.packs)
	return binary.LittleEndian.AppendUint32(b, h.encapsulation)
}

func (h *header) footer() []byte {
	b := make([]byte, 0, footerSize)
	b = binary.LittleEndian.AppendUint64(b, h.rows)
	b = binary.LittleEndian.AppendUint32(b, h.tablesCRC)
	b = binary.LittleEndian.AppendUint32(b, h.rowsCRC)
	b = binary.LittleEndian.AppendUint32(b, h.fanCRC)
	crc := crc32.Update(crc32.Checksum(h.encode(), castagnoli), castagnoli, b)
	return binary.LittleEndian.AppendUint32(b, crc)
}

// decode reads header and footer of a whole segment and checks that the counts
// account for every byte of it.
func (h *header) decode(data []byte) error {
	if len(data) < len(magic)+2 || string(data[:len(magic)]) != magic {
		return fmt.Errorf("%w: it does not begin as one", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint16(data[headerVersion:]); v != version {
		return fmt.Errorf("%w: %d", ErrVersion, v)
	}
	if len(data) < headerSize+fanSize+footerSize {
		return fmt.Errorf("%w: cut short", ErrDamaged)
	}
	end := data[len(data)-footerSize:]
	crc := crc32.Checksum(data[:headerSize], castagnoli)
	crc = crc32.Update(crc, castagnoli, end[:footerCRC])
	if crc != binary.LittleEndian.Uint32(end[footerCRC:]) {
		return fmt.Errorf("%w: checksum of header and footer", ErrDamaged)
	}
	*h = header{
		fanBits:       data[headerFanBits],
		sessions:      binary.LittleEndian.Uint32(data[headerSessions:]),
		packs:         binary.LittleEndian.Uint32(data[headerPacks:]),
		encapsulation: binary.LittleEndian.Uint32(data[headerEncapsule:]),
		rows:          binary.LittleEndian.Uint64(end),
		tablesCRC:     binary.LittleEndian.Uint32(end[footerTablesCRC:]),
		rowsCRC:       binary.LittleEndian.Uint32(end[footerRowsCRC:]),
		fanCRC:        binary.LittleEndian.Uint32(end[footerFanCRC:]),
	}
	if h.fanBits > maxFanBits || data[headerZero] != 0 || h.packs > maxPacks || h.rows > maxRows {
		return fmt.Errorf("%w: a count is out of range", ErrDamaged)
	}
	// No overflow: each product is below 2^38.
	if size := h.tables() + h.rows*rowSize + fanSize<<h.fanBits + footerSize; size != uint64(len(data)) {
		return fmt.Errorf("%w: %d bytes where its counts make %d", ErrDamaged, len(data), size)
	}
	return nil
}

// tables is the size of everything before the rows, bytes.
func (h *header) tables() uint64 {
	return headerSize + uint64(h.sessions)*sessionSize + uint64(h.encapsulation) + uint64(h.packs)*packSize
}
