package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"maps"
	"slices"
	"sync"

	"garret/index"
	"garret/store/object"
)

// Records lists and opens snapshots by what the local cache has kept of their
// records, so that a thousand are as quick as one: each costs two signatures and
// a key encapsulation otherwise. A record never changes, and was authentic when
// it was kept; only those that the repository lists are believed. That a record
// was damaged since is not noticed here, but by a check. It is safe for
// concurrent use.
type Records struct {
	repo *Repository

	mu    sync.Mutex
	last  []*Snapshot // as they were listed last, but for those of which a copy is damaged
	roots map[SnapshotID][]byte
	kept  map[SnapshotID]bool // in the file, with its root or without
	dirty bool                // a root has come to be known
}

// record is one of them in the cache's file: a JSON array of them after its
// CRC32C.
type record struct {
	*Snapshot
	Session string `json:"session"` // Snapshot has it in the clear in the object
	Root    []byte `json:"root,omitempty"`
}

// Records loads what the cache has kept.
func (r *Repository) Records() *Records {
	c := &Records{repo: r, roots: make(map[SnapshotID][]byte), kept: make(map[SnapshotID]bool)}
	for _, rec := range parseRecords(r.cache.Records()) {
		session, err := index.ParseSessionID(rec.Session)
		if rec.Snapshot == nil || err != nil {
			continue
		}
		snap := *rec.Snapshot
		snap.Session = session
		r.mu.Lock()
		if _, ok := r.heads[snap.ID]; !ok {
			r.heads[snap.ID] = snapshotHead{Snapshot: &snap}
		}
		r.mu.Unlock()
		c.kept[snap.ID] = true
		if len(rec.Root) > 0 {
			c.roots[snap.ID] = rec.Root
		}
	}
	return c
}

// parseRecords returns nothing of a file that is damaged.
func parseRecords(data []byte) (list []record) {
	if len(data) < object.CRCSize {
		return nil
	}
	body := data[object.CRCSize:]
	if binary.LittleEndian.Uint32(data) != crc32.Checksum(body, object.Castagnoli) || json.Unmarshal(body, &list) != nil {
		return nil
	}
	return list
}

// Snapshots is Repository.Snapshots.
func (c *Records) Snapshots(ctx context.Context) (snaps []*Snapshot, problems []error, err error) {
	snaps, problems, err = c.repo.Snapshots(ctx)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.last = slices.DeleteFunc(slices.Clone(snaps), func(s *Snapshot) bool { return c.repo.headProblems(s.ID) })
		c.save()
	}
	return snaps, problems, err
}

// headProblems reports whether something was wrong with a copy of a snapshot's
// header.
func (r *Repository) headProblems(id SnapshotID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.heads[id].problems) > 0
}

// Close keeps what has come to be known since the last listing.
func (c *Records) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.save()
}

// Root returns the encoded node of a snapshot's root directory.
func (c *Records) Root(ctx context.Context, id SnapshotID) ([]byte, error) {
	c.mu.Lock()
	root := c.roots[id]
	c.mu.Unlock()
	if root != nil {
		return root, nil
	}
	d, err := c.repo.Details(ctx, id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roots[id], c.dirty = d.Root, true
	return d.Root, nil
}

// save writes the records to the cache if they are others than those in it. That
// it cannot is no error: then they are read again next time. It is called with
// c.mu held.
func (c *Records) save() {
	snaps := c.last
	same := len(snaps) == len(c.kept)
	for i := 0; same && i < len(snaps); i++ {
		same = c.kept[snaps[i].ID]
	}
	if len(snaps) == 0 || same && !c.dirty {
		return // none may mean that the repository is away
	}
	list := make([]record, len(snaps))
	kept := make(map[SnapshotID]bool, len(snaps))
	for i, s := range snaps {
		kept[s.ID] = true
		list[i] = record{Snapshot: s, Session: s.Session.String(), Root: c.roots[s.ID]}
	}
	maps.DeleteFunc(c.roots, func(id SnapshotID, _ []byte) bool { return !kept[id] })
	body, err := json.Marshal(list)
	if err != nil {
		return
	}
	data := binary.LittleEndian.AppendUint32(nil, crc32.Checksum(body, object.Castagnoli))
	_ = c.repo.cache.SetRecords(slices.Concat(data, body))
	c.kept, c.dirty = kept, false
}
