package local

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"garret/store/backend"
)

// classify wraps an error of the file system in the sentinel that it means,
// if any.
func classify(err error) error {
	var sentinel error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		sentinel = backend.ErrFull
	case errors.Is(err, syscall.EROFS):
		sentinel = backend.ErrReadOnly
	case errors.Is(err, fs.ErrPermission): // EACCES and EPERM
		sentinel = backend.ErrPermission
	case errors.Is(err, fs.ErrNotExist):
		sentinel = backend.ErrNotExist
	default:
		return err
	}
	if errors.Is(err, sentinel) {
		return err
	}
	return fmt.Errorf("%w: %w", sentinel, err)
}

// missing reports whether err says that there is no object of that name: not
// even a folder for it, or a file in the place of one.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// unsupported reports whether err says that the file system knows no such
// sync. What it does not know it cannot be made to do; the data is then as
// safe as that file system keeps anything.
func unsupported(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported)
}

// failed is the error of an operation on an object or folder, or nil.
func failed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if missing(err) && !errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", backend.ErrNotExist, err)
	}
	return &backend.Error{Op: op, Name: name, Err: classify(err)}
}

// failedRoot is the error of opening or creating a repository. A file in its
// place is not a missing repository.
func failedRoot(op, path string, err error) error {
	return &backend.Error{Op: op, Name: path, Err: classify(err)}
}
