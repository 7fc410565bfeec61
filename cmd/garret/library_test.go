package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"garret/fs/snapshot"
	"garret/fs/tree"
	"garret/fs/view"
	"garret/index"
	"garret/keys"
	"garret/store"
	"garret/store/backend"
)

// memoryRepository is a repository that is used without the command line, so
// that more can be counted.
type memoryRepository struct {
	testing.TB
	*store.Repository
	parent *snapshot.Parent
}

func newMemoryRepository(t testing.TB, b backend.Backend) *memoryRepository {
	t.Helper()
	return newRepositoryWithParity(t, b, store.DefaultParity)
}

func newRepositoryWithParity(t testing.TB, b backend.Backend, percent int) *memoryRepository {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	initRepository(t, b, percent)
	locked, err := store.Open(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	r, err := locked.Unlock(keys.Passphrase(testPassphrase))
	if err != nil {
		t.Fatal(err)
	}
	return &memoryRepository{TB: t, Repository: r}
}

// cost is what a snapshot has stored.
type cost struct {
	*snapshot.Result
	data, tree int   // blobs
	stored     int64 // bytes of packs and index
}

func (c cost) String() string {
	return fmt.Sprintf("%d data blobs and %d tree pages added, %d bytes stored", c.data, c.tree, c.stored)
}

var _ snapshot.Store = countingStore{}

// countingStore counts the blobs that are new.
type countingStore struct {
	*store.Session
	*cost
}

func (s countingStore) Put(ctx context.Context, kind index.Kind, id index.ID, data []byte) (bool, error) {
	added, err := s.Session.Put(ctx, kind, id, data)
	switch {
	case added && kind == index.Tree:
		s.tree++
	case added:
		s.data++
	}
	return added, err
}

func (s countingStore) PutPart(ctx context.Context, id index.ID, data []byte) (bool, error) {
	return s.Put(ctx, index.Data, id, data)
}

// snapshot stores a directory; the next one has it as its parent.
func (r *memoryRepository) snapshot(source string) (c cost) {
	r.Helper()
	check := func(err error) {
		r.Helper()
		if err != nil {
			r.Fatal(err)
		}
	}
	ctx, started := r.Context(), time.Now()
	s, err := r.NewSession(ctx)
	check(err)
	chunker, err := newChunker(r.Repository)
	check(err)
	c.Result, err = snapshot.Run(ctx, snapshot.Options{
		Store: countingStore{s, &c}, Chunker: chunker, Sources: []string{source}, Root: source,
		Parent: r.parent, Started: started,
		Warn: func(w snapshot.Warning) { r.Errorf("%s: %v", w.Path, w.Err) },
	})
	check(err)
	check(s.Commit(ctx, &store.Snapshot{Time: started, Host: "host", Sources: [][]byte{[]byte(source)}},
		&store.Details{Root: tree.AppendNode(nil, c.Root)}))
	c.stored = s.Stored()
	check(s.Close(ctx))

	reader, err := r.NewReader(ctx, 0)
	check(err)
	r.Cleanup(func() { _ = reader.Close(context.WithoutCancel(ctx)) })
	r.parent = &snapshot.Parent{Tree: view.New(reader, c.Root, view.Options{}), Started: started, Devices: c.Devices}
	return c
}
