package index

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
)

// Builder collects the rows of a segment that is yet to be written, and finds
// blobs among them. It takes about 60 bytes a row. It is not safe for concurrent
// use. Create one with [NewBuilder].
type Builder struct {
	sessions  []Session
	sessionAt map[string]uint32 // id, epoch and encapsulation → ordinal
	packs     []packEntry
	packAt    map[packEntry]uint32

	// Rows lie in blocks, so that growing never copies them. The rows of one
	// ID form a list by their next fields, whose head is in slots.
	blocks [][]entry
	n      uint32
	heads  uint32   // IDs: slots in use
	slots  []uint32 // open addressing; 1 + the ordinal of a row
	seed   maphash.Seed

	err error // of an AddPack or Add that had to be refused
}

// entry is a row in memory: 52 bytes.
type entry struct {
	id             ID
	pack           uint32
	offset, length uint32
	next           uint32 // 1 + the ordinal of the next row with this ID
	frame, blob    uint16
}

const (
	blockRows = 1 << 11
	minSlots  = 1 << 8
)

// NewBuilder returns an empty builder.
func NewBuilder() *Builder {
	b := &Builder{seed: maphash.MakeSeed()}
	b.Reset()
	return b
}

// Reset forgets everything but keeps the memory for the rows.
func (b *Builder) Reset() {
	b.sessions, b.packs, b.n, b.heads, b.err = nil, nil, 0, 0, nil
	b.sessionAt = make(map[string]uint32)
	b.packAt = make(map[packEntry]uint32)
	if b.slots == nil {
		b.slots = make([]uint32, minSlots)
	}
	clear(b.slots)
}

// Len returns the number of rows.
func (b *Builder) Len() int { return int(b.n) }

// Packs returns the number of packs.
func (b *Builder) Packs() int { return len(b.packs) }

// AddPack registers a pack and the session that wrote it, and returns the number
// by which [Builder.Add] knows the pack: the same one when the pack has been
// registered before.
func (b *Builder) AddPack(p Pack, s Session) (ordinal uint32) {
	if len(s.Encapsulation) > maxEncapsulation {
		b.fail("an encapsulated key of %d bytes", len(s.Encapsulation))
		return maxPacks
	}
	key := append(make([]byte, 0, 16+len(s.Encapsulation)), s.ID[:]...)
	key = binary.LittleEndian.AppendUint32(key, s.Epoch)
	key = append(key, s.Encapsulation...)
	session, ok := b.sessionAt[string(key)]
	if !ok {
		session = uint32(len(b.sessions))
		b.sessionAt[string(key)] = session
		s.Encapsulation = slices.Clone(s.Encapsulation)
		b.sessions = append(b.sessions, s)
	}
	e := packEntry{Pack: p, session: session}
	ordinal, ok = b.packAt[e]
	if !ok {
		if len(b.packs) == maxPacks {
			b.fail("more than %d packs", maxPacks)
			return maxPacks
		}
		ordinal = uint32(len(b.packs))
		b.packAt[e] = ordinal
		b.packs = append(b.packs, e)
	}
	return ordinal
}

// Add adds a row: the blob lies in that pack, in the frame that begins at offset
// and takes length (less than 1<<24) stored bytes, as its blob-th blob. What
// does not fit into a row is left out and fails [Builder.WriteTo].
func (b *Builder) Add(id ID, pack uint32, offset, length uint32, frame, blob uint16) {
	switch {
	case pack >= uint32(len(b.packs)):
		b.fail("pack %d of %d", pack, len(b.packs))
		return
	case length >= maxLength:
		b.fail("a frame of %d bytes", length)
		return
	case b.n == maxRows-1:
		b.fail("more than %d rows", b.n)
		return
	}
	if b.n%blockRows == 0 && int(b.n/blockRows) == len(b.blocks) {
		b.blocks = append(b.blocks, make([]entry, blockRows))
	}
	if uint64(b.heads+1)*4 > uint64(len(b.slots))*3 {
		b.grow()
	}
	slot := b.slot(&id)
	if *slot == 0 {
		b.heads++
	}
	*b.row(b.n) = entry{id: id, pack: pack, offset: offset, length: length, next: *slot, frame: frame, blob: blob}
	b.n++
	*slot = b.n
}

// Lookup calls visit with every copy of the blob among the rows, until visit
// returns false.
func (b *Builder) Lookup(id ID, visit func(Location) bool) {
	for i := *b.slot(&id); i != 0; {
		e := b.row(i - 1)
		p := &b.packs[e.pack]
		loc := Location{Pack: p.ID, Kind: p.Kind, Offset: e.offset, Length: e.length, Frame: e.frame, Blob: e.blob}
		if !visit(loc) {
			return
		}
		i = e.next
	}
}

// WriteTo writes the rows as a segment. The bytes depend on the rows and their
// packs only, not on the order of the calls that added them. It may be called
// again. Errors wrap [ErrLimit] or are the writer's.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	if b.err != nil {
		return 0, b.err
	}
	sessions, packs, packOrdinals := sortTables(b.sessions, b.packs)
	o, err := newWriter(w, sessions, packs, uint64(b.n))
	if err != nil {
		return 0, err
	}
	for r := range b.sorted(packOrdinals) {
		if err := o.add(r); err != nil {
			return o.n, err
		}
	}
	return o.finish()
}

func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("%w: "+format, append([]any{ErrLimit}, args...)...)
	}
}

func (b *Builder) row(i uint32) *entry { return &b.blocks[i/blockRows][i%blockRows] }

// slot returns the place of the list of rows with that ID: its head's, or the
// free one where that would go.
func (b *Builder) slot(id *ID) *uint32 {
	mask := uint64(len(b.slots) - 1)
	for i := maphash.Bytes(b.seed, id[:]) & mask; ; i = (i + 1) & mask {
		if s := &b.slots[i]; *s == 0 || b.row(*s-1).id == *id {
			return s
		}
	}
}

func (b *Builder) grow() {
	old := b.slots
	b.slots = make([]uint32, 2*len(old))
	for _, head := range old {
		if head != 0 {
			*b.slot(&b.row(head - 1).id) = head
		}
	}
}
