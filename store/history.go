package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"garret/store/backend"
)

// Snapshots lists the repository's snapshots, oldest first. Records that
// cannot be read are in problems, and do not hide the others; so are copies of
// records that can (ErrRepairable).
func (r *Repository) Snapshots(ctx context.Context) (snaps []*Snapshot, problems []error, err error) {
	ids := make(map[SnapshotID]bool)
	err = r.backend.List(ctx, dirHistory, func(e backend.Entry) error {
		id, _, ok := parseSnapshotName(e.Name)
		if !ok {
			problems = append(problems, fmt.Errorf("%s: %w", e.Name, errUnknownName))
			return nil
		}
		ids[id] = true
		return nil
	})
	if err != nil {
		return nil, problems, err
	}
	// Fences are listed after the snapshots: a fence put before its
	// session's snapshot appeared is seen.
	fenced, err := r.fences(ctx)
	if err != nil {
		return nil, problems, err
	}
	for id := range ids {
		snap, harmless, err := r.head(ctx, id)
		problems = append(problems, harmless...)
		if err != nil {
			if ctx.Err() != nil {
				return nil, problems, ctx.Err()
			}
			if !missing(err) { // removed since it was listed
				problems = append(problems, fmt.Errorf("snapshot %s: %w", id.Short(), err))
			}
			continue
		}
		snap.Unverified = fenced[snap.Session]
		snaps = append(snaps, snap)
	}
	slices.SortFunc(snaps, func(a, b *Snapshot) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return strings.Compare(a.ID.String(), b.ID.String())
	})
	return snaps, problems, nil
}

// snapshotHead is a snapshot's header as it was read, and what was wrong with a
// copy of it.
type snapshotHead struct {
	*Snapshot
	problems []error
}

// head returns a copy of a snapshot's header, reading it once only.
func (r *Repository) head(ctx context.Context, id SnapshotID) (*Snapshot, []error, error) {
	r.mu.Lock()
	known, ok := r.heads[id]
	r.mu.Unlock()
	if !ok {
		s, problems, err := r.readSnapshot(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		head, err := r.openHead(id, s)
		if err != nil {
			return nil, nil, err
		}
		known = snapshotHead{head, problems}
		r.mu.Lock()
		r.heads[id] = known
		r.mu.Unlock()
	}
	snap := *known.Snapshot
	return &snap, known.problems, nil
}

// ErrNoSnapshot means that nothing fits what the user asked for.
var ErrNoSnapshot = errors.New("no such snapshot")

// ErrAmbiguous means that more than one snapshot fits an id prefix.
var ErrAmbiguous = errors.New("more than one snapshot fits")

// Choice is a snapshot that Find has chosen.
type Choice struct {
	*Snapshot
	Note string // says why this one, where the user may have meant another
}

// minPrefix is the fewest digits that name a snapshot.
const minPrefix = 4

// Find chooses the snapshot that spec names: latest, latest~1, latest@host, an
// exact label (the newest), or an id prefix of at least four digits, in this
// order. snaps are sorted oldest first; host is this machine's name.
func Find(snaps []*Snapshot, spec, host string) (Choice, error) {
	if rest, ok := strings.CutPrefix(spec, "latest"); ok {
		if c, ok, err := findLatest(snaps, rest, host); ok || err != nil {
			return c, err
		}
	}
	for _, s := range slices.Backward(snaps) {
		if s.Label != "" && s.Label == spec {
			return Choice{Snapshot: s}, nil
		}
	}
	if prefix := strings.ToLower(spec); len(prefix) >= minPrefix && strings.Trim(prefix, "0123456789abcdef") == "" {
		var fits []*Snapshot
		for _, s := range snaps {
			if strings.HasPrefix(s.ID.String(), prefix) {
				fits = append(fits, s)
			}
		}
		if len(fits) == 1 {
			return Choice{Snapshot: fits[0]}, nil
		}
		if len(fits) > 1 {
			var list []string
			for _, s := range fits {
				list = append(list, fmt.Sprintf("%s (%s, %s)", s.ID, s.Time.UTC().Format(time.RFC3339), s.Host))
			}
			return Choice{}, fmt.Errorf("%q: %w: %s", spec, ErrAmbiguous, strings.Join(list, ", "))
		}
	}
	return Choice{}, fmt.Errorf("%q: %w; `garret snapshots` lists them", spec, ErrNoSnapshot)
}

// findLatest resolves what follows "latest": nothing, ~n, @host, or both. ok
// is false when it is something else, such as the rest of a label.
func findLatest(snaps []*Snapshot, rest, host string) (c Choice, ok bool, err error) {
	back := 0
	at, hasHost := "", false
	if n, tail, found := cutTilde(rest); found {
		back, rest = n, tail
	}
	if at, hasHost = strings.CutPrefix(rest, "@"); hasHost {
		if i := strings.IndexByte(at, '~'); i >= 0 {
			n, tail, found := cutTilde(at[i:])
			if !found || tail != "" {
				return Choice{}, false, nil
			}
			back, at = n, at[:i]
		}
	} else if rest != "" {
		return Choice{}, false, nil
	}
	var whole, own []*Snapshot
	for _, s := range snaps {
		if s.Partial || s.Unverified {
			continue
		}
		whole = append(whole, s)
		if (hasHost && s.Host == at) || (!hasHost && s.Host == host) {
			own = append(own, s)
		}
	}
	if hasHost && len(own) == 0 {
		return Choice{}, false, fmt.Errorf("of host %q: %w; `garret snapshots` lists them", at, ErrNoSnapshot)
	}
	note := ""
	if len(own) == 0 {
		if own = whole; len(whole) > 0 {
			note = fmt.Sprintf("this host (%s) has no snapshot here; latest is taken from all hosts", host)
		}
	}
	if back >= len(own) {
		return Choice{}, false, fmt.Errorf("latest~%d: %w: there are %d", back, ErrNoSnapshot, len(own))
	}
	return Choice{own[len(own)-1-back], note}, true, nil
}

func cutTilde(s string) (n int, rest string, ok bool) {
	digits, ok := strings.CutPrefix(s, "~")
	if !ok {
		return 0, s, false
	}
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(digits)
	}
	n, err := strconv.Atoi(digits[:end])
	return n, digits[end:], err == nil
}

