package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"garret/index"
	"garret/store/backend"
	"garret/store/cache"
	"garret/store/object"
)

// against is one comparison of a repository with a copy of it.
type against struct {
	*reporter
	sides [2]*side // the repository, and the copy
	proof *prover
	key   *Repository // nil without a key

	healing sync.Mutex // held while an object is held in memory
}

// side is one of the two places.
type side struct {
	b        backend.Backend
	sizes    map[string]int64
	expected map[string]bool // names that should be here by what is here
	config   *Config         // nil when no copy is sound
}

// CheckAgainst compares the repository with a copy of it in other, such as
// rsync makes, by what CheckNoKey looks at: every stored byte of both is read,
// and it is told what is missing or damaged in one and intact in the other. It
// is ErrOtherRepository if other is no copy of this repository. Leases, and what
// repair has set aside, are not compared. Nothing is changed.
func CheckAgainst(ctx context.Context, b, other backend.Backend, o CheckOptions) (*CheckResult, error) {
	return checkAgainst(ctx, nil, b, other, o)
}

// CheckAgainst is the function of that name; with the key configs, snapshots
// and index segments are authenticated too, and the index tells which packs
// should be there.
func (r *Repository) CheckAgainst(ctx context.Context, other backend.Backend, o CheckOptions) (*CheckResult, error) {
	return checkAgainst(ctx, r, r.backend, other, o)
}

func checkAgainst(ctx context.Context, r *Repository, b, other backend.Backend, o CheckOptions) (*CheckResult, error) {
	c := &against{reporter: newReporter(o), proof: newProver(r), key: r}
	for i, b := range []backend.Backend{b, other} {
		c.sides[i] = &side{b: b, sizes: make(map[string]int64), expected: make(map[string]bool)}
	}
	err := c.run(ctx)
	if err == nil {
		c.summarise()
	}
	return &c.result, err
}

func (c *against) summarise() {
	r, other := &c.result, c.sides[1].b.Location()
	r.Verified = append(r.Verified, fmt.Sprintf("Every stored byte of %s here and in %s, %s together, was read and matches its CRC32C%s.",
		plural(r.Objects, "object"), other, bytesOf(r.Bytes), r.apart()))
	if c.key != nil {
		r.Verified = append(r.Verified, fmt.Sprintf("Configs, snapshots and index segments on both sides are authentic, and the packs that the index lists are there%s.", r.apart()))
	} else {
		r.NotVerified = append(r.NotVerified, "Whether what is missing on both sides is needed, and whether any was replaced on purpose: that needs a key.")
	}
	r.NotVerified = append(r.NotVerified, "Whether the content of files can be decrypted: `garret check --read-data` on either side tells.")
}

func (c *against) run(ctx context.Context) error {
	if c.sides[0].b.Location() == c.sides[1].b.Location() {
		return fmt.Errorf("%s is the repository itself, not a copy of it", c.sides[1].b.Location())
	}
	if err := c.sameRepository(ctx); err != nil {
		return err
	}
	// The copy is listed first: what it has, and was not removed since, is here.
	for i := range c.sides {
		if err := c.list(ctx, c.sides[len(c.sides)-1-i]); err != nil {
			return err
		}
	}
	if err := c.expect(ctx); err != nil {
		return err
	}
	return c.compareAll(ctx)
}

// sameRepository compares ids. With a key the configs must be authentic.
func (c *against) sameRepository(ctx context.Context) error {
	for i, s := range c.sides {
		configs, problems, err := readConfigs(ctx, s.b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.b.Location(), err)
		}
		if len(configs)+len(problems) == 0 {
			return fmt.Errorf("%s: %w", s.b.Location(), ErrNoRepository)
		}
		for _, config := range configs {
			if c.key == nil || config.authenticate(&c.key.keys.Put) == nil {
				s.config = &config.Config
				break
			}
		}
		switch {
		case s.config == nil && (c.key == nil || len(configs) > 0) && i > 0:
			return fmt.Errorf("%s: %w", s.b.Location(), ErrOtherRepository)
		case s.config == nil && c.key == nil:
			return fmt.Errorf("%s: no copy of its config is sound, so that nobody can tell what it is a copy of: %w", s.b.Location(), errors.Join(problems...))
		}
	}
	if a, b := c.sides[0].config, c.sides[1].config; a != nil && b != nil && a.Repository != b.Repository {
		return fmt.Errorf("%s: %w", c.sides[1].b.Location(), ErrOtherRepository)
	}
	return nil
}

