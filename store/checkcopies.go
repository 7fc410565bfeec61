package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/object"
)

// Configs, key slots and snapshots are stored twice. A check verifies both
// copies of each, and what is wrong with one is told once for the object: as
// long as the other is sound, it can be made again.

// twins are the two copies of an object.
type twins struct {
	name    string
	err     [2]error        // why the first, the second is not sound
	session index.SessionID // that stored it; zero if it is not known
	old     bool            // superseded: it costs nothing
}

func (t *twins) nameOf(which int) string {
	if which == 1 {
		return secondCopy(t.name)
	}
	return t.name
}

// sound reports whether one copy is.
func (t *twins) sound() bool { return t.err[0] == nil || t.err[1] == nil }

// gone reports whether neither is there: the object was removed, or never was.
func (t *twins) gone() bool { return missing(t.err[0]) && missing(t.err[1]) }

// readTwins reads the copies of an object of at most limit bytes. verify says
// whether the content is sound; it is not asked twice about the same bytes.
func (r *reporter) readTwins(ctx context.Context, b backend.Backend, name string, limit int64, verify func(data []byte) error) (*twins, error) {
	t := &twins{name: name}
	var first []byte
	for which := range t.err {
		data, err := backend.ReadAll(ctx, b, t.nameOf(which), limit)
		if stop := fatal(ctx, err); stop != nil {
			return nil, stop
		}
		if !missing(err) {
			r.done(int64(len(data)))
		}
		switch {
		case err != nil:
		case which == 1 && first != nil && bytes.Equal(first, data):
			err = t.err[0]
		default:
			err = verify(data)
		}
		t.err[which], first = err, data
	}
	return t, nil
}

// judge reports what is wrong with the copies. What is only missing is looked
// for again at the end: it may be on its way.
func (r *reporter) judge(t *twins) {
	one, two := t.err[0], t.err[1]
	problem := func(which int, severity Severity, err error) {
		if t.old {
			severity, err = Note, fmt.Errorf("%w; it is superseded", err)
		}
		r.problem(Problem{Object: t.nameOf(which), Severity: severity, Err: err})
	}
	switch {
	case t.gone(), one == nil && two == nil:
	case t.sound():
		for which, err := range t.err {
			switch {
			case missing(err):
				r.mu.Lock()
				r.incomplete = append(r.incomplete, t)
				r.mu.Unlock()
			case err != nil:
				problem(which, Repairable, fmt.Errorf("%w; the other copy is sound", err))
			}
		}
	case missing(two):
		problem(0, Lost, fmt.Errorf("%w; its second copy is missing", one))
	case missing(one):
		problem(1, Lost, fmt.Errorf("%w; the first copy is missing", two))
	case one.Error() == two.Error():
		problem(0, Lost, fmt.Errorf("%w; so is its second copy", one))
	default:
		problem(0, Lost, fmt.Errorf("%w; its second copy: %w", one, two))
	}
}

// missingCopies reports the copies that are missing still. One is not missed
// when the object has been removed meanwhile, or when the session that stores
// it is alive: the second copy of a snapshot is the last thing that it puts.
func (r *reporter) missingCopies(ctx context.Context, b backend.Backend, live map[index.SessionID]bool) error {
	for _, t := range r.incomplete {
		which := 0
		if t.err[1] != nil {
			which = 1
		}
		if live[t.session] {
			continue
		}
		if _, err := b.Size(ctx, t.nameOf(which)); err == nil {
			continue
		} else if stop := fatal(ctx, err); stop != nil {
			return stop
		}
		_, err := b.Size(ctx, t.nameOf(1-which))
		if stop := fatal(ctx, err); stop != nil {
			return stop
		}
		if missing(err) {
			continue
		}
		severity := Repairable
		if t.old {
			severity = Note
		}
		r.problem(Problem{Object: t.nameOf(which), Severity: severity, Err: errors.New("this copy is missing; the other is sound")})
	}
	return nil
}

// checkConfigs checks the configs and returns the newest that is sound, or nil.
func (r *reporter) checkConfigs(ctx context.Context, b backend.Backend, authenticate func(*storedConfig) error) (*storedConfig, error) {
	numbers := make(map[int]bool)
	highest := 0
	err := b.List(ctx, dirConfig, func(e backend.Entry) error {
		if n, _, ok := parseConfigName(e.Name); ok {
			numbers[n] = true
			highest = max(highest, n)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var newest *storedConfig
	var all []*twins
	for n := highest; n > 0 && len(numbers) > 0; n-- {
		if !numbers[n] {
			continue
		}
		delete(numbers, n)
		t, err := r.readTwins(ctx, b, configName(n, false), maxConfig, func(data []byte) error {
			s, err := parseConfig(data)
			if err == nil && s.Number != n {
				err = fmt.Errorf("%w: it is config %d", object.ErrDamaged, s.Number)
			}
			if err == nil {
				err = authenticate(s)
			}
			if err == nil && newest == nil {
				newest = s
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		t.old = newest != nil && newest.Number > n
		all = append(all, t)
	}
	for _, t := range all {
		r.judge(t)
	}
	if newest == nil {
		r.problem(Problem{Object: dirConfig, Severity: Lost, Err: errors.New("no copy of the config is sound")})
	}
	return newest, nil
}

// checkSlots checks what can be seen of key slots without their passphrases.
// config may be nil.
func (r *reporter) checkSlots(ctx context.Context, b backend.Backend, config *Config) error {
	found := make(map[keys.SlotID]bool)
	err := b.List(ctx, dirKeys, func(e backend.Entry) error {
		if id, _, ok := parseKeyName(e.Name); ok {
			found[id] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	sound := 0
	for id := range found {
		role := keys.Role(0)
		t, err := r.readTwins(ctx, b, keyName(id), maxSlot, func(data []byte) error {
			_, info, err := openSlot(data, id)
			if err == nil && config != nil && (info.Repository != config.Repository || info.Suite != config.Suite) {
				err = fmt.Errorf("%w: it belongs to the repository %v", object.ErrDamaged, info.Repository)
			}
			if err == nil {
				role = info.Role
			}
			return err
		})
		if err != nil {
			return err
		}
		if role == keys.RoleFull {
			sound++
		}
		r.judge(t)
	}
	if sound == 0 {
		r.problem(Problem{Object: dirKeys, Severity: Lost, Err: errors.New("no key slot is sound: once the keys in use now are gone, nobody can read this repository")})
	}
	return nil
}

// listSnapshots lists the snapshots of which there is a copy.
func listSnapshots(ctx context.Context, b backend.Backend) (ids []SnapshotID, err error) {
	found := make(map[SnapshotID]bool)
	err = b.List(ctx, dirHistory, func(e backend.Entry) error {
		if id, _, ok := parseSnapshotName(e.Name); ok && !found[id] {
			found[id] = true
			ids = append(ids, id)
		}
		return nil
	})
	return ids, err
}

// checkRecord checks the copies of a snapshot's object. verify, which may be
// nil, is asked about what is whole.
func (r *reporter) checkRecord(ctx context.Context, b backend.Backend, id SnapshotID, verify func(data []byte) error) (*twins, error) {
	var session index.SessionID
	t, err := r.readTwins(ctx, b, snapshotName(id), maxSnapshot, func(data []byte) error {
		s, err := parseSnapshot(data)
		if err == nil && verify != nil {
			err = verify(data)
		}
		if err == nil {
			session = s.session
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	t.session = session
	if t.sound() {
		r.add(&r.result.Snapshots, 1)
	}
	r.judge(t)
	return t, nil
}
