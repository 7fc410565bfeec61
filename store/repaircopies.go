package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"garret/store/backend"
	"garret/store/object"
)

// Configs, key slots and snapshots: each is there twice, and one copy heals
// the other.

// pair is an object that is stored twice.
type pair struct {
	name  string // of the first copy
	limit int64
	prove func(data []byte) error
	whole bool // prove tells only whether it is whole, not whether it is authentic
	// hold, if it is not nil, tells why a missing second copy is to be left to
	// whoever writes the object; "" if it is not.
	hold func(data []byte) string
}

// copyState is one copy of it.
type copyState struct {
	name string
	data []byte // nil if it is missing
	err  error  // why it is not sound
}

func (c copyState) missing() bool { return missing(c.err) }

// read reads both copies. The error is one that ends the repair.
func (a pair) read(ctx context.Context, b backend.Backend) (copies [2]copyState, err error) {
	for i, name := range []string{a.name, secondCopy(a.name)} {
		data, err := readDamaged(ctx, b, name, a.limit)
		if stop := stops(ctx, err); stop != nil {
			return copies, stop
		}
		if err == nil {
			err = a.prove(data)
		}
		copies[i] = copyState{name, data, err}
	}
	return copies, nil
}

// planPair looks at both copies and plans what makes them sound. It returns the
// sound bytes, nil if there are none.
func (p *repairer) planPair(ctx context.Context, a pair) ([]byte, error) {
	copies, err := a.read(ctx, p.b)
	if err != nil {
		return nil, err
	}
	for _, c := range copies {
		if !c.missing() {
			p.done(int64(len(c.data)))
		}
		if isNewer(c.err) {
			p.left(c.name, oneLine(c.err))
			return nil, nil
		}
	}
	good, from, err := p.soundCopy(ctx, a, copies)
	switch {
	case err != nil:
		return nil, err
	case good == nil && copies[0].missing() && copies[1].missing():
		return nil, nil // removed meanwhile
	case good == nil:
		p.beyond(a.name, fmt.Errorf("no copy of it is sound: %w", errors.Join(copies[0].err, copies[1].err)))
		return nil, nil
	}
	for i, c := range copies {
		switch {
		case c.err == nil && bytes.Equal(c.data, good):
			continue
		case c.err == nil && p.r == nil:
			p.left(c.name, "it differs from its twin, and both match their CRC32C: only the key can tell which is right")
			continue
		case c.err == nil && a.whole:
			p.left(c.name, "it differs from its twin, and both match their CRC32C: only its passphrase can tell which is right")
			continue
		case c.err == nil:
			c.err = errors.New("it differs from its twin")
		case c.missing() && i == 1 && a.hold != nil:
			if why := a.hold(good); why != "" {
				p.left(c.name, why)
				continue
			}
		}
		reason := oneLine(c.err)
		if c.missing() {
			reason = "this copy is missing"
		}
		p.act(RepairAction{Kind: RepairCopy, Object: c.name, Reason: reason, Remedy: "is written anew from " + from, Bytes: int64(len(good)),
			do: func(ctx context.Context, x *repairRun) error { return x.writeCopy(ctx, a, i) }})
	}
	return good, nil
}

// soundCopy returns the bytes to go by, and where they are from.
func (p *repairer) soundCopy(ctx context.Context, a pair, copies [2]copyState) (good []byte, from string, err error) {
	switch {
	case copies[0].err == nil:
		return copies[0].data, "its twin", nil
	case copies[1].err == nil:
		return copies[1].data, "its twin", nil
	case p.mirror == nil:
		return nil, "", nil
	}
	// Whatever it is that is damaged here is wanted. What is missing may have
	// been removed on purpose.
	if copies[0].missing() && copies[1].missing() {
		return nil, "", nil
	}
	there, err := a.read(ctx, p.mirror.b)
	if err != nil {
		return nil, "", err
	}
	for _, c := range there {
		if c.err == nil {
			return c.data, "the mirror", nil
		}
	}
	return nil, "", nil
}

