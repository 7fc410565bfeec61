package index

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"runtime/debug"
)

// Verify checks everything: checksums, the order of tables and rows, every
// reference, the fan-out. Errors wrap [ErrDamaged], or os.ErrClosed after
// [Segment.Close].
func (s *Segment) Verify() (err error) {
	defer func() {
		if err == nil {
			err = s.Err()
		}
	}()
	defer s.caught(debug.SetPanicOnFault(true))
	if len(s.data) == 0 {
		return os.ErrClosed
	}
	tables := s.data[:len(s.data)-footerSize-len(s.fan)-len(s.rows)]
	for _, part := range []struct {
		name  string
		bytes []byte
		crc   uint32
	}{
		{"tables", tables, s.head.tablesCRC},
		{"rows", s.rows, s.head.rowsCRC},
		{"fan-out", s.fan, s.head.fanCRC},
	} {
		if crc32.Checksum(part.bytes, castagnoli) != part.crc {
			return fmt.Errorf("%w: checksum of its %s", ErrDamaged, part.name)
		}
	}
	if err := s.verifyTables(); err != nil {
		return err
	}
	return s.verifyRows()
}

func (s *Segment) verifyTables() error {
	var last Session
	var total int
	for i := range int(s.head.sessions) {
		v, ok := s.session(i)
		if !ok || i > 0 && compareSessions(last, v) >= 0 {
			return fmt.Errorf("%w: session %d", ErrDamaged, i)
		}
		last = v
		total += len(v.Encapsulation)
	}
	if total != len(s.encapsulations) {
		return fmt.Errorf("%w: encapsulated keys of no session", ErrDamaged)
	}
	var before packEntry
	for i := range uint32(s.NumPacks()) {
		p := s.packEntry(i)
		if p.session >= s.head.sessions || i > 0 && comparePacks(before, p) >= 0 {
			return fmt.Errorf("%w: pack %d", ErrDamaged, i)
		}
		before = p
	}
	return nil
}

func (s *Segment) verifyRows() error {
	var last, r row
	bucket := 0
	for i := range s.Len() {
		r.decode(s.rows[i*rowSize:][:rowSize])
		if int(r.pack) >= s.NumPacks() || i > 0 && compareRows(&last, &r) >= 0 {
			return fmt.Errorf("%w: row %d", ErrDamaged, i)
		}
		last = r
		for ; bucket < fanIndex(r.id[:], s.head.fanBits); bucket++ {
			if s.fanEnd(bucket) != uint32(i) {
				return fmt.Errorf("%w: fan-out entry %d", ErrDamaged, bucket)
			}
		}
	}
	for ; bucket < len(s.fan)/fanSize; bucket++ {
		if s.fanEnd(bucket) != uint32(s.Len()) {
			return fmt.Errorf("%w: fan-out entry %d", ErrDamaged, bucket)
		}
	}
	return nil
}

func (s *Segment) fanEnd(bucket int) uint32 {
	return binary.LittleEndian.Uint32(s.fan[bucket*fanSize:])
}
