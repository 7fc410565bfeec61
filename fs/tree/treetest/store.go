// Package treetest is a blob store in memory for tests of what writes and reads
// stored trees. It can lose, corrupt and forge blobs.
package treetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"garret/index"
)

// The errors of Blob.
var (
	ErrLost    = errors.New("blob is not in the store")
	ErrDamaged = errors.New("blob is damaged")
)

// Store holds blobs under their SHA-256. It is safe for concurrent use. It
// satisfies tree.Putter, tree.Loader and the snapshot pipeline's Store.
type Store struct {
	mu    sync.Mutex
	blobs map[key]blob
	stats Stats
}

// Stats counts what a Store was asked to do.
type Stats struct {
	Puts  int   // calls that stored a blob, not those that had it already
	Bytes int64 // bytes of those blobs
	Dups  int   // calls with a blob that was there
	Loads int   // calls of Blob
}

type key struct {
	kind index.Kind
	id   index.ID
}

type blob struct {
	data    []byte
	corrupt bool
}

// New returns an empty store.
func New() *Store { return &Store{blobs: make(map[key]blob)} }

// ID is the SHA-256 of the kind's byte and data.
func (s *Store) ID(kind index.Kind, data []byte) index.ID {
	h := sha256.New()
	h.Write([]byte{byte(kind)})
	h.Write(data)
	return index.ID(h.Sum(nil))
}

// IDs is ID of several blobs.
func (s *Store) IDs(kind index.Kind, ids []index.ID, blobs [][]byte) {
	for i, blob := range blobs {
		ids[i] = s.ID(kind, blob)
	}
}

// Has reports whether the blob is there and sound.
func (s *Store) Has(kind index.Kind, id index.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[key{kind, id}]
	return ok && !b.corrupt
}

// Put stores a copy of data; added is false when the blob was there.
func (s *Store) Put(ctx context.Context, kind index.Kind, id index.ID, data []byte) (added bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if s.ID(kind, data) != id {
		return false, fmt.Errorf("put %v %s: id of other data", kind, id.Short())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.blobs[key{kind, id}]; ok && !b.corrupt {
		s.stats.Dups++
		return false, nil
	}
	s.blobs[key{kind, id}] = blob{data: append([]byte{}, data...)}
	s.stats.Puts++
	s.stats.Bytes += int64(len(data))
	return true, nil
}

// PutPart is Put.
func (s *Store) PutPart(ctx context.Context, id index.ID, data []byte) (added bool, err error) {
	return s.Put(ctx, index.Data, id, data)
}

// PutTree stores a page.
func (s *Store) PutTree(ctx context.Context, page []byte) (index.ID, error) {
	id := s.ID(index.Tree, page)
	_, err := s.Put(ctx, index.Tree, id, page)
	return id, err
}

// PutData stores a piece of a file.
func (s *Store) PutData(data []byte) index.ID {
	id := s.ID(index.Data, data)
	s.Put(context.Background(), index.Data, id, data) // cannot fail: the ID is right
	return id
}

// Blob returns a blob, which must not be modified.
func (s *Store) Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Loads++
	switch b, ok := s.blobs[key{kind, id}]; {
	case !ok:
		return nil, fmt.Errorf("%v blob %s: %w", kind, id.Short(), ErrLost)
	case b.corrupt:
		return nil, fmt.Errorf("%v blob %s: %w", kind, id.Short(), ErrDamaged)
	default:
		return b.data, nil
	}
}

// Lose forgets a blob.
func (s *Store) Lose(kind index.Kind, id index.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, key{kind, id})
}

// Corrupt damages a blob: Blob finds out and fails, until it is put again.
func (s *Store) Corrupt(kind index.Kind, id index.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.blobs[key{kind, id}]; ok {
		b.corrupt = true
		s.blobs[key{kind, id}] = b
	}
}

// Forge has Blob return data under an ID that is not its own, as no sound
// store would: a page made by someone hostile.
func (s *Store) Forge(kind index.Kind, id index.ID, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[key{kind, id}] = blob{data: append([]byte{}, data...)}
}

// Stats returns the counts so far.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Len returns the number of blobs of a kind.
func (s *Store) Len(kind index.Kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for k := range s.blobs {
		if k.kind == kind {
			n++
		}
	}
	return n
}
