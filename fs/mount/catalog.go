package mount

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"garret/fs/tree"
)

// catalog is the list of snapshots as the mount shows it at one moment: with
// names and numbers. It is never changed; a new list makes a new catalog.
type catalog struct {
	snapshots []*listed // by number
	hosts     []*host   // by number
	latest    *listed   // newest complete one, nil if there is none
	families  families
	changed   time.Time // when the list last changed; the mtime of the directories

	// issued holds every number that a snapshot of this mount has or had, with the
	// snapshot's ID. None is given to another: who still holds a file of one that
	// was removed must not be shown another's.
	issued map[uint32]string

	byID     map[string]*listed
	byNumber map[uint32]*listed
	byName   map[string]*listed
	byShort  map[string]*listed
	byHost   map[string]*host
}

// listed is a snapshot in the catalog. It is kept from one catalog to the
// next, so neither its name nor its number changes while it is mounted.
type listed struct {
	Snapshot
	number     uint32
	generation uint32
	name       string
	shortID    string
	root       atomic.Pointer[tree.Node] // nil until known
}

// host is a directory in /hosts.
type host struct {
	name      string
	number    uint32
	snapshots []*listed // by number
	latest    *listed
}

// complete reports whether a snapshot may be called the latest.
func (s *listed) complete() bool { return !s.Partial && !s.Unverified }

// newer orders snapshots by time, then by ID.
func newer(a, b *listed) bool {
	return b == nil || cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID)) > 0
}

// newCatalog makes the catalog of a list, following the catalog old, which may
// be nil. It returns old itself if nothing has changed.
func newCatalog(old *catalog, list []Snapshot, now time.Time) (*catalog, error) {
	if old == nil {
		old = &catalog{issued: map[uint32]string{}}
	} else if old.matches(list) {
		return old, nil
	}
	c := &catalog{
		issued:   maps.Clone(old.issued),
		byID:     make(map[string]*listed, len(list)),
		byNumber: make(map[uint32]*listed, len(list)),
		byName:   make(map[string]*listed, len(list)),
		byShort:  make(map[string]*listed, len(list)),
		byHost:   make(map[string]*host),
	}
	if err := c.addAll(old, list); err != nil {
		return nil, err
	}
	c.addHosts()
	for _, s := range c.snapshots {
		if s.complete() && newer(s, c.latest) {
			c.latest = s
		}
	}
	c.families = unionOf(c.snapshots)
	// The kernel compares mtimes to see whether a listing that it has cached
	// still holds, so the new one must differ, whatever the clock says.
	c.changed = now
	if !c.changed.After(old.changed) {
		c.changed = old.changed.Add(1)
	}
	return c, nil
}

// matches reports whether the list is the one that the catalog was made of.
func (c *catalog) matches(list []Snapshot) bool {
	if len(list) != len(c.snapshots) {
		return false
	}
	for i := range list {
		s, ok := c.byID[list[i].ID]
		if !ok || s.Partial != list[i].Partial || s.Unverified != list[i].Unverified {
			return false
		}
	}
	return true
}

// addAll gives every snapshot a number and a name. Those of old come first and
// keep theirs; then the older ones, so that newer ones cannot take theirs in
// the next mount.
func (c *catalog) addAll(old *catalog, list []Snapshot) error {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Snapshot) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID))
	})
	for _, known := range []bool{true, false} {
		for i := range list {
			prior := old.byID[list[i].ID]
			if (prior != nil) != known || c.byID[list[i].ID] != nil {
				continue
			}
			s, err := c.newListed(prior, list[i])
			if err != nil {
				return err
			}
			c.byID[s.ID], c.byNumber[s.number], c.byName[s.name], c.byShort[s.shortID] = s, s, s, s
			c.snapshots = append(c.snapshots, s)
		}
	}
	slices.SortFunc(c.snapshots, func(a, b *listed) int { return cmp.Compare(a.number, b.number) })
	return nil
}

func (c *catalog) newListed(prior *listed, s Snapshot) (*listed, error) {
	l := &listed{Snapshot: s}
	if prior != nil {
		l.number, l.generation, l.name, l.shortID = prior.number, prior.generation, prior.name, prior.shortID
		l.root.Store(cmp.Or(prior.root.Load(), s.Root))
		return l, nil
	}
	var err error
	l.number, l.generation, err = snapshotNumber(s.ID, func(n uint32) bool {
		id, ok := c.issued[n]
		return ok && id != s.ID
	})
	if err != nil {
		return nil, err
	}
	c.issued[l.number] = s.ID
	l.name, l.shortID = snapshotName(&s, func(short string) bool { return c.byShort[short] != nil })
	l.root.Store(s.Root)
	return l, nil
}

// addHosts sorts the snapshots into hosts, by what their hosts look like as
// file names.
func (c *catalog) addHosts() {
	taken := map[uint32]bool{}
	for _, s := range c.snapshots {
		name := safeName(s.Host)
		h := c.byHost[name]
		if h == nil {
			h = &host{name: name}
			c.byHost[name] = h
			c.hosts = append(c.hosts, h)
		}
		h.snapshots = append(h.snapshots, s)
		if s.complete() && newer(s, h.latest) {
			h.latest = s
		}
	}
	slices.SortFunc(c.hosts, func(a, b *host) int { return strings.Compare(a.name, b.name) })
	for _, h := range c.hosts {
		h.number, _ = hashName(h.name)
		for taken[h.number] {
			h.number++
		}
		taken[h.number] = true
	}
	slices.SortFunc(c.hosts, func(a, b *host) int { return cmp.Compare(a.number, b.number) })
}

// host returns the host with a number, nil if there is none.
func (c *catalog) host(number uint32) *host {
	i, ok := slices.BinarySearchFunc(c.hosts, number, func(h *host, n uint32) int { return cmp.Compare(h.number, n) })
	if !ok {
		return nil
	}
	return c.hosts[i]
}
