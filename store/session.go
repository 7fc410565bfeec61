package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
)

// ErrFenced means that a collector has given up on the session while it was
// paused: what it reused may be gone, and the run has to be done again.
var ErrFenced = errors.New("the session was given up on while it was paused")

// Session is one run of a writer. What it stores becomes part of the
// repository with Commit; without that it is garbage that a later run reuses.
type Session struct {
	repo  *Repository
	id    index.SessionID
	keys  *keys.Session
	lease *lease
	set   *index.Set // restricted to the packs that may be relied on

	writer *writer

	problems []error
	reusable bool // nothing is condemned, no indexed pack is missing
}

// NewSession begins a run: it writes a lease, then lists condemned packs,
// index, packs, in that order (the caller lists snapshots after that), and so
// knows what it may deduplicate against.
func (r *Repository) NewSession(ctx context.Context) (*Session, error) {
	if r.writable != nil {
		return nil, fmt.Errorf("repository %s cannot be written to: %w", r.backend.Location(), r.writable)
	}
	k, err := r.keys.NewSession()
	if err != nil {
		return nil, err
	}
	s := &Session{repo: r, id: newSessionID(), keys: k, set: index.NewSet()}
	if s.lease, err = newLease(ctx, r, s.id, LeaseWriter); err != nil {
		return nil, fmt.Errorf("begin a session: %w", err)
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.set.Close(), s.lease.release(ctx))
	}
	return s, nil
}

func (s *Session) open(ctx context.Context) error {
	condemned, err := s.repo.condemned(ctx)
	if err != nil {
		return err
	}
	if s.problems, err = s.repo.addSegments(ctx, s.set, make(map[SegmentID]bool)); err != nil {
		return err
	}
	packs, err := s.repo.packs(ctx)
	if err != nil {
		return err
	}
	// The effective index: rows whose pack is listed with the right size and
	// is not condemned. Nothing else may be deduplicated against, but what this
	// session stores from now on: nobody condemns a live session's packs.
	s.reusable = len(condemned) == 0
	s.set.Restrict(func(p index.Pack) bool {
		if p.ID.Session() == s.id {
			return true
		}
		size, listed := packs[p.ID]
		sound := listed && size == int64(p.Size)
		if !sound {
			s.reusable = false
		}
		return sound && !condemned[p.ID]
	})
	s.writer, err = newWriter(s)
	return err
}

// condemned lists the packs that are on their way out.
func (r *Repository) condemned(ctx context.Context) (map[index.PackID]bool, error) {
	packs := make(map[index.PackID]bool)
	err := r.backend.List(ctx, dirCondemned, func(e backend.Entry) error {
		if id, err := index.ParsePackID(base(e.Name)); err == nil {
			packs[id] = true
		}
		return nil
	})
	return packs, err
}

// packs lists the packs with their sizes.
func (r *Repository) packs(ctx context.Context) (map[index.PackID]int64, error) {
	packs := make(map[index.PackID]int64)
	err := r.backend.List(ctx, dirPacks, func(e backend.Entry) error {
		if id, err := index.ParsePackID(base(e.Name)); err == nil {
			packs[id] = e.Size
		}
		return nil
	})
	return packs, err
}

// Problems returns what is wrong with index segments: what they index is
// stored again.
func (s *Session) Problems() []error { return s.problems }

// ID returns a blob's name. It is safe for concurrent use.
func (s *Session) ID(kind index.Kind, data []byte) index.ID { return s.repo.id(kind, data) }

// IDs sets ids[i] to the name of blobs[i], up to twice as fast as one after
// another. It is safe for concurrent use.
func (s *Session) IDs(kind index.Kind, ids []index.ID, blobs [][]byte) { s.repo.ids(kind, ids, blobs) }

// Has reports whether the blob is in the effective index or has been stored by
// this session.
func (s *Session) Has(kind index.Kind, id index.ID) bool {
	return s.set.Has(id) || s.writer.has(id)
}

// Put stores a blob unless it is there already. It copies data. Blobs of one
// kind are laid into frames in the order of the calls.
func (s *Session) Put(ctx context.Context, kind index.Kind, id index.ID, data []byte) (added bool, err error) {
	l := laneData
	if kind == index.Tree {
		l = laneTree
	}
	return s.put(ctx, l, id, data)
}

// PutPart is Put for a part of a large file. Who reads a small file often reads
// its neighbours too, which lie in the same frame; of a large file somebody may
// want a few bytes here and there, so its parts lie in smaller frames.
func (s *Session) PutPart(ctx context.Context, id index.ID, data []byte) (added bool, err error) {
	return s.put(ctx, lanePart, id, data)
}

func (s *Session) put(ctx context.Context, l lane, id index.ID, data []byte) (added bool, err error) {
	if s.set.Has(id) {
		return false, nil
	}
	return s.writer.put(ctx, l, id, data)
}

// Stored returns the bytes of packs and segments written so far.
func (s *Session) Stored() int64 { return s.writer.stored.Load() }

// Flush makes everything that was Put durable and indexed.
func (s *Session) Flush(ctx context.Context) error { return s.writer.flush(ctx) }

// Commit makes the snapshot part of the repository: packs are durable before
// the index segment, that before the snapshot. It returns ErrFenced when the
// session was given up on; the snapshot is then withdrawn.
func (s *Session) Commit(ctx context.Context, snap *Snapshot, d *Details) error {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	snap.ID = newSnapshotID()
	snap.Session = s.id
	snap.Program = Program()
	snap.Totals.BytesStored = uint64(s.Stored())
	snap.Duration = time.Since(snap.Time)
	data, err := s.encodeSnapshot(snap, d)
	if err != nil {
		return err
	}
	name := snapshotName(snap.ID)
	if err := s.repo.backend.Put(ctx, name, data); err != nil {
		return err
	}
	fenced, err := s.repo.fenced(ctx, s.id)
	if err != nil {
		return fmt.Errorf("snapshot %s is stored, but whether it is complete is not known: %w", snap.ID.Short(), err)
	}
	if fenced {
		if err := s.repo.backend.Delete(ctx, name); err != nil && !missing(err) {
			return fmt.Errorf("%w, and its snapshot cannot be withdrawn: %w", ErrFenced, err)
		}
		return ErrFenced
	}
	if err := s.repo.backend.Put(ctx, secondCopy(name), data); err != nil {
		return fmt.Errorf("snapshot %s is stored, but not its second copy: %w", snap.ID.Short(), err)
	}
	return nil
}

// Reader reads what the session may rely on: the parent's trees.
func (s *Session) Reader(cacheSize int64) (*Reader, error) {
	return newReader(s.repo, s.set, cacheSize)
}

// Close ends the session. What was Put and not flushed is dropped. Readers of
// the session must be closed before.
func (s *Session) Close(ctx context.Context) error {
	s.writer.close()
	return errors.Join(s.set.Close(), s.lease.release(ctx))
}
