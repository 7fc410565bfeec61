package backend

import (
	"errors"
	"io/fs"
)

// What can be wrong with an operation. Those that have a counterpart in io/fs
// match it too: errors.Is(err, fs.ErrNotExist).
var (
	// ErrNotExist: there is no object, or no repository, of that name.
	ErrNotExist error = &kind{"does not exist", fs.ErrNotExist}

	// ErrNotEmpty: the folder a repository was to be created in holds
	// something already.
	ErrNotEmpty error = &kind{"is not empty", fs.ErrExist}

	// ErrPermission: the storage refuses this user the operation.
	ErrPermission error = &kind{"permission denied", fs.ErrPermission}

	// ErrReadOnly: the storage as a whole cannot be written.
	ErrReadOnly error = &kind{"storage is read-only", fs.ErrPermission}

	// ErrFull: no space, or no quota, is left.
	ErrFull = errors.New("storage is full")

	// ErrClosed: the backend has been closed.
	ErrClosed error = &kind{"backend is closed", fs.ErrClosed}

	// ErrName: the name is not one an object can have.
	ErrName error = &kind{"invalid object name", fs.ErrInvalid}

	// ErrTooLarge: an object is larger than its reader allows.
	ErrTooLarge = errors.New("object is too large")
)

// kind is a sentinel that also matches one of io/fs's.
type kind struct {
	text string
	std  error
}

func (k *kind) Error() string { return k.text }
func (k *kind) Unwrap() error { return k.std }

// Error is a failed operation on one object or folder.
type Error struct {
	Op   string // "put", "read", "size", "list", "delete", "open", "create"
	Name string // the object's or folder's; a location for open and create
	Err  error  // wraps one of the sentinels where one fits
}

func (e *Error) Error() string {
	if e.Name == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + " " + e.Name + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }
