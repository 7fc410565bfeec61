package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"garret/store/backend"
)

// UnavailableError means that storage does not let a blob be read now: it is away,
// or forbids it, or the process has no descriptor left. Nothing is known about the
// blob then, and whoever writes files must not take it for lost.
type UnavailableError struct{ Err error }

func (e *UnavailableError) Error() string { return "cannot be read: " + e.Err.Error() }
func (e *UnavailableError) Unwrap() error { return e.Err }

// OnUnavailable sets what is called with each UnavailableError before a reader
// gets it; nil means nothing is. Calls may come at the same time.
func (r *Reader) OnUnavailable(f func(error)) { r.unavailable.Store(&f) }

// medium is what a disk, or a file system that keeps checksums, says of data that
// it has lost. A disk that was unplugged says it of all.
var medium = []error{syscall.EIO, syscall.EBADMSG, syscall.EILSEQ, syscall.ENODATA, syscall.EREMOTEIO, syscall.EUCLEAN}

func lostByMedium(err error) bool {
	return slices.ContainsFunc(medium, func(m error) bool { return errors.Is(err, m) })
}

// refused reports whether an error tells of the storage and not of what is in it.
func refused(err error) bool {
	var failed *backend.Error
	return errors.As(err, &failed) && !missing(err) && !lostByMedium(err) &&
		!errors.Is(err, backend.ErrTooLarge) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// presentFor is how long the repository is believed to be in its place.
const presentFor = 500 * time.Millisecond

// available returns nil if the errors that copies of a blob could not be read with
// tell what is stored; else why that is not known.
func (r *Reader) available(ctx context.Context, errs []error) error {
	doubtful := len(errs) == 0
	for _, err := range errs {
		if refused(err) {
			return &UnavailableError{err}
		}
		doubtful = doubtful || errors.Is(err, errPackMissing) || lostByMedium(err)
	}
	if !doubtful {
		return nil
	}
	if refusal := r.refusal.Load(); refusal != nil {
		return refusal
	}
	if time.Since(time.Unix(0, r.present.Load())) < presentFor {
		return nil
	}
	switch err := r.repo.Present(ctx); {
	case missing(err):
		return &UnavailableError{fmt.Errorf("%w: %w", ErrNoRepository, err)}
	case err != nil:
		return &UnavailableError{err}
	}
	r.present.Store(time.Now().UnixNano())
	return nil
}