// MaxLabel is the length of a label or host name, bytes.
const MaxLabel = 64

// ValidLabel refuses labels and host names that could not be told from the
// rest of SNAPSHOT[:PATH], or would spoil a terminal or a path.
func ValidLabel(s string) error {
	switch {
	case len(s) > MaxLabel:
		return fmt.Errorf("%q is longer than %d bytes", s, MaxLabel)
	case !utf8.ValidString(s):
		return fmt.Errorf("%q is not UTF-8", s)
	case strings.ContainsAny(s, "/:@~") || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q holds one of / : @ ~ or a control character", s)
	}
	return nil
}

// Parents returns the snapshots that a new one of this host and these sources
// may take unchanged files from, newest first: partial ones, then the newest
// complete one. An unverified snapshot is never among them.
func Parents(snaps []*Snapshot, host string, sources []string) []*Snapshot {
	var parents []*Snapshot
	for _, s := range slices.Backward(snaps) {
		if s.Unverified || s.Host != host || !sameSources(s.Sources, sources) {
			continue
		}
		parents = append(parents, s)
		if !s.Partial {
			break
		}
	}
	return parents
}

// Checkpoints returns all partial snapshots of this host and these sources.
// None is needed once a complete one has followed, and one that a run could not
// remove then is left to the next.
func Checkpoints(snaps []*Snapshot, host string, sources []string) []*Snapshot {
	var partial []*Snapshot
	for _, s := range snaps {
		if s.Partial && s.Host == host && sameSources(s.Sources, sources) {
			partial = append(partial, s)
		}
	}
	return partial
}

func sameSources(a [][]byte, b []string) bool {
	return slices.EqualFunc(a, b, func(x []byte, y string) bool { return string(x) == y })
}

// RemoveSnapshot removes a snapshot's record. What only it needed is garbage
// then.
func (r *Repository) RemoveSnapshot(ctx context.Context, id SnapshotID) error {
	return deleteBoth(ctx, r.backend, snapshotName(id))
}
