package store

import (
	"context"
	"errors"
	"fmt"

	"garret/store/backend"
)

// Present returns nil if the repository is still where it was opened: a config is
// there, and not another repository's. Where a disk was unmounted, or a folder moved
// away, objects only seem to be missing, and nothing may be concluded from that; the
// error then wraps backend.ErrNotExist.
func (r *Repository) Present(ctx context.Context) error {
	if b, ok := r.backend.(backend.Refresher); ok {
		b.Refresh()
	}
	configs, problems, err := readConfigs(ctx, r.backend)
	if err != nil {
		return err
	}
	for _, c := range configs {
		if c.Repository == r.config.Repository {
			return nil
		}
	}
	if len(configs) > 0 {
		return fmt.Errorf("another repository is at %s now: the one that was there %w", r.backend.Location(), backend.ErrNotExist)
	}
	for _, p := range problems {
		if refused(p) || lostByMedium(p) { // a disk that was unplugged says so, too
			return p
		}
	}
	if len(problems) > 0 {
		return nil // damaged, and there
	}
	return fmt.Errorf("no repository at %s: its config %w", r.backend.Location(), backend.ErrNotExist)
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
	problems, err := r.repo.addSegments(ctx, r.set, r.have)
	r.noteRefusal(problems)
	if err != nil {
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
