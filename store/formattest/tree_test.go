package formattest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is a decoded Protocol Buffers message: its fields in order.
type message []struct {
	num   protowire.Number
	value uint64 // of a varint
	bytes []byte // of a length-delimited field
}

func parse(b []byte) (m message, err error) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
		var value uint64
		var s []byte
		switch typ {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			s, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		b = b[n:]
		m = append(m, struct {
			num   protowire.Number
			value uint64
			bytes []byte
		}{num, value, s})
	}
	return m, nil
}

func (m message) uint(num protowire.Number) uint64 {
	for _, f := range m {
		if f.num == num {
			return f.value
		}
	}
	return 0
}

func (m message) bytes(num protowire.Number) []byte {
	for _, f := range m {
		if f.num == num {
			return f.bytes
		}
	}
	return nil
}

// messages parses all fields of a number.
func (m message) messages(num protowire.Number) (list []message, err error) {
	for _, f := range m {
		if f.num == num {
			sub, err := parse(f.bytes)
			if err != nil {
				return nil, err
			}
			list = append(list, sub)
		}
	}
	return list, nil
}

// The numbers of Node's fields that a walk needs.
const (
	nodeName, nodeType, nodeSize, nodeDir, nodeMode     = 1, 2, 3, 4, 5
	nodeModTime, nodeModNsec                            = 10, 11
	nodeParts, nodeTarget, nodeInline, nodePages        = 15, 23, 26, 27
	typeRegular, typeDirectory, typeSymlink, typeDevice = 1, 2, 3, 4
)

// children returns a directory's nodes, in order.
func (r *reader) children(dir message) (nodes []message, err error) {
	ref, err := parse(dir.bytes(nodeDir))
	if err != nil || ref.bytes(1) == nil { // an empty directory
		return nil, err
	}
	err = r.dirPages(ref.bytes(1), int(ref.uint(2)), &nodes)
	entries, subdirs := uint64(0), uint64(0)
	for i, n := range nodes {
		entries++
		if n.uint(nodeType) == typeDirectory {
			subdirs++
		}
		if i > 0 && bytes.Compare(nodes[i-1].bytes(nodeName), n.bytes(nodeName)) >= 0 {
			return nil, wrong("names out of order")
		}
	}
	if err == nil && (entries != ref.uint(3) || subdirs != ref.uint(4)) {
		err = wrong("a directory of %d entries, not %d", entries, ref.uint(3))
	}
	return nodes, err
}

func (r *reader) dirPages(id []byte, level int, nodes *[]message) error {
	page, err := r.page(id, level)
	if err != nil {
		return err
	}
	if level == 0 {
		list, err := page.messages(2)
		*nodes = append(*nodes, list...)
		return err
	}
	refs, err := page.messages(3)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		begin := len(*nodes)
		if err := r.dirPages(ref.bytes(1), level-1, nodes); err != nil {
			return err
		}
		if first := (*nodes)[begin].bytes(nodeName); !bytes.Equal(first, ref.bytes(7)) || uint64(len(*nodes)-begin) != ref.uint(3) {
			return wrong("a reference to %q", ref.bytes(7))
		}
	}
	return nil
}

func (r *reader) page(id []byte, level int) (message, error) {
	b, err := r.blob(treeKind, id)
	if err != nil {
		return nil, err
	}
	page, err := parse(b)
	if err == nil && int(page.uint(1)) != level {
		err = wrong("a page of level %d, not %d", page.uint(1), level)
	}
	return page, err
}

// resolve walks from the root to a path, by names.
func (r *reader) resolve(root message, path string) (message, error) {
	at := root
	for name := range strings.SplitSeq(path, "/") {
		nodes, err := r.children(at)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(nodes, func(n message) bool { return string(n.bytes(nodeName)) == name })
		if i < 0 {
			return nil, wrong("there is no %s in %s", name, path)
		}
		at = nodes[i]
	}
	return at, nil
}

// part is a piece of a file.
type part struct {
	id     []byte // nil for a hole
	length uint64
}

// parts returns a file's list of parts.
func (r *reader) parts(node message) (parts []part, err error) {
	pages, err := node.messages(nodePages)
	if err != nil {
		return nil, err
	}
	if len(pages) == 0 {
		return partsOf(node, nodeParts)
	}
	err = r.contentPages(pages[0].bytes(1), int(pages[0].uint(2)), &parts)
	if err == nil && uint64(len(parts)) != pages[0].uint(3) {
		err = wrong("%d parts, not %d", len(parts), pages[0].uint(3))
	}
	return parts, err
}

func (r *reader) contentPages(id []byte, level int, parts *[]part) error {
	page, err := r.page(id, level)
	if err != nil {
		return err
	}
	if level == 0 {
		list, err := partsOf(page, 4)
		*parts = append(*parts, list...)
		return err
	}
	refs, err := page.messages(5)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := r.contentPages(ref.bytes(1), level-1, parts); err != nil {
			return err
		}
	}
	return nil
}

func partsOf(m message, num protowire.Number) (parts []part, err error) {
	list, err := m.messages(num)
	for _, p := range list {
		parts = append(parts, part{p.bytes(1), p.uint(2)})
	}
	return parts, err
}

// content returns a file's bytes.
func (r *reader) content(node message) ([]byte, error) {
	if node.uint(nodeType) != typeRegular {
		return nil, wrong("a node of type %d", node.uint(nodeType))
	}
	data := slices.Clone(node.bytes(nodeInline))
	parts, err := r.parts(node)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if p.id == nil {
			data = append(data, make([]byte, p.length)...)
			continue
		}
		b, err := r.blob(dataKind, p.id)
		if err != nil {
			return nil, err
		}
		if uint64(len(b)) != p.length {
			return nil, wrong("a blob of %d bytes, not %d", len(b), p.length)
		}
		data = append(data, b...)
	}
	if uint64(len(data)) != node.uint(nodeSize) {
		return nil, fmt.Errorf("%w: %d bytes of %d", errFormat, len(data), node.uint(nodeSize))
	}
	return data, nil
}
