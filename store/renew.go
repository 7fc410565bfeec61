package store

import (
	"context"
	"errors"
	"fmt"

	"garret/store/backend"
)

// Present returns nil if the repository is still where it was opened: one copy
// of its config is there. Where a disk was unmounted, or a folder moved away,
// objects only seem to be missing, and nothing may be concluded from that; the
// error then wraps backend.ErrNotExist.
func (r *Repository) Present(ctx context.Context) error {
	_, err := r.backend.Size(ctx, configName(r.config.Number, false))
	if missing(err) {
		_, err = r.backend.Size(ctx, configName(r.config.Number, true))
	}
	if !missing(err) {
		return err
	}
	// A newer config takes the place of the one that was opened.
	found := false
	listErr := r.backend.List(ctx, dirConfig, func(e backend.Entry) error {
		_, _, ok := parseConfigName(e.Name)
		found = found || ok
		return nil
	})
	if listErr != nil || found {
		return listErr
	}
	return fmt.Errorf("no repository at %s: %w", r.backend.Location(), err)
}

// Renew moves the reader to a new session: it takes a new lease, loads the index
// segments that have come since, and then gives the old lease back. Collectors
// wait for the leases that they found when they began, so a reader that renews
// now and then never stops them for ever. Reading goes on meanwhile. When it
// fails, the reader is as it was.
//
// Segments that were replaced since stay mapped: a copy that they lead to and
// that is gone only costs a try, since another follows.
func (r *Reader) Renew(ctx context.Context) error {
	if !r.ownsSet {
		return errors.New("a writer's session cannot be renewed")
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	if err := r.repo.Present(ctx); err != nil {
		return err
	}
	var fresh *lease
	if r.repo.writable == nil {
		var err error
		fresh, err = newLease(ctx, r.repo, newSessionID(), LeaseReader)
		// Without one to begin with, it goes on without one.
		if err != nil && (r.lease != nil || !readOnly(err) && !errors.Is(err, backend.ErrFull)) {
			return fmt.Errorf("begin a session: %w", err)
		}
	}
	if _, err := r.repo.addSegments(ctx, r.set, r.have); err != nil {
		if fresh != nil {
			err = errors.Join(err, fresh.release(ctx))
		}
		return err
	}
	old := r.lease
	r.lease = fresh
	if old == nil {
		return nil
	}
	return old.release(ctx)
}
