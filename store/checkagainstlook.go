package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
	"garret/store/pack"
)

// finding is what is known of one object on one side.
type finding struct {
	there bool
	err   error  // why it is not sound
	seal  []byte // the end of a sound object, which has the CRC of all of it
}

// compare compares one object.
func (c *against) compare(ctx context.Context, name string) error {
	var found [2]finding
	for i, s := range c.sides {
		size, listed := s.sizes[name]
		if !listed {
			continue
		}
		f, err := c.look(ctx, s, name, size)
		if err != nil {
			return err
		}
		found[i] = f
	}
	here, there := found[0], found[1]
	other := c.sides[1].b.Location()
	p := Problem{Object: name}
	switch {
	case !here.there && !there.there: // removed from both meanwhile
		return nil
	case here.there && there.there && here.err == nil && there.err == nil:
		if bytes.Equal(here.seal, there.seal) {
			return nil
		}
		p.Severity = Lost
		p.Err = fmt.Errorf("it is not the same in %s, although both match their checksums: one was replaced; `garret check --read-data` on either side tells which", other)
	case !here.there && there.err == nil:
		if !c.sides[0].expected[name] {
			return nil // told by folder
		}
		p.Severity = Repairable
		p.Err = fmt.Errorf("it is missing here and intact in %s", other)
	case !there.there && here.err == nil:
		if !c.sides[1].expected[name] {
			return nil
		}
		p.Severity = Repairable
		p.Err = fmt.Errorf("it is missing in %s and intact here", other)
	case here.there && here.err == nil:
		p.Severity = Repairable
		p.Err = fmt.Errorf("it is intact here, and in %s it is %w", other, there.err)
	case there.err == nil && there.there:
		p.Severity = Repairable
		p.Err = fmt.Errorf("%w; it is intact in %s", here.err, other)
	default:
		return c.bothBad(ctx, name, here, there)
	}
	c.problem(p)
	return nil
}

// bothBad reports an object that is sound nowhere, as far as it is there.
func (c *against) bothBad(ctx context.Context, name string, found ...finding) error {
	here, there, other := found[0], found[1], c.sides[1].b.Location()
	p := Problem{Object: name, Severity: Lost}
	switch {
	case !here.there:
		p.Err = fmt.Errorf("it is missing here, and in %s it is %w", other, there.err)
	case !there.there:
		p.Err = fmt.Errorf("%w; it is missing in %s", here.err, other)
	default:
		p.Err = fmt.Errorf("%w, and so it is in %s", here.err, other)
	}
	for i, f := range found {
		if !f.there || p.Severity == Repairable {
			continue
		}
		ok, err := c.healable(ctx, c.sides[i].b, name)
		if err != nil {
			return err
		}
		if ok {
			p.Severity = Repairable
			p.Err = fmt.Errorf("%w; its parity or its second copy puts it right", p.Err)
		}
	}
	c.problem(p)
	return nil
}

// healable reports whether a damaged object can be made whole where it is.
func (c *against) healable(ctx context.Context, b backend.Backend, name string) (bool, error) {
	var err error
	switch kind := expected(name).kind; kind {
	case object.Pack, object.Segment:
		id, parseErr := index.ParsePackID(base(name))
		if parseErr != nil {
			return false, nil
		}
		c.healing.Lock()
		defer c.healing.Unlock()
		_, err = heal(ctx, b, kind, name, id)
	case object.Parity:
		return true, nil // what it is of is looked at by itself
	default:
		twin := secondCopy(name)
		if n := len(name) - len(copySuffix); n > 0 && name[n:] == copySuffix {
			twin = name[:n]
		}
		var size int64
		if size, err = b.Size(ctx, twin); err == nil {
			var f finding
			f, err = c.look(ctx, &side{b: b}, twin, size)
			err = errors.Join(err, f.err)
		}
	}
	return err == nil, fatal(ctx, err)
}

// look verifies an object on one side.
func (c *against) look(ctx context.Context, s *side, name string, size int64) (f finding, err error) {
	f.there = true
	kind := expected(name).kind
	limit := map[object.Type]int64{object.Config: maxConfig, object.KeySlot: maxSlot, object.Snapshot: maxSnapshot}[kind]
	var bad error
	switch {
	case kind == object.Pack:
		id, _ := index.ParsePackID(base(name))
		var problems []Problem
		v := noKey{b: s.b, config: s.config}
		problems, err = v.verifyPack(ctx, backend.Entry{Name: name, Size: size}, id)
		if len(problems) > 0 {
			bad = problems[0].Err
			if n := len(problems); n > 1 {
				bad = fmt.Errorf("%w in %d places", object.ErrDamaged, n)
			}
		}
		c.progress.Packs.Add(1)
		c.add(&c.result.Packs, 1)
	case limit > 0:
		var data []byte
		if data, err = backend.ReadAll(ctx, s.b, name, limit); err == nil {
			bad = c.proveSmall(name, data)
		}
	default:
		bad = verifyObject(ctx, s.b, name, size, kind)
		if bad == nil && kind == object.Segment && c.key != nil {
			bad = c.proveSegment(ctx, s.b, name, size)
		}
	}
	if stop := fatal(ctx, errors.Join(err, bad)); stop != nil {
		return f, stop
	}
	if missing(err) || missing(bad) {
		return finding{}, nil // removed since it was listed
	}
	c.done(size)
	if f.err = errors.Join(err, bad); f.err != nil {
		return f, nil
	}
	f.seal = make([]byte, min(size, pack.CellSize))
	err = readWhole(object.ReaderAt{Ctx: ctx, Backend: s.b, Name: name}, f.seal, size-int64(len(f.seal)))
	f.err = err
	return f, fatal(ctx, err)
}

// proveSmall verifies a config, key slot or snapshot.
func (c *against) proveSmall(name string, data []byte) error {
	if n, _, ok := parseConfigName(name); ok {
		return c.proof.config(n, data)
	}
	if id, _, ok := parseKeyName(name); ok {
		_, _, err := openSlot(data, id)
		return err
	}
	id, _, _ := parseSnapshotName(name)
	return c.proof.snapshot(id, data)
}

// proveSegment authenticates a segment.
func (c *against) proveSegment(ctx context.Context, b backend.Backend, name string, size int64) error {
	id, err := parseSegmentID(base(name))
	if err != nil {
		return err
	}
	return c.key.decodeSegment(id, object.ReaderAt{Ctx: ctx, Backend: b, Name: name}, size, io.Discard)
}
