package store

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
	"garret/store/pack"
)

// noKey is one run of CheckNoKey.
type noKey struct {
	*reporter
	b      backend.Backend
	config *Config // nil when no copy is sound
}

// CheckNoKey verifies every stored byte by its CRC32C, and what objects say of
// themselves in the clear. It needs no key and constant memory, and changes
// nothing. It cannot notice that an object is missing, nor that one was
// replaced by somebody who made its checksums right. ErrNoRepository means that
// nothing there is part of a repository.
func CheckNoKey(ctx context.Context, b backend.Backend, o CheckOptions) (*CheckResult, error) {
	c := &noKey{reporter: newReporter(o), b: b}
	err := c.run(ctx)
	if err == nil {
		r := &c.result
		r.Verified = append(r.Verified, fmt.Sprintf("Every stored byte of %d objects, %d bytes, was read and matches its CRC32C, apart from what was reported.", r.Objects, r.Bytes))
		r.NotVerified = append(r.NotVerified,
			"Whether objects are missing, and whether any was replaced on purpose: that needs a key.",
			"Whether snapshots and index are readable and agree with the packs.")
	}
	return &c.result, err
}

func (c *noKey) run(ctx context.Context) error {
	var configs []string
	known := 0
	err := c.b.List(ctx, "", func(e backend.Entry) error {
		c.progress.TotalObjects.Add(1)
		c.progress.TotalBytes.Add(e.Size)
		want := expected(e.Name)
		switch {
		case !want.known:
			return nil
		case want.kind == object.Config:
			configs = append(configs, e.Name)
		case want.kind == object.Pack:
			c.progress.TotalPacks.Add(1)
		}
		known++
		return nil
	})
	if err != nil {
		return err
	}
	if known == 0 {
		return ErrNoRepository
	}
	newest, err := c.checkConfigs(ctx, c.b, configs, func(*storedConfig) error { return nil })
	if err != nil {
		return err
	}
	if newest != nil {
		c.config = &newest.Config
	}
	unknown := func(name string) {
		c.problem(Problem{Object: name, Harmless: true, Err: errUnknownName})
	}
	if err := c.checkSlots(ctx, c.b, c.config, func(string) {}); err != nil {
		return err
	}

	g, ctx := errgroup.WithContext(ctx)
	entries := make(chan backend.Entry)
	g.Go(func() error {
		defer close(entries)
		return c.b.List(ctx, "", func(e backend.Entry) error {
			switch want := expected(e.Name); {
			case !want.known:
				unknown(e.Name)
				return nil
			case want.kind == object.Config || want.kind == object.KeySlot:
				return nil // done
			}
			select {
			case entries <- e:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for e := range entries {
				if err := c.object(ctx, e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// object checks one object.
func (c *noKey) object(ctx context.Context, e backend.Entry) error {
	want := expected(e.Name)
	switch want.kind {
	case object.Pack:
		return c.pack(ctx, e)
	case object.Snapshot:
		c.add(&c.result.Snapshots, 1)
	case object.Segment:
		c.add(&c.result.Segments, 1)
	}
	return c.small(ctx, e, want.kind == object.Lease || want.kind == object.Fence,
		verifyObject(ctx, c.b, e.Name, e.Size, want.kind))
}

// pack checks a pack's cells, trailer and header, and names the stretches that
// are damaged.
func (c *noKey) pack(ctx context.Context, e backend.Entry) error {
	at := object.ReaderAt{Ctx: ctx, Backend: c.b, Name: e.Name}
	damaged := false
	problem := func(offset, length int64, err error) {
		damaged = true
		c.problem(Problem{Object: e.Name, Offset: uint64(offset), Length: uint64(length), Err: err})
	}
	layout, err := pack.ReadLayout(at, e.Size)
	if err == nil {
		err = layout.VerifyCells(at, func(r pack.Range) {
			problem(r.Offset, r.Length, fmt.Errorf("%w: its CRC32C does not match, or it cannot be read", object.ErrDamaged))
		})
	}
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	if missing(err) {
		return nil // removed since it was listed
	}
	c.done(e.Size)
	c.add(&c.result.Packs, 1)
	c.progress.Packs.Add(1)
	if err != nil {
		problem(0, 0, fmt.Errorf("its trailer, without which the rest cannot be checked: %w", err))
	}
	if damaged {
		return nil // the header would only repeat it
	}
	// Sound by its own account: is it the one that its name says?
	head := make([]byte, min(e.Size, pack.HeaderRead))
	err = readWhole(at, head, 0)
	var h pack.Header
	if err == nil {
		h, err = pack.ParseHeader(head)
	}
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	id, _ := index.ParsePackID(base(e.Name))
	switch {
	case missing(err):
	case err != nil:
		problem(0, 0, fmt.Errorf("its header: %w", err))
	case h.Pack != id:
		problem(0, 0, fmt.Errorf("%w: it is pack %v", object.ErrDamaged, h.Pack))
	case c.config != nil && h.Suite != uint8(c.config.Suite):
		problem(0, 0, fmt.Errorf("%w: it is of another repository", object.ErrDamaged))
	}
	return nil
}
