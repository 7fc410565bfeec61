package index

import (
	"encoding/binary"
	"iter"
	"runtime/debug"
	"sort"
	"sync/atomic"
)

// Segment is an immutable sorted table of blobs. It is safe for concurrent use,
// except that nothing else may run during or after [Segment.Close].
type Segment struct {
	data []byte // all of it, from header to footer
	head header

	// The parts of data.
	sessions, encapsulations, packs, rows, fan []byte

	mapped bool // data is a mapping, not on the heap
	fault  atomic.Pointer[error]
}

// Parse makes a segment of its bytes, which it keeps and which must not change.
// It takes constant time: sizes and counts are checked, nothing is decoded.
// Errors wrap [ErrDamaged] or [ErrVersion].
func Parse(data []byte) (*Segment, error) {
	s := &Segment{data: data}
	if err := s.head.decode(data); err != nil {
		return nil, err
	}
	rest := data[headerSize:]
	take := func(n uint64) []byte {
		part := rest[:n:n]
		rest = rest[n:]
		return part
	}
	s.sessions = take(uint64(s.head.sessions) * sessionSize)
	s.encapsulations = take(uint64(s.head.encapsulation))
	s.packs = take(uint64(s.head.packs) * packSize)
	s.rows = take(s.head.rows * rowSize)
	s.fan = take(fanSize << s.head.fanBits)
	return s, nil
}

// Len returns the number of rows.
func (s *Segment) Len() int { return len(s.rows) / rowSize }

// Size returns the segment's size in bytes.
func (s *Segment) Size() int64 { return int64(len(s.data)) }

// NumPacks returns the number of packs that the rows may refer to.
func (s *Segment) NumPacks() int { return len(s.packs) / packSize }

// Pack returns the i-th pack, in order of their ids; the zero Pack when there
// is none.
func (s *Segment) Pack(i uint32) Pack { return s.packEntry(i).Pack }

// Packs returns all packs, in order of their ids.
func (s *Segment) Packs() []Pack {
	packs := make([]Pack, s.NumPacks())
	for i := range packs {
		packs[i] = s.Pack(uint32(i))
	}
	return packs
}

func (s *Segment) packEntry(i uint32) (p packEntry) {
	defer s.caught(debug.SetPanicOnFault(true))
	if int64(i) >= int64(s.NumPacks()) {
		return packEntry{}
	}
	b := s.packs[int(i)*packSize:][:packSize]
	return packEntry{
		Pack: Pack{
			ID:   PackID(b[:packBytes]),
			Size: binary.LittleEndian.Uint32(b[packBytes:]),
			Kind: Kind(b[packKind]),
		},
		session: binary.LittleEndian.Uint32(b[packSession:]),
	}
}

// packsOf returns the range of the ordinals of the packs with that id: one, or
// none, unless merged segments disagreed.
func (s *Segment) packsOf(id PackID) (first, end uint32) {
	n := s.NumPacks()
	i := sort.Search(n, func(i int) bool {
		p := s.Pack(uint32(i)).ID
		return string(p[:]) >= string(id[:])
	})
	j := i
	for j < n && s.Pack(uint32(j)).ID == id {
		j++
	}
	return uint32(i), uint32(j)
}

// Session returns the session with that id. The first of several is returned
// when merged segments disagreed; [Segment.Sessions] has them all.
func (s *Segment) Session(id SessionID) (Session, bool) {
	n := len(s.sessions) / sessionSize
	i := sort.Search(n, func(i int) bool {
		v := s.sessionID(i)
		return string(v[:]) >= string(id[:])
	})
	if i == n || s.sessionID(i) != id {
		return Session{}, false
	}
	return s.session(i)
}

// Sessions iterates over the sessions in order of their ids.
func (s *Segment) Sessions() iter.Seq[Session] {
	return func(yield func(Session) bool) {
		for i := range len(s.sessions) / sessionSize {
			if v, ok := s.session(i); ok && !yield(v) {
				return
			}
		}
	}
}

func (s *Segment) sessionID(i int) (id SessionID) {
	defer s.caught(debug.SetPanicOnFault(true))
	return SessionID(s.sessions[i*sessionSize:][:sessionEpoch])
}

// session decodes the i-th session, not ok when its bounds make no sense. The
// encapsulation is a copy, so that it outlives the mapping.
func (s *Segment) session(i int) (v Session, ok bool) {
	defer s.caught(debug.SetPanicOnFault(true))
	var start uint32
	if i > 0 {
		start = binary.LittleEndian.Uint32(s.sessions[(i-1)*sessionSize+sessionEnd:])
	}
	b := s.sessions[i*sessionSize:][:sessionSize]
	end := binary.LittleEndian.Uint32(b[sessionEnd:])
	if start > end || uint64(end) > uint64(len(s.encapsulations)) || end-start > maxEncapsulation {
		return Session{}, false
	}
	return Session{
		ID:            SessionID(b[:sessionEpoch]),
		Epoch:         binary.LittleEndian.Uint32(b[sessionEpoch:]),
		Encapsulation: append([]byte(nil), s.encapsulations[start:end]...),
	}, true
}

// Rows iterates over the rows in order of their IDs. Rows that refer to no pack
// are left out; a mapped file that cannot be read ends it, see [Segment.Err].
func (s *Segment) Rows() iter.Seq2[ID, Location] {
	return func(yield func(ID, Location) bool) {
		for i := range s.Len() {
			id, loc, _, ok := s.at(i)
			if ok && !yield(id, loc) || !ok && s.Err() != nil {
				return
			}
		}
	}
}

// at decodes row i, with the ordinal of its pack; not ok when it refers to none.
func (s *Segment) at(i int) (id ID, loc Location, ordinal uint32, ok bool) {
	defer s.caught(debug.SetPanicOnFault(true))
	b := s.rows[i*rowSize:][:rowSize]
	pack := uint24(b[rowPack:])
	if int(pack) >= s.NumPacks() {
		return ID{}, Location{}, 0, false
	}
	p := s.packs[int(pack)*packSize:][:packSize]
	return ID(b[:rowPack]), Location{
		Pack:   PackID(p[:packBytes]),
		Kind:   Kind(p[packKind]),
		Offset: binary.LittleEndian.Uint32(b[rowOffset:]),
		Length: uint24(b[rowLength:]),
		Frame:  binary.LittleEndian.Uint16(b[rowFrame:]),
		Blob:   binary.LittleEndian.Uint16(b[rowBlob:]),
	}, pack, true
}
