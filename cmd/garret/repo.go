package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"garret/cmd/garret/internal/term"
	"garret/keys"
	"garret/store"
	"garret/store/backend"
	"garret/store/backend/local"
)

// location returns the repository's place: as given, or the default.
func (a *app) location() (string, error) {
	if a.repo != "" {
		if scheme, _, ok := strings.Cut(a.repo, "://"); ok {
			return "", fmt.Errorf("repository %q: this garret knows paths only, not %s", a.repo, scheme)
		}
		return a.repo, nil
	}
	if data := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "garret", "repo"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("there is no HOME for a default repository; name one with -r or GARRET_REPO")
	}
	return filepath.Join(home, ".local", "share", "garret", "repo"), nil
}

// backend opens the repository's place.
func (a *app) backend() (backend.Backend, error) {
	place, err := a.location()
	if err != nil {
		return nil, err
	}
	b, err := local.Open(place)
	if errors.Is(err, backend.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s; `garret init` makes one", store.ErrNoRepository, place)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%w: %s is not a directory; name another with -r", store.ErrNoRepository, place)
	}
	return b, err
}

// open finds and unlocks the repository. The caller closes it.
func (a *app) open(ctx context.Context) (*store.Repository, error) {
	b, err := a.backend()
	if err != nil {
		return nil, err
	}
	r, err := a.unlock(ctx, b)
	if err != nil {
		b.Close()
		return nil, err
	}
	for _, p := range r.Problems() {
		fmt.Fprintf(a.stderr, "garret: warning: %v\n", p)
	}
	return r, nil
}

func (a *app) unlock(ctx context.Context, b backend.Backend) (*store.Repository, error) {
	l, err := store.Open(ctx, b)
	switch {
	case errors.Is(err, store.ErrHalfMade):
		return nil, fmt.Errorf("%s holds %w, of an init that was interrupted; remove it and run `garret init` again", b.Location(), store.ErrHalfMade)
	case errors.Is(err, store.ErrNoRepository) && err == store.ErrNoRepository:
		return nil, fmt.Errorf("%w at %s; `garret init` makes one", err, b.Location())
	case err != nil:
		return nil, fmt.Errorf("repository %s: %w", b.Location(), err)
	}
	// A passphrase that was given goes to Unlock even where none seems to be
	// needed: a storage that slips in an unencrypted repository is found out.
	pass, given, err := term.Passphrase(ctx, term.Sources{Prompt: l.NeedsPassphrase(), What: "repository " + b.Location()})
	if err != nil {
		return nil, err
	}
	if !given && l.NeedsPassphrase() {
		return nil, errors.New("no passphrase: set GARRET_PASSPHRASE, GARRET_PASSPHRASE_FD, GARRET_PASSCOMMAND or GARRET_PASSPHRASE_FILE, or run on a terminal")
	}
	r, err := l.Unlock(keys.Passphrase(pass))
	for _, wrong := range []error{keys.ErrPassphrase, keys.ErrPassphraseUnused} {
		if errors.Is(err, wrong) {
			err = wrong // for none of the slots is it right, whichever is named
		}
	}
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", b.Location(), err)
	}
	return r, nil
}
