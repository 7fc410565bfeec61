package tree

import (
	"bytes"
	"math"
	"sort"
	"unsafe"

	"garret/index"
)

// ContentPage is a page of a long content list: of parts (level 0), or of
// references to pages of the level below. It is immutable and safe for
// concurrent use.
type ContentPage struct {
	data  []byte // the encoded page: our own copy, never written to
	level uint32
	slots []partSlot // level 0: one a part
	refs  []PartRef  // level > 0
	ends  []uint64   // where each part or reference ends, bytes from the page's first
	parts uint64
	holes uint64
}

// partSlot says where a part's blob ID lies in the page; 0 for a hole, which
// no ID can begin at.
type partSlot uint32

// PartRef refers to a page of a content list and says what is below it.
type PartRef struct {
	ID    index.ID
	Bytes uint64 // of the file
	Parts uint64
	Holes uint64 // bytes of holes
}

// ParseContentPage reads a page of a content list; data is copied. Errors wrap
// ErrInvalid.
func ParseContentPage(data []byte) (*ContentPage, error) {
	if len(data) > MaxPage {
		return nil, invalid("page of %d bytes", len(data))
	}
	p := &ContentPage{data: bytes.Clone(data)}
	var parts, refs int
	err := fields(p.data, func(f *field, _ int) error {
		switch f.tag {
		case tagPageLevel:
			p.level = uint32(min(f.v, math.MaxUint32))
		case tagPagePart:
			parts++
		case tagPageRef:
			refs++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	switch {
	case p.level == 0 && parts > 0 && refs == 0:
		p.slots, p.ends = make([]partSlot, 0, parts), make([]uint64, 0, parts)
		err = fields(p.data, p.indexPart)
	case p.level > 0 && p.level <= MaxLevel && refs > 0 && parts == 0:
		p.refs, p.ends = make([]PartRef, 0, refs), make([]uint64, 0, refs)
		err = fields(p.data, p.indexRef)
	default:
		err = invalid("page of level %d with %d parts and %d references", p.level, parts, refs)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *ContentPage) indexPart(f *field, end int) error {
	if f.tag != tagPagePart {
		return nil
	}
	var part Part
	var at int
	err := fields(f.s, func(g *field, gend int) error {
		switch g.tag {
		case tagID:
			at = end - len(f.s) + gend - len(g.s)
			return decodeID(g.s, &part.ID)
		case tagLength:
			part.Length = g.v
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := part.validate(); err != nil {
		return err
	}
	if part.IsHole() {
		at = 0
		p.holes += part.Length
	}
	p.slots = append(p.slots, partSlot(at))
	p.parts++
	return p.addEnd(part.Length)
}

func (p *ContentPage) indexRef(f *field, _ int) error {
	if f.tag != tagPageRef {
		return nil
	}
	var r PartRef
	err := fields(f.s, func(g *field, _ int) error {
		switch g.tag {
		case tagID:
			return decodeID(g.s, &r.ID)
		case tagRefBytes:
			r.Bytes = g.v
		case tagRefParts:
			r.Parts = g.v
		case tagRefHoles:
			r.Holes = g.v
		}
		return nil
	})
	if err != nil {
		return err
	}
	if r.ID == (index.ID{}) || r.Bytes > MaxSize || r.Parts == 0 || r.Parts > r.Bytes || r.Holes > r.Bytes {
		return invalid("reference to %d parts, %d bytes, %d in holes", r.Parts, r.Bytes, r.Holes)
	}
	p.refs = append(p.refs, r)
	p.parts += r.Parts // at most the bytes, which are checked
	p.holes += r.Holes
	return p.addEnd(r.Bytes)
}

func (p *ContentPage) addEnd(length uint64) error {
	end := p.Bytes() + length
	if end > MaxSize {
		return invalid("content is too long")
	}
	p.ends = append(p.ends, end)
	return nil
}

// Level is 0 for a page of parts, n for one of references to pages of level n-1.
func (p *ContentPage) Level() uint32 { return p.level }

// Len returns the number of parts or references.
func (p *ContentPage) Len() int { return len(p.ends) }

// Bytes returns the bytes of the file that the page covers.
func (p *ContentPage) Bytes() uint64 {
	if len(p.ends) == 0 {
		return 0
	}
	return p.ends[len(p.ends)-1]
}

// Parts returns the number of parts below, and Holes their bytes that are holes.
func (p *ContentPage) Parts() uint64 { return p.parts }

// Holes returns the bytes of holes below.
func (p *ContentPage) Holes() uint64 { return p.holes }

// MemSize returns the memory that the page takes, in bytes.
func (p *ContentPage) MemSize() int64 {
	const page, slot, ref = unsafe.Sizeof(ContentPage{}), unsafe.Sizeof(partSlot(0)), unsafe.Sizeof(PartRef{})
	return int64(page) + int64(cap(p.data)) + int64(slot)*int64(cap(p.slots)) + int64(ref)*int64(cap(p.refs)) + 8*int64(cap(p.ends))
}

// Offset returns where the i-th part or reference begins, bytes from the page's
// first.
func (p *ContentPage) Offset(i int) uint64 {
	if i == 0 {
		return 0
	}
	return p.ends[i-1]
}

// Part returns the i-th part of a page of level 0.
func (p *ContentPage) Part(i int) Part {
	part := Part{Length: p.ends[i] - p.Offset(i)}
	if at := p.slots[i]; at > 0 {
		part.ID = index.ID(p.data[at:])
	}
	return part
}

// Ref returns the i-th reference of a page of a level above 0.
func (p *ContentPage) Ref(i int) PartRef { return p.refs[i] }

// Find returns the part or reference that covers the byte at off from the
// page's first; off must be less than Bytes.
func (p *ContentPage) Find(off uint64) int {
	return sort.Search(len(p.ends), func(i int) bool { return p.ends[i] > off })
}

// Fits checks the page against what its parent says. The error wraps ErrInvalid.
func (p *ContentPage) Fits(level uint32, want PartRef) error {
	if p.level != level || p.Bytes() != want.Bytes || p.parts != want.Parts || p.holes != want.Holes {
		return invalid("a content page's totals are not those that its parent gives")
	}
	return nil
}

// Ref returns the reference to the top page of a file of size bytes.
func (p Pages) Ref(size uint64) PartRef { return PartRef{p.ID, size, p.Parts, p.Holes} }
