package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"garret/fs/mount"
	"garret/fs/restore"
	"garret/fs/snapshot"
	"garret/keys"
	"garret/store"
	"garret/store/backend"
	"garret/store/codec"
	"garret/store/object"
)

// Exit codes; README.md has the same table.
const (
	exitDone       = 0
	exitWarnings   = 1
	exitFailed     = 2
	exitNoRepo     = 10
	exitPassphrase = 11
	exitDamaged    = 12
	exitNewer      = 13
	exitNoSnapshot = 14
	exitNotFound   = 15
	exitFull       = 16
	exitReadOnly   = 17
	exitMount      = 18
	exitExists     = 19
	exitNotEmpty   = 20
	exitSignal     = 128
)

// errWarnings ends a command that did its work, with warnings that it has
// printed.
var errWarnings = errors.New("done with warnings")

// errDamaged ends a command that has reported that something is lost, and done the
// rest.
var errDamaged = errors.New("the repository is damaged")

// reasons is the one table of errors, their exit codes and what a user can do.
// The first that fits counts.
var reasons = []struct {
	err  error
	code int
	hint string
}{
	{errWarnings, exitWarnings, ""},
	{errDamaged, exitDamaged, ""},
	{keys.ErrPassphrase, exitPassphrase, ""},
	{keys.ErrPassphraseUnused, exitPassphrase, "make sure that it is yours, then unset the passphrase"},
	{object.ErrReadFeature, exitNewer, ""},
	{object.ErrWriteFeature, exitNewer, ""},
	{keys.ErrUnsupported, exitNewer, ""},
	{store.ErrHalfMade, exitNoRepo, ""},
	{store.ErrNoSnapshot, exitNoSnapshot, ""},
	{store.ErrAmbiguous, exitNoSnapshot, ""},
	{backend.ErrFull, exitFull, ""},
	{syscall.ENOSPC, exitFull, ""},
	{backend.ErrReadOnly, exitReadOnly, ""},
	{backend.ErrPermission, exitReadOnly, ""},
	{backend.ErrNotEmpty, exitNotEmpty, ""},
	{restore.ErrExists, exitExists, "restore to another directory, or with --overwrite"},
	{mount.ErrNoFUSE, exitMount, ""},
	{mount.ErrNoFusermount, exitMount, ""},
	{mount.ErrMounted, exitMount, ""},
	{mount.ErrNotMounted, exitMount, ""},
	{mount.ErrBusy, exitMount, ""},
	{mount.ErrNotDirectory, exitMount, ""},
	{mount.ErrAllowOther, exitMount, ""},
	{mount.ErrCannotMount, exitMount, ""},
	{errOverlap, exitMount, ""},
	{snapshot.ErrNoSource, exitNotFound, ""},
	{errNotFound, exitNotFound, ""},
	{store.ErrLost, exitDamaged, "run `garret check` to see what is lost"},
	{object.ErrDamaged, exitDamaged, ""},
	{keys.ErrAuthentication, exitDamaged, ""},
	{keys.ErrDamaged, exitDamaged, ""},
	{store.ErrNoKey, exitDamaged, ""},
	{store.ErrNoRepository, exitNoRepo, ""}, // after what is wrong with a config that is there
	{codec.ErrMethod, exitFailed, ""},
	{fs.ErrNotExist, exitNotFound, ""},
}

// explain prints an error as one sentence and returns its exit code.
func explain(stderr io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	code, hint := exitFailed, ""
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			code, hint = r.code, r.hint
			break
		}
	}
	if errors.Is(err, errWarnings) || errors.Is(err, errDamaged) {
		return code // said already
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(stderr, "garret: interrupted")
		return code
	}
	// errors.Join puts one error a line; a message is one.
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	if hint != "" {
		text += "; " + hint
	}
	fmt.Fprintf(stderr, "garret: %s\n", text)
	return code
}
