package store

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"garret/index"
	"garret/keys"
)

// The folders of a repository. They sort so that tools that copy in order take
// snapshots before the index and the index before packs: a copy made while
// clients write is a valid repository.
const (
	dirConfig    = "config"
	dirKeys      = "keys"
	dirHistory   = "history"
	dirIndex     = "index"
	dirLeases    = "leases"
	dirCondemned = "condemned"
	dirPacks     = "packs"
	dirParity    = "parity"
	// dirQuarantine keeps what repair has taken out of the way, by the name
	// that it had.
	dirQuarantine = "quarantine"
	// BenchmarkFolder holds what a measurement of the storage puts there, until it
	// has removed it.
	BenchmarkFolder = "benchmark"
)

// secondCopy is the name of the second copy of a small object: a config, a key
// slot, a snapshot.
func secondCopy(name string) string { return name + copySuffix }

const copySuffix = ".2"

// configName is the name of the n-th config, or of its second copy.
func configName(n int, second bool) string {
	name := dirConfig + "/" + strconv.Itoa(n)
	if second {
		return secondCopy(name)
	}
	return name
}

// parseConfigName is the inverse of configName.
func parseConfigName(name string) (n int, second, ok bool) {
	rest, ok := strings.CutPrefix(name, dirConfig+"/")
	if !ok {
		return 0, false, false
	}
	rest, second = strings.CutSuffix(rest, copySuffix)
	n, err := strconv.Atoi(rest)
	return n, second, err == nil && n > 0 && strconv.Itoa(n) == rest
}

func keyName(id keys.SlotID) string { return fmt.Sprintf("%s/%x", dirKeys, id[:]) }

// parseKeyName is the inverse of keyName, and of its second copy.
func parseKeyName(name string) (id keys.SlotID, second, ok bool) {
	rest, second := strings.CutSuffix(strings.TrimPrefix(name, dirKeys+"/"), copySuffix)
	id, err := keys.ParseSlotID(rest)
	return id, second, err == nil
}

func snapshotName(id SnapshotID) string { return dirHistory + "/" + id.String() }

// parseSnapshotName is the inverse of snapshotName, and of its second copy.
func parseSnapshotName(name string) (id SnapshotID, second, ok bool) {
	rest, second := strings.CutSuffix(strings.TrimPrefix(name, dirHistory+"/"), copySuffix)
	id, err := ParseSnapshotID(rest)
	return id, second, err == nil
}

func segmentName(id SegmentID) string { return dirIndex + "/" + id.String() }

func leaseName(id index.SessionID, n uint64) string {
	return fmt.Sprintf("%s/%s.%d", dirLeases, id, n)
}

func fenceName(id index.SessionID) string { return dirLeases + "/" + id.String() + ".dead" }

// parseLeaseName takes apart the name of a lease, or of a fence (n is 0).
func parseLeaseName(name string) (id index.SessionID, n uint64, ok bool) {
	head, tail, ok := strings.Cut(strings.TrimPrefix(name, dirLeases+"/"), ".")
	if !ok {
		return id, 0, false
	}
	id, err := index.ParseSessionID(head)
	if err != nil {
		return id, 0, false
	}
	if tail == "dead" {
		return id, 0, true
	}
	n, err = strconv.ParseUint(tail, 10, 64)
	return id, n, err == nil && n > 0
}

// packName spreads packs by the last byte of their ids: the first bytes name
// the session.
func packName(id index.PackID) string { return dirPacks + "/" + spread(id) }

// parityName is the name of the parity of a pack or of an index segment.
func parityName(id [16]byte) string { return dirParity + "/" + spread(id) }

// parseParityName is the inverse of parityName.
func parseParityName(name string) (id [16]byte, ok bool) {
	err := parseID(id[:], base(name))
	return id, err == nil && parityName(id) == name
}

func spread(id [16]byte) string {
	s := hex.EncodeToString(id[:])
	return s[len(s)-2:] + "/" + s
}

// base returns what follows the last slash.
func base(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }
