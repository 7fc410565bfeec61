package store

import (
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
	dirKeys      = "keys"
	dirHistory   = "history"
	dirIndex     = "index"
	dirLeases    = "leases"
	dirCondemned = "condemned"
	dirPacks     = "packs"
)

// configName is the name of the n-th config, or of its second copy.
func configName(n int, second bool) string {
	if second {
		return fmt.Sprintf("config.%d.2", n)
	}
	return fmt.Sprintf("config.%d", n)
}

// parseConfigName is the inverse of configName.
func parseConfigName(name string) (n int, second, ok bool) {
	rest, ok := strings.CutPrefix(name, "config.")
	if !ok {
		return 0, false, false
	}
	rest, second = strings.CutSuffix(rest, ".2")
	n, err := strconv.Atoi(rest)
	return n, second, err == nil && n > 0
}

func keyName(id keys.SlotID) string { return fmt.Sprintf("%s/%x", dirKeys, id[:]) }

func snapshotName(id SnapshotID) string { return dirHistory + "/" + id.String() }

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
func packName(id index.PackID) string {
	s := id.String()
	return dirPacks + "/" + s[len(s)-2:] + "/" + s
}

// base returns what follows the last slash.
func base(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }
