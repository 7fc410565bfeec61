package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"garret/index"
)

// reload maps segments that have come since.
func (r *Reader) reload(ctx context.Context) error {
	if !r.ownsSet {
		return nil // a session's index is what it was when it began
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	// Damaged segments were reported when the reader was opened.
	problems, err := r.repo.addSegments(ctx, r.set, r.have)
	r.noteRefusal(problems)
	return err
}

// noteRefusal remembers whether storage refuses a segment, of those that were
// asked for last: what is in no other may be in that.
func (r *Reader) noteRefusal(problems []error) {
	var refusal *UnavailableError
	for _, p := range problems {
		if refused(p) {
			refusal = &UnavailableError{p}
		}
	}
	r.refusal.Store(refusal)
}

// The index is believed for so long after it has been verified, at first and at
// most; each time twice as long as before.
const (
	believeFirst = time.Minute
	believeMost  = time.Hour
)

// verifyIndex verifies what is mapped of the index, for the local cache may have
// suffered and make all look lost that it names. If it is not sound, it is loaded
// anew, and what is not sound of the cache is forgotten.
func (r *Reader) verifyIndex(ctx context.Context) error {
	if !r.ownsSet {
		return nil
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	if time.Since(r.verified) < r.believe {
		return nil
	}
	r.believe = min(max(2*r.believe, believeFirst), believeMost)
	unsound := slices.ContainsFunc(r.set.Segments(), func(s *index.Segment) bool { return s.Verify() != nil })
	r.verified = time.Now()
	if !unsound {
		return nil
	}
	r.repo.dropUnsound()
	sound, have := index.NewSet(), make(map[SegmentID]bool)
	problems, err := r.repo.addSegments(ctx, sound, have)
	r.noteRefusal(problems)
	if err != nil || len(have) == 0 { // the repository is away, perhaps
		return errors.Join(err, sound.Close())
	}
	r.set.Replace(sound)
	r.mu.Lock()
	clear(r.sessions) // their keys came out of it, too
	r.indexes++
	r.mu.Unlock()
	r.have = have
	return nil
}