// list lists what is compared.
func (c *against) list(ctx context.Context, s *side) error {
	return s.b.List(ctx, "", func(e backend.Entry) error {
		want := expected(e.Name)
		if !want.known || want.kind == object.Lease || want.kind == object.Fence || folder(e.Name) == dirCondemned {
			return nil
		}
		s.sizes[e.Name] = e.Size
		c.progress.TotalObjects.Add(1)
		c.progress.TotalBytes.Add(e.Size)
		if want.kind == object.Pack {
			c.progress.TotalPacks.Add(1)
		}
		return nil
	})
}

// expect finds out, for each side, what should be there by what is there: the
// second of two copies, what there is parity of and, with a key, the packs that
// its index lists. The rest of what is on one side only may be newer, or have
// been removed since.
func (c *against) expect(ctx context.Context) error {
	for _, s := range c.sides {
		for name := range s.sizes {
			switch kind := expected(name).kind; kind {
			case object.Config, object.KeySlot, object.Snapshot:
				first := name
				if n := len(name) - len(copySuffix); n > 0 && name[n:] == copySuffix {
					first = name[:n]
				}
				s.expected[first], s.expected[secondCopy(first)] = true, true
			case object.Parity:
				id, _ := parseParityName(name)
				s.expected[packName(id)], s.expected[segmentName(id)] = true, true
			case object.Pack, object.Segment:
				s.expected[parityNameOf(name)] = true
			}
		}
		if c.key == nil {
			continue
		}
		if err := c.expectPacks(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// expectPacks adds the packs that the segments of a side list.
func (c *against) expectPacks(ctx context.Context, s *side) error {
	r := &Repository{
		backend: s.b, config: c.key.config, keys: c.key.keys,
		cache: cache.Open(c.key.config.Repository.String(), s.b.Location()),
	}
	condemned, err := r.condemned(ctx)
	if err != nil {
		return err
	}
	set := index.NewSet()
	defer set.Close()
	if _, err := r.addSegments(ctx, set, make(map[SegmentID]bool)); err != nil {
		return err // what is damaged is told when all is compared
	}
	for _, seg := range set.Segments() {
		for _, p := range seg.Packs() {
			if !condemned[p.ID] {
				s.expected[packName(p.ID)] = true
			}
		}
	}
	return nil
}

// parityNameOf returns the name of the parity of a pack or segment.
func parityNameOf(name string) string {
	id, err := index.ParsePackID(base(name)) // both have ids of 16 bytes
	if err != nil {
		return ""
	}
	return parityName(id)
}

// compareAll compares each object, on all cores.
func (c *against) compareAll(ctx context.Context) error {
	names := make(map[string]bool)
	for _, s := range c.sides {
		for name := range s.sizes {
			names[name] = true
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	alone := make(map[aloneIn]int) // what one side has and the other need not
	var lone [2][]string
	for i, s := range c.sides {
		for _, name := range sorted {
			if _, there := s.sizes[name]; there {
				if _, both := c.sides[1-i].sizes[name]; !both && !c.sides[1-i].expected[name] {
					lone[i] = append(lone[i], name)
					alone[aloneIn{i, folder(name)}]++
				}
			}
		}
	}
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range sorted {
		g.Go(func() error { return c.compare(groupCtx, name) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return c.reportAlone(alone, lone)
}

// aloneIn is a folder on one side.
type aloneIn struct {
	side   int
	folder string
}

// reportAlone tells how much is on one side only without being missed on the
// other, by folder.
func (c *against) reportAlone(alone map[aloneIn]int, lone [2][]string) error {
	for i := range c.sides {
		for _, name := range lone[i] {
			key := aloneIn{i, folder(name)}
			n := alone[key]
			if n == 0 {
				continue
			}
			delete(alone, key)
			other := c.sides[1].b.Location()
			where := fmt.Sprintf("it has %s that %s has not: it may be older", plural(int64(n), "object"), other)
			if i == 1 {
				where = fmt.Sprintf("%s has %s in it that are not here: removed here since, or lost", other, plural(int64(n), "object"))
			}
			c.problem(Problem{Object: key.folder, Severity: Note, Err: errors.New(where)})
		}
	}
	return nil
}

// folder returns the first part of a name.
func folder(name string) string {
	for i := range len(name) {
		if name[i] == '/' {
			return name[:i]
		}
	}
	return name
}
