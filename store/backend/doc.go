// Package backend says what garret asks of the place a repository lies in: a
// flat set of named, immutable objects with an atomic put, a ranged read, a
// listing and a delete. It knows no particular kind of storage; those are the
// packages below it.
//
//	backend/local        a directory, on any file system
//	backend/mem          a map, for tests
//	backend/faulty       a decorator that fails, dies, fills up, rots and lags
//	backend/powercut     a file system in memory whose power can be cut
//	backend/backendtest  the conformance suite, and the crash tests' loops
//
// # Names
//
// An object's name is a path of elements with slashes between them, at most
// MaxName bytes long and MaxDepth elements deep. All but the last element are
// folders; a name is an object's or a folder's, never both.
//
//	packs/3f/3f09…e1
//	─┬─── ─┬ ──┬────
//	 folders   object
//
// An element is made of a-z, 0-9, dot, underscore and hyphen, so that it means
// the same on case-insensitive file systems and in URLs. It does not begin
// with a dot (".", "..", an NFS client's ".nfs…") nor with TempPrefix, which
// marks files that are being written.
//
// # Durability and visibility
//
// When Put or Delete has returned without an error, every later read or
// listing, by any process, sees its effect, and a power cut does not undo it.
// When it returned an error, or did not return, the object is as before or as
// it should have become, whole in either case. That is all a repository's
// order of writing (packs, then index, then snapshot) builds on.
//
// # Errors
//
// Errors are an *Error that names the operation and the object, and wrap one
// of the sentinels here where one fits, beside the cause as the system gave it.
// An operation whose context has ended returns an error that wraps ctx.Err().
package backend
