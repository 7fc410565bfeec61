package mount

import (
	"cmp"
	"slices"
)

// Offsets in the listings above the trees. An offset belongs to an entry for
// ever, so that a listing that changes while it is read neither skips nor
// repeats an entry that stays.
const (
	offsetDot    = 1
	offsetDotDot = 2
	offsetLatest = 3
	offsetFixed  = 4  // and on: the fixed directories
	offsetNumber = 16 // plus the number of the snapshot or host
)

var fixedDirs = []struct {
	name string
	id   uint64
}{{"snapshots", nodeSnapshots}, {"hosts", nodeHosts}, {"ids", nodeIDs}}

// isDir reports whether a node above the trees is a directory that is still
// there.
func (c *catalog) isDir(id uint64) bool {
	switch k, argument := splitTop(id); k {
	case kindFixed:
		return id >= nodeRoot && id <= nodeIDs
	case kindHost:
		return c.host(argument) != nil
	}
	return false
}

// child returns the node ID of the entry of this name in a directory above
// the trees.
func (c *catalog) child(dir uint64, name string) (id uint64, ok bool) {
	var s *listed
	var k kind
	switch dir {
	case nodeRoot:
		if name == "latest" && c.latest != nil {
			return topNode(kindLatest, c.latest.number), true
		}
		for _, d := range fixedDirs {
			if d.name == name {
				return d.id, true
			}
		}
		return 0, false
	case nodeHosts:
		if h := c.byHost[name]; h != nil {
			return topNode(kindHost, h.number), true
		}
		return 0, false
	case nodeSnapshots:
		if s = c.byName[name]; s == nil {
			return 0, false
		}
		return treeNode(s.number, 0), true
	case nodeIDs:
		s, k = c.byShort[name], kindIDLink
	default:
		_, argument := splitTop(dir)
		h := c.host(argument)
		if name == "latest" && h.latest != nil {
			return topNode(kindHostLatest, h.latest.number), true
		}
		if s, k = c.byName[name], kindHostLink; s != nil && safeName(s.Host) != h.name {
			s = nil
		}
	}
	if s == nil {
		return 0, false
	}
	return topNode(k, s.number), true
}

// children visits the entries of a directory above the trees that stand after
// an offset, until visit returns false.
func (c *catalog) children(dir, after uint64, visit func(offset uint64, name string, id uint64) bool) {
	switch dir {
	case nodeRoot:
		if after < offsetLatest && c.latest != nil &&
			!visit(offsetLatest, "latest", topNode(kindLatest, c.latest.number)) {
			return
		}
		for i, d := range fixedDirs {
			if offset := uint64(offsetFixed + i); offset > after && !visit(offset, d.name, d.id) {
				return
			}
		}
	case nodeHosts:
		for _, h := range c.hosts[following(c.hosts, after, func(h *host) uint32 { return h.number }):] {
			if !visit(offsetNumber+uint64(h.number), h.name, topNode(kindHost, h.number)) {
				return
			}
		}
	case nodeSnapshots:
		c.visitSnapshots(c.snapshots, after, func(offset uint64, s *listed) bool {
			return visit(offset, s.name, treeNode(s.number, 0))
		})
	case nodeIDs:
		c.visitSnapshots(c.snapshots, after, func(offset uint64, s *listed) bool {
			return visit(offset, s.shortID, topNode(kindIDLink, s.number))
		})
	default:
		_, argument := splitTop(dir)
		h := c.host(argument)
		if after < offsetLatest && h.latest != nil &&
			!visit(offsetLatest, "latest", topNode(kindHostLatest, h.latest.number)) {
			return
		}
		c.visitSnapshots(h.snapshots, after, func(offset uint64, s *listed) bool {
			return visit(offset, s.name, topNode(kindHostLink, s.number))
		})
	}
}

func (c *catalog) visitSnapshots(list []*listed, after uint64, visit func(uint64, *listed) bool) {
	for _, s := range list[following(list, after, func(s *listed) uint32 { return s.number }):] {
		if !visit(offsetNumber+uint64(s.number), s) {
			return
		}
	}
}

// following returns the index of the first element that stands after an
// offset.
func following[T any](list []T, after uint64, number func(T) uint32) int {
	i, _ := slices.BinarySearchFunc(list, after+1, func(e T, offset uint64) int {
		return cmp.Compare(offsetNumber+uint64(number(e)), offset)
	})
	return i
}

// parent returns the directory that a node above the trees is in.
func (c *catalog) parent(id uint64) uint64 {
	switch k, argument := splitTop(id); k {
	case kindHost:
		return nodeHosts
	case kindHostLatest, kindHostLink:
		if s := c.byNumber[argument]; s != nil {
			return topNode(kindHost, c.byHost[safeName(s.Host)].number)
		}
	case kindIDLink:
		return nodeIDs
	}
	return nodeRoot
}

// target returns where a link above the trees leads; ok is false when the
// snapshot is gone or the node is no link.
func (c *catalog) target(id uint64) (target string, s *listed, ok bool) {
	k, argument := splitTop(id)
	if s = c.byNumber[argument]; s == nil {
		return "", nil, false
	}
	switch k {
	case kindLatest:
		return "snapshots/" + s.name, s, true
	case kindIDLink:
		return "../snapshots/" + s.name, s, true
	case kindHostLatest, kindHostLink:
		return "../../snapshots/" + s.name, s, true
	}
	return "", nil, false
}
