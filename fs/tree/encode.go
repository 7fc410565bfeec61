package tree

import (
	"garret/index"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field tags: number<<3 | wire type. See the schema in the package comment.
const (
	varint    = uint64(protowire.VarintType)
	delimited = uint64(protowire.BytesType)

	tagName       = 1<<3 | delimited
	tagType       = 2<<3 | varint
	tagSize       = 3<<3 | varint
	tagDir        = 4<<3 | delimited
	tagMode       = 5<<3 | varint
	tagUID        = 6<<3 | varint
	tagGID        = 7<<3 | varint
	tagUser       = 8<<3 | delimited
	tagGroup      = 9<<3 | delimited
	tagModTime    = 10<<3 | varint
	tagModNsec    = 11<<3 | varint
	tagChangeTime = 12<<3 | varint
	tagChangeNsec = 13<<3 | varint
	tagInode      = 14<<3 | varint
	tagPart       = 15<<3 | delimited
	tagLinks      = 16<<3 | varint
	tagBirthTime  = 17<<3 | varint
	tagBirthNsec  = 18<<3 | varint
	tagAccessTime = 19<<3 | varint
	tagAccessNsec = 20<<3 | varint
	tagDevice     = 21<<3 | varint
	tagRdev       = 22<<3 | varint
	tagTarget     = 23<<3 | delimited
	tagXattr      = 24<<3 | delimited
	tagFlags      = 25<<3 | varint
	tagInline     = 26<<3 | delimited
	tagPages      = 27<<3 | delimited
	tagDigest     = 28<<3 | delimited

	lastIndexed = 4 // fields up to this one stand first and in order

	tagXattrName  = 1<<3 | delimited
	tagXattrValue = 2<<3 | delimited

	tagID = 1<<3 | delimited // of every message that names a blob

	tagDirLevel   = 2<<3 | varint // Dir and DirRef
	tagDirEntries = 3<<3 | varint
	tagDirSubdirs = 4<<3 | varint
	tagDirTotal   = 5<<3 | varint
	tagDirBytes   = 6<<3 | varint
	tagDirFirst   = 7<<3 | delimited

	tagLength = 2<<3 | varint // Part

	tagPagesLevel = 2<<3 | varint // Pages
	tagRefBytes   = 2<<3 | varint // PartRef
	tagRefParts   = 3<<3 | varint // Pages and PartRef
	tagRefHoles   = 4<<3 | varint

	tagPageLevel = 1<<3 | varint    // DirPage and ContentPage
	tagPageNode  = 2<<3 | delimited // DirPage
	tagPageDir   = 3<<3 | delimited
	tagPagePart  = 4<<3 | delimited // ContentPage
	tagPageRef   = 5<<3 | delimited
)

// AppendNode appends the encoding of n to b. It does not validate n.
func AppendNode(b []byte, n *Node) []byte {
	b = appendString(b, tagName, n.Name)
	b = appendUint(b, tagType, uint64(n.Type))
	b = appendUint(b, tagSize, n.Size)
	if n.Dir != (Dir{}) {
		b = appendMessage(b, tagDir, func(b []byte) []byte { return appendDir(b, &n.Dir) })
	}
	b = appendUint(b, tagMode, uint64(n.Mode))
	b = appendUint(b, tagUID, uint64(n.UID))
	b = appendUint(b, tagGID, uint64(n.GID))
	b = appendString(b, tagUser, n.User)
	b = appendString(b, tagGroup, n.Group)
	b = appendTime(b, tagModTime, tagModNsec, n.ModTime)
	b = appendTime(b, tagChangeTime, tagChangeNsec, n.ChangeTime)
	b = appendUint(b, tagInode, n.Inode)
	for i := range n.Content.Parts {
		b = appendPart(b, tagPart, &n.Content.Parts[i])
	}
	b = appendUint(b, tagLinks, n.Links)
	b = appendTime(b, tagBirthTime, tagBirthNsec, n.BirthTime)
	b = appendTime(b, tagAccessTime, tagAccessNsec, n.AccessTime)
	b = appendUint(b, tagDevice, uint64(n.Device))
	b = appendUint(b, tagRdev, n.Rdev)
	b = appendString(b, tagTarget, n.Target)
	for _, x := range n.Xattrs {
		b = appendMessage(b, tagXattr, func(b []byte) []byte {
			return appendBytes(appendString(b, tagXattrName, x.Name), tagXattrValue, x.Value)
		})
	}
	b = appendUint(b, tagFlags, uint64(n.Flags))
	b = appendBytes(b, tagInline, n.Content.Inline)
	if p := n.Content.Pages; p != (Pages{}) {
		b = appendMessage(b, tagPages, func(b []byte) []byte {
			b = appendID(b, p.ID)
			b = appendUint(b, tagPagesLevel, uint64(p.Level))
			b = appendUint(b, tagRefParts, p.Parts)
			return appendUint(b, tagRefHoles, p.Holes)
		})
	}
	return appendBytes(b, tagDigest, n.Digest)
}

func appendDir(b []byte, d *Dir) []byte {
	b = appendID(b, d.ID)
	b = appendUint(b, tagDirLevel, uint64(d.Level))
	b = appendUint(b, tagDirEntries, d.Entries)
	b = appendUint(b, tagDirSubdirs, d.Subdirs)
	b = appendUint(b, tagDirTotal, d.Total)
	return appendUint(b, tagDirBytes, d.Bytes)
}

func appendPart(b []byte, tag uint64, p *Part) []byte {
	return appendMessage(b, tag, func(b []byte) []byte {
		return appendUint(appendID(b, p.ID), tagLength, p.Length)
	})
}

func appendUint(b []byte, tag, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendVarint(b, tag), v)
}

func appendTime(b []byte, sec, nsec uint64, t Time) []byte {
	return appendUint(appendUint(b, sec, protowire.EncodeZigZag(t.Sec)), nsec, uint64(t.Nsec))
}

func appendString(b []byte, tag uint64, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendVarint(b, tag), s)
}

func appendBytes(b []byte, tag uint64, s []byte) []byte {
	if len(s) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendVarint(b, tag), s)
}

func appendID(b []byte, id index.ID) []byte {
	if id == (index.ID{}) {
		return b
	}
	return protowire.AppendBytes(protowire.AppendVarint(b, tagID), id[:])
}

// appendMessage appends a message that body appends, with its length before it.
func appendMessage(b []byte, tag uint64, body func([]byte) []byte) []byte {
	b = protowire.AppendVarint(b, tag)
	start := len(b)
	b = body(append(b, 0)) // one byte does for the length of most
	n := len(b) - start - 1
	if more := protowire.SizeVarint(uint64(n)) - 1; more > 0 {
		b = append(b, make([]byte, more)...)
		copy(b[start+1+more:], b[start+1:start+1+n])
	}
	protowire.AppendVarint(b[:start], uint64(n))
	return b
}
