package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
)

// heal reports the problems of a damaged object or, when its parity makes it
// whole, what has to be put right.
func (c *noKey) heal(ctx context.Context, of object.Type, name string, id [16]byte, problems []Problem) error {
	c.healing.Lock()
	defer c.healing.Unlock()
	data, err := heal(ctx, c.b, of, name, id)
	var found *differences
	if err == nil {
		found, err = compare(ctx, c.b, name, data)
	}
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	if err == nil && found.none() {
		err = errAsWritten
	}
	if err == nil {
		if found.size != absent { // else it was removed meanwhile
			found.report(c.reporter, name)
		}
		return nil
	}
	for i, p := range problems {
		if i == 0 {
			p.Err = fmt.Errorf("%w; %s", p.Err, notHealed(err))
		}
		c.problem(p)
	}
	return nil
}

// parities checks every byte of parity, and that what should have parity has
// it. What parity says of the size and id of its object is compared too.
func (c *noKey) parities(ctx context.Context) error {
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, id := range sortedIDs(c.parity) {
		g.Go(func() error { return c.parityObject(groupCtx, id, c.parity[id]) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if c.config == nil || c.config.Parity == 0 {
		return nil
	}
	for _, id := range sortedIDs(c.protected) {
		if _, there := c.parity[id]; !there && !c.condemned[id] {
			if err := c.missingParity(ctx, c.b, c.protected[id], c.live); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *noKey) parityObject(ctx context.Context, id [16]byte, size int64) error {
	name := parityName(id)
	p, known := c.protected[id]
	var err error
	if !p.skipped {
		err = verifyObject(ctx, c.b, name, size, object.Parity)
	}
	if err == nil && known {
		if p.damaged {
			p.size = 0 // nobody knows what it should be
		}
		err = checkParityHead(ctx, c.b, p, size)
	}
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	if missing(err) {
		if known && c.config != nil && c.config.Parity > 0 && !c.condemned[id] {
			return c.missingParity(ctx, c.b, p, c.live)
		}
		return nil
	}
	if !p.skipped {
		c.done(size)
	}
	switch {
	case !known:
		return c.orphan(ctx, id, err)
	case err == nil:
		return nil
	}
	problem := Problem{Object: name, Severity: Repairable, Err: fmt.Errorf("%w; %s, which it is the parity of, is whole", err, p.name)}
	if p.damaged {
		problem.Err = fmt.Errorf("%w; so is %s, which it is the parity of", err, p.name)
	}
	c.problem(problem)
	return nil
}

// orphan reports the parity of what is not there. Writers store parity last and
// collectors remove it first, so the object was lost; whether a snapshot needs
// it nobody can say without a key. damage is what is wrong with the parity itself, or nil.
func (c *noKey) orphan(ctx context.Context, id [16]byte, damage error) error {
	if c.live[index.PackID(id).Session()] {
		return nil
	}
	there, err := anyOf(ctx, c.b, packName(id), segmentName(id))
	if err != nil || there {
		return err // it has been stored meanwhile
	}
	if there, err = anyOf(ctx, c.b, parityName(id)); err != nil || !there {
		return err
	}
	c.healing.Lock()
	defer c.healing.Unlock()
	for of, name := range map[object.Type]string{object.Pack: packName(id), object.Segment: segmentName(id)} {
		if _, err := heal(ctx, c.b, of, name, id); err == nil {
			c.problem(Problem{Object: name, Severity: Repairable, Err: errors.New("it is missing; its parity makes it again")})
			return nil
		} else if stop := fatal(ctx, err); stop != nil {
			return stop
		}
	}
	err = errors.New("what it is the parity of is missing, and is more than it can make again; a check with a key tells what is lost with it")
	if damage != nil {
		err = fmt.Errorf("%w; %w", damage, err)
	}
	c.problem(Problem{Object: parityName(id), Severity: Lost, Err: err})
	return nil
}

// leaving learns which packs a collector is about to remove.
func (c *noKey) leaving(ctx context.Context) error {
	c.condemned = make(map[index.PackID]bool)
	return c.b.List(ctx, dirCondemned, func(e backend.Entry) error {
		if id, err := index.ParsePackID(base(e.Name)); err == nil {
			c.condemned[id] = true
		}
		return nil
	})
}
