package mount

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/tree"
)

// The layout of node IDs, drawn in doc.go.
const (
	positionBits = 36
	snapshotBits = 26
	argumentBits = 32

	maxPosition = 1<<positionBits - 1
	maxSnapshot = 1<<snapshotBits - 1
	groupBit    = 1 << (positionBits + snapshotBits)
	mergedBit   = groupBit << 1
)

// kind says what a node above the trees is.
type kind uint8

const (
	kindFixed      kind = iota // one of the fixed directories below
	kindLatest                 // /latest; the argument is the target's snapshot number, so a new target is a new node
	kindHost                   // /hosts/<host>; the argument is the host's number
	kindHostLatest             // /hosts/<host>/latest; the target's number
	kindHostLink               // /hosts/<host>/<name>; the target's number
	kindIDLink                 // /ids/<short id>; the target's number
)

// The fixed directories: kindFixed, and the argument is the whole ID.
const (
	nodeRoot      uint64 = fuse.FUSE_ROOT_ID
	nodeSnapshots uint64 = 2
	nodeHosts     uint64 = 3
	nodeIDs       uint64 = 4
)

// fixedGeneration is the inode generation of everything above the trees.
const fixedGeneration = 1

func topNode(k kind, argument uint32) uint64 {
	return uint64(k)<<argumentBits | uint64(argument)
}

// splitTop takes the ID of a node above the trees apart.
func splitTop(id uint64) (k kind, argument uint32) {
	return kind(id >> argumentBits), uint32(id)
}

func treeNode(snapshot uint32, position uint64) uint64 {
	return uint64(snapshot)<<positionBits | position
}

// splitTree takes a node ID apart; snapshot is 0 for a node above the trees.
func splitTree(id uint64) (snapshot uint32, position uint64) {
	return uint32(id >> positionBits), id & maxPosition
}

// groupInode returns the st_ino that the members of a hard-link group share.
// It is a hash, 62 bits of it, because a source's inode numbers may use all of
// their 64 bits.
func groupInode(snapshot uint32, g tree.HardLink) uint64 {
	h := mix(uint64(snapshot)<<32 | uint64(g.Device))
	return mix(h^g.Inode)&(groupBit-1) | groupBit
}

// mix is the finalizer of splitmix64 (Steele, Lea and Flood, 2014), a
// bijection that spreads every bit over all others.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hashName returns two independent numbers for a snapshot's ID or a host.
func hashName(name string) (number, generation uint32) {
	sum := sha256.Sum256([]byte(name))
	return binary.LittleEndian.Uint32(sum[0:]), binary.LittleEndian.Uint32(sum[4:])
}

// snapshotNumber gives the snapshot with this ID a number that is not taken,
// the same one in every mount unless two IDs collide.
func snapshotNumber(id string, taken func(uint32) bool) (number, generation uint32, err error) {
	h, generation := hashName(id)
	first := h & maxSnapshot
	for number = first; number == 0 || taken(number); {
		number = (number + 1) & maxSnapshot
		if number == first {
			return 0, 0, fmt.Errorf("more than %d snapshots cannot be shown", maxSnapshot)
		}
	}
	return number, max(generation, 1), nil
}
