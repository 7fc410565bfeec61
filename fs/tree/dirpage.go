package tree

import (
	"bytes"
	"math"
	"unsafe"

	"garret/index"
)

// DirPage is a page of a directory: of nodes (level 0), or of references to
// pages of the level below. It is immutable and safe for concurrent use. The
// nodes of a page are decoded one by one, when asked for.
type DirPage struct {
	data   []byte // the encoded page: our own copy, never written to
	level  uint32
	totals Dir    // of the page, with no ID
	slots  []slot // level 0: one a node
	refs   []DirRef
	before []count // level > 0: what lies before each reference
}

// slot says where a node's encoding and its name lie in the page.
type slot struct {
	start, end uint32
	name       uint32
	nameLen    uint16
	dir        bool
	before     uint64 // entries of all levels before this one, in pre-order
}

type count struct{ entries, total uint64 }

// DirRef refers to a page of a directory.
type DirRef struct {
	First string // name of the first node below
	Dir          // the page's ID, its level, and the totals of what it holds
}

// ParseDirPage reads a page of a directory and builds its index; data is
// copied. Names, types and totals are checked here, the rest of a node when it
// is decoded. Errors wrap ErrInvalid.
func ParseDirPage(data []byte) (*DirPage, error) {
	if len(data) > MaxPage {
		return nil, invalid("page of %d bytes", len(data))
	}
	p := &DirPage{data: bytes.Clone(data)}
	var nodes, refs int
	err := fields(p.data, func(f *field, _ int) error {
		switch f.tag {
		case tagPageLevel:
			p.level = uint32(min(f.v, math.MaxUint32))
		case tagPageNode:
			nodes++
		case tagPageDir:
			refs++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	p.totals.Level = p.level
	switch {
	case p.level == 0 && nodes > 0 && refs == 0:
		p.slots = make([]slot, 0, nodes)
		err = fields(p.data, p.indexNode)
	case p.level > 0 && p.level <= MaxLevel && refs > 0 && nodes == 0:
		p.refs, p.before = make([]DirRef, 0, refs), make([]count, 0, refs)
		err = fields(p.data, p.indexRef)
	default:
		err = invalid("page of level %d with %d nodes and %d references", p.level, nodes, refs)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// fields visits the fields of a message; end is where in it the field ends, and
// so its bytes.
func fields(msg []byte, visit func(f *field, end int) error) error {
	var f field
	var err error
	for b := msg; len(b) > 0; {
		if b, err = f.consume(b); err != nil {
			return err
		}
		if err = visit(&f, len(msg)-len(b)); err != nil {
			return err
		}
	}
	return nil
}

// indexNode adds a node to the index. It reads no further than the fields that
// the format puts first; decodeNode refuses nodes that have them elsewhere.
func (p *DirPage) indexNode(f *field, end int) error {
	if f.tag != tagPageNode {
		return nil
	}
	start := end - len(f.s)
	var h head
	if err := h.decode(f.s); err != nil {
		return err
	}
	name := text(f.s[h.nameAt : h.nameAt+h.nameLen])
	if !ValidName(name) || len(p.slots) > 0 && name <= p.Name(len(p.slots)-1) {
		return invalid("name %.64q in a page", name)
	}
	if h.size > MaxSize || h.typ != Regular && h.size != 0 || h.typ != Directory && h.dir != (Dir{}) {
		return invalid("size or entries of a %v", h.typ)
	}
	p.slots = append(p.slots, slot{
		start: uint32(start), end: uint32(end),
		name: uint32(start + h.nameAt), nameLen: uint16(h.nameLen),
		dir: h.typ == Directory, before: p.totals.Total,
	})
	if h.typ != Directory {
		return p.totals.add(1, 0, 1, h.size)
	}
	if err := h.dir.validate(); err != nil {
		return err
	}
	return p.totals.add(1, 1, 1+h.dir.Total, h.dir.Bytes)
}

// head is what stands first in a node's encoding.
type head struct {
	nameAt, nameLen int // in the encoding
	typ             Type
	size            uint64
	dir             Dir
}

func (h *head) decode(all []byte) error {
	var f field
	var err error
	var last uint64
	for b := all; len(b) > 0; {
		if b, err = f.consume(b); err != nil {
			return err
		}
		num := f.tag >> 3
		if num > lastIndexed {
			break
		}
		if num <= last {
			return invalid("field %d out of order", num)
		}
		last = num
		switch f.tag {
		case tagName:
			h.nameAt, h.nameLen = len(all)-len(b)-len(f.s), len(f.s)
		case tagType:
			h.typ = Type(min(f.v, math.MaxUint8))
		case tagSize:
			h.size = f.v
		case tagDir:
			if err = decodeDir(f.s, &h.dir, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *DirPage) indexRef(f *field, _ int) error {
	if f.tag != tagPageDir {
		return nil
	}
	var r DirRef
	if err := decodeDir(f.s, &r.Dir, &r.First); err != nil {
		return err
	}
	r.Level = p.level - 1
	if !ValidName(r.First) || len(p.refs) > 0 && r.First <= p.refs[len(p.refs)-1].First {
		return invalid("name %.64q in a page", r.First)
	}
	if r.ID == (index.ID{}) {
		return invalid("reference without a blob")
	}
	if err := r.Dir.validate(); err != nil {
		return err
	}
	p.refs = append(p.refs, r)
	p.before = append(p.before, count{p.totals.Entries, p.totals.Total})
	return p.totals.add(r.Entries, r.Subdirs, r.Total, r.Bytes)
}

// Level is 0 for a page of nodes, n for one of references to pages of level n-1.
func (p *DirPage) Level() uint32 { return p.level }

// Len returns the number of nodes or references.
func (p *DirPage) Len() int { return len(p.slots) + len(p.refs) }

// Totals returns the sums over the page, with its level and no ID.
func (p *DirPage) Totals() Dir { return p.totals }

// MemSize returns the memory that the page takes, in bytes.
func (p *DirPage) MemSize() int64 {
	const page, slot, ref, count = unsafe.Sizeof(DirPage{}), unsafe.Sizeof(slot{}), unsafe.Sizeof(DirRef{}), unsafe.Sizeof(count{})
	return int64(page) + int64(cap(p.data)) + int64(slot)*int64(cap(p.slots)) + int64(ref+count)*int64(cap(p.refs))
}

// Name returns the name of the i-th node, or of the first one below the i-th
// reference.
func (p *DirPage) Name(i int) string {
	if p.level > 0 {
		return p.refs[i].First
	}
	s := &p.slots[i]
	return text(p.data[s.name : s.name+uint32(s.nameLen)])
}

// Node decodes the i-th node of a page of level 0. It refers to the page's
// memory and must not be modified.
func (p *DirPage) Node(i int) (*Node, error) {
	// Most files are one blob: its part comes with the node's memory.
	box := new(struct {
		n   Node
		one [1]Part
	})
	box.n.Content.Parts = box.one[:0]
	if err := p.Decode(i, &box.n); err != nil {
		return nil, err
	}
	return &box.n, nil
}

// Decode is Node into memory of the caller's, whose list of parts is used
// again.
func (p *DirPage) Decode(i int, n *Node) error {
	s := &p.slots[i]
	return decodeNode(p.data[s.start:s.end], n)
}

// IsDir reports whether the i-th node of a page of level 0 is a directory.
func (p *DirPage) IsDir(i int) bool { return p.slots[i].dir }

// Dir returns the Dir of the i-th node of a page of level 0, without decoding
// the rest; zero when the node is no directory.
func (p *DirPage) Dir(i int) Dir {
	s := &p.slots[i]
	if !s.dir {
		return Dir{}
	}
	var h head
	_ = h.decode(p.data[s.start:s.end]) // the index was made from the same bytes
	return h.dir
}

// Ref returns the i-th reference of a page of a level above 0.
func (p *DirPage) Ref(i int) DirRef { return p.refs[i] }

// Before returns what lies before the i-th node or reference in this page:
// direct children of the directory, and entries of all levels.
func (p *DirPage) Before(i int) (entries, total uint64) {
	if p.level > 0 {
		return p.before[i].entries, p.before[i].total
	}
	return uint64(i), p.slots[i].before
}