// writeCopy carries the action out: it looks at both copies again and replaces
// the i-th if that is still needed.
func (x *repairRun) writeCopy(ctx context.Context, a pair, i int) error {
	copies, err := a.read(ctx, x.p.b)
	if err != nil {
		return err
	}
	good, _, err := x.p.soundCopy(ctx, a, copies)
	if err != nil {
		return err
	}
	c := copies[i]
	if good == nil || c.err == nil && (bytes.Equal(c.data, good) || x.p.r == nil || a.whole) {
		return errSettled
	}
	if err := x.replace(ctx, c.name, c.data, good); err != nil {
		return err
	}
	twin := copies[1-i]
	if twin.missing() {
		return nil
	}
	// If the other copy is gone by now, somebody has removed the object: ours
	// must not bring it back.
	if _, err := x.p.b.Size(ctx, twin.name); missing(err) {
		return x.delete(ctx, c.name)
	} else if err != nil {
		return err
	}
	return nil
}

// firstNames returns the names of the objects of which one copy is listed, or
// both.
func firstNames(listed map[string]int64) []string {
	names := make(map[string]bool)
	for name := range listed {
		names[strings.TrimSuffix(name, copySuffix)] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// planSlots plans for key slots. Without its passphrase nobody can tell whether
// a slot is authentic, only whether it is whole.
func (p *repairer) planSlots(ctx context.Context) error {
	names := firstNames(p.slots)
	sound := 0
	for _, name := range names {
		good, err := p.planPair(ctx, p.slotPair(name))
		if err != nil {
			return err
		}
		if good != nil {
			sound++
		}
	}
	if sound > 0 || p.mirror == nil {
		return nil
	}
	// Without any slot nobody can ever read this repository again, and nobody
	// removes the last one on purpose.
	return p.mirror.b.List(ctx, dirKeys, func(e backend.Entry) error {
		_, second, ok := parseKeyName(e.Name)
		if !ok || second || slices.Contains(names, e.Name) {
			return nil
		}
		return p.planFetch(ctx, p.slotPair(e.Name))
	})
}

// planFetch plans to take both copies of an object from the mirror.
func (p *repairer) planFetch(ctx context.Context, a pair) error {
	there, err := a.read(ctx, p.mirror.b)
	if err != nil {
		return err
	}
	for _, c := range there {
		if c.err != nil {
			continue
		}
		p.act(RepairAction{Kind: RepairCopy, Object: a.name, Reason: "it is missing, and so is every other", Remedy: "is taken from the mirror",
			Bytes: 2 * int64(len(c.data)), do: func(ctx context.Context, x *repairRun) error {
				switch _, err := x.p.b.Size(ctx, a.name); {
				case err == nil:
					return errSettled
				case !missing(err):
					return err
				}
				return putBoth(ctx, x.p.b, a.name, c.data)
			}})
		return nil
	}
	return nil
}

func (p *repairer) slotPair(name string) pair {
	id, _, _ := parseKeyName(name)
	return pair{name: name, limit: maxSlot, whole: true, prove: func(data []byte) error {
		_, info, err := openSlot(data, id)
		if repository, suite, ok := p.repository(); err == nil && ok && (info.Repository != repository || info.Suite != suite) {
			err = fmt.Errorf("%w: it belongs to the repository %v", object.ErrDamaged, info.Repository)
		}
		return err
	}}
}

// planSnapshots plans for the records of snapshots. Those that only a mirror
// has may have been removed here on purpose, and stay there.
func (p *repairer) planSnapshots(ctx context.Context) error {
	for _, name := range firstNames(p.snapshots) {
		if _, err := p.planPair(ctx, p.snapshotPair(name)); err != nil {
			return err
		}
	}
	return nil
}

func (p *repairer) snapshotPair(name string) pair {
	id, _, _ := parseSnapshotName(name)
	return pair{name: name, limit: maxSnapshot,
		prove: func(data []byte) error { return p.proof.snapshot(id, data) },
		hold: func(data []byte) string {
			s, err := parseSnapshot(data)
			switch {
			case err != nil:
				return ""
			case p.fenced[s.session]:
				return "the session that wrote the snapshot was given up on, and may still withdraw it"
			case p.alive[s.session]:
				return "the session that writes the snapshot has not ended yet, as far as can be told"
			}
			return ""
		}}
}
