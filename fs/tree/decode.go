package tree

import (
	"bytes"
	"math"
	"unsafe"

	"garret/index"

	"google.golang.org/protobuf/encoding/protowire"
)

// ParseNode decodes a node that stands alone, as a snapshot's root does; its
// name may be empty. Errors wrap ErrInvalid.
func ParseNode(b []byte) (*Node, error) {
	if len(b) > MaxNode {
		return nil, invalid("node of %d bytes", len(b))
	}
	n := new(Node)
	if err := decodeNode(bytes.Clone(b), n); err != nil {
		return nil, err
	}
	return n, nil
}

// field is one field of a message: v for varints, s for bytes.
type field struct {
	tag uint64 // number<<3 | wire type
	v   uint64
	s   []byte
}

// consume takes the first field off b, which is not empty. Of wire types
// without a use here the value is skipped. Most tags and lengths are one byte.
func (f *field) consume(b []byte) (rest []byte, err error) {
	tag, n := uint64(b[0]), 1
	if tag >= 0x80 {
		tag, n = protowire.ConsumeVarint(b)
	}
	if n < 0 || tag>>3 == 0 || tag>>3 > uint64(protowire.MaxValidNumber) {
		return nil, invalid("field tag")
	}
	b = b[n:]
	f.tag = tag
	switch tag & 7 {
	case varint:
		if len(b) > 0 && b[0] < 0x80 {
			f.v = uint64(b[0])
			return b[1:], nil
		}
		f.v, n = protowire.ConsumeVarint(b)
	case delimited:
		if len(b) > 0 && b[0] < 0x80 && int(b[0]) < len(b) {
			end := 1 + int(b[0])
			f.s = b[1:end]
			return b[end:], nil
		}
		f.s, n = protowire.ConsumeBytes(b)
	default:
		n = protowire.ConsumeFieldValue(protowire.Number(tag>>3), protowire.Type(tag&7), b)
	}
	if n < 0 {
		return nil, invalid("field %d is cut short", tag>>3)
	}
	return b[n:], nil
}

// text returns b as a string without copying. Bytes given to the decoder are a
// copy of its own that nothing writes to, so what strings.Builder does is right
// here too: a page's names and users cost no allocation.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// own returns b with no room to append into its neighbours, nil when empty.
func own(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b[:len(b):len(b)]
}

// decodeNode decodes and validates a node; it keeps references into b.
// Content.Parts is overwritten in place where it has room.
func decodeNode(b []byte, n *Node) error {
	*n = Node{Content: Content{Parts: n.Content.Parts[:0]}}
	var f field
	var err error
	var last uint64
	var wide uint64 // all values of 32-bit fields or-ed
	for len(b) > 0 {
		if b, err = f.consume(b); err != nil {
			return err
		}
		num := f.tag >> 3
		if num <= lastIndexed && num <= last {
			return invalid("field %d out of order", num)
		}
		last = max(last, num)
		switch f.tag {
		case tagName:
			n.Name = text(f.s)
		case tagType:
			n.Type = Type(min(f.v, math.MaxUint8))
		case tagSize:
			n.Size = f.v
		case tagDir:
			err = decodeDir(f.s, &n.Dir, nil)
		case tagMode:
			n.Mode = uint16(min(f.v, math.MaxUint16))
		case tagUID:
			n.UID, wide = uint32(f.v), wide|f.v
		case tagGID:
			n.GID, wide = uint32(f.v), wide|f.v
		case tagUser:
			n.User = text(f.s)
		case tagGroup:
			n.Group = text(f.s)
		case tagModTime:
			n.ModTime.Sec = protowire.DecodeZigZag(f.v)
		case tagModNsec:
			n.ModTime.Nsec, wide = uint32(f.v), wide|f.v
		case tagChangeTime:
			n.ChangeTime.Sec = protowire.DecodeZigZag(f.v)
		case tagChangeNsec:
			n.ChangeTime.Nsec, wide = uint32(f.v), wide|f.v
		case tagInode:
			n.Inode = f.v
		case tagPart:
			var p Part
			err = decodePart(f.s, &p)
			n.Content.Parts = append(n.Content.Parts, p)
		case tagLinks:
			n.Links = f.v
		case tagBirthTime:
			n.BirthTime.Sec = protowire.DecodeZigZag(f.v)
		case tagBirthNsec:
			n.BirthTime.Nsec, wide = uint32(f.v), wide|f.v
		case tagAccessTime:
			n.AccessTime.Sec = protowire.DecodeZigZag(f.v)
		case tagAccessNsec:
			n.AccessTime.Nsec, wide = uint32(f.v), wide|f.v
		case tagDevice:
			n.Device, wide = uint32(f.v), wide|f.v
		case tagRdev:
			n.Rdev = f.v
		case tagTarget:
			n.Target = text(f.s)
		case tagXattr:
			var x Xattr
			err = decodeXattr(f.s, &x)
			n.Xattrs = append(n.Xattrs, x)
		case tagFlags:
			n.Flags, wide = uint32(f.v), wide|f.v
		case tagInline:
			n.Content.Inline = own(f.s)
		case tagPages:
			err = decodePages(f.s, &n.Content.Pages)
		case tagDigest:
			n.Digest = own(f.s)
		}
		if err != nil {
			return err
		}
	}
	if wide > math.MaxUint32 {
		return invalid("a field of 32 bits overflows")
	}
	if len(n.Content.Parts) == 0 {
		n.Content.Parts = nil
	}
	return n.Validate()
}

// decodeDir decodes a Dir, or a DirRef where first is given.
func decodeDir(b []byte, d *Dir, first *string) error {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.consume(b); err != nil {
			return err
		}
		switch f.tag {
		case tagID:
			err = decodeID(f.s, &d.ID)
		case tagDirLevel:
			d.Level = uint32(min(f.v, math.MaxUint32))
		case tagDirEntries:
			d.Entries = f.v
		case tagDirSubdirs:
			d.Subdirs = f.v
		case tagDirTotal:
			d.Total = f.v
		case tagDirBytes:
			d.Bytes = f.v
		case tagDirFirst:
			if first != nil {
				*first = text(f.s)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func decodePart(b []byte, p *Part) error {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.consume(b); err != nil {
			return err
		}
		switch f.tag {
		case tagID:
			err = decodeID(f.s, &p.ID)
		case tagLength:
			p.Length = f.v
		}
		if err != nil {
			return err
		}
	}
	return p.validate()
}

func decodeXattr(b []byte, x *Xattr) error {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.consume(b); err != nil {
			return err
		}
		switch f.tag {
		case tagXattrName:
			x.Name = text(f.s)
		case tagXattrValue:
			x.Value = own(f.s)
		}
	}
	return nil
}

func decodePages(b []byte, p *Pages) error {
	var f field
	var err error
	for len(b) > 0 {
		if b, err = f.consume(b); err != nil {
			return err
		}
		switch f.tag {
		case tagID:
			err = decodeID(f.s, &p.ID)
		case tagPagesLevel:
			p.Level = uint32(min(f.v, math.MaxUint32))
		case tagRefParts:
			p.Parts = f.v
		case tagRefHoles:
			p.Holes = f.v
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func decodeID(b []byte, id *index.ID) error {
	if len(b) != len(id) {
		return invalid("blob id of %d bytes", len(b))
	}
	copy(id[:], b)
	return nil
}
