package mount

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/tree"
	"garret/fs/view"
)

// edition is the versions view (see the package comment) of one set of
// snapshots. Nothing of it changes but what it has cached; a new set makes a new
// edition. Partial and unverified snapshots are left out.
type edition struct {
	f         *fileSystem
	snapshots []*listed // oldest first; a snapshot's rank is its place here
	rank      map[uint32]int
	stamp     uint32 // nanoseconds of the directories' mtimes; another set has another
	paths     pathCache
	cursors   cursorCache
}

// versionsView keeps the edition of the newest catalog.
type versionsView struct {
	f *fileSystem

	mu      sync.Mutex
	catalog *catalog
	edition *edition
}

// of returns the edition of a catalog.
func (v *versionsView) of(c *catalog) *edition {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.catalog != c {
		e := newEdition(v.f, c)
		// A checkpoint that came or went changes nothing here.
		if v.edition == nil || !slices.EqualFunc(v.edition.snapshots, e.snapshots, func(a, b *listed) bool { return a.ID == b.ID }) {
			v.edition = e
		}
		v.catalog = c
		v.f.trees.retain(c)
	}
	return v.edition
}

func newEdition(f *fileSystem, c *catalog) *edition {
	e := &edition{f: f, rank: make(map[uint32]int, len(c.snapshots))}
	for _, s := range c.snapshots {
		if s.complete() {
			e.snapshots = append(e.snapshots, s)
		}
	}
	slices.SortFunc(e.snapshots, func(a, b *listed) int {
		if newer(a, b) {
			return 1
		}
		return -1
	})
	set := sha256.New()
	for i, s := range e.snapshots {
		e.rank[s.number] = i
		set.Write([]byte(s.ID + "\n"))
	}
	e.stamp = binary.LittleEndian.Uint32(set.Sum(nil)) % uint32(time.Second)
	return e
}

// found is what a snapshot, or some that agree, have at a path.
type found struct {
	first, last int // ranks of the oldest and the newest of them
	entry       view.Entry
}

// merged is a path of the view: a directory with the children that it has in
// all snapshots in which it is one, and with the versions of what it is in the
// others.
type merged struct {
	id, parent uint64
	generation uint32
	shown      shown
	sources    []source  // distinct directories, by the oldest snapshot that has each
	versions   []version // distinct other entries, likewise

	// When a snapshot could not be read, the path is put together anew after
	// a while, with another mtime, so that the kernel does not keep what it
	// was told.
	failed time.Time // zero: it is complete
}

// source is a directory and the snapshots that have it with this very content.
type source struct {
	first, last int
	pos         uint64 // in first
	dir         tree.Dir
}

// entry returns what package view needs of the directory to look into it.
func (s *source) entry() view.Entry {
	return view.Entry{Pos: s.pos, Node: &tree.Node{Type: tree.Directory, Dir: s.dir}}
}

// version is an entry that is no directory, in the oldest snapshot that has it.
type version struct {
	name string
	rank int
	pos  uint64
}

// mergedID returns the node ID of the path of an entry. The path goes by its
// entry in the oldest snapshot, so that newer ones do not change it.
func (e *edition) mergedID(oldest *found) uint64 {
	return mergedBit | treeNode(e.snapshots[oldest.first].number, oldest.entry.Pos)
}

// versionID is the node ID of a version: it is that of its entry.
func (e *edition) versionID(v *version) uint64 { return treeNode(e.snapshots[v.rank].number, v.pos) }

func (e *edition) tree(ctx context.Context, rank int) (*openTree, fuse.Status) {
	s := e.snapshots[rank]
	t, err := e.f.trees.get(ctx, s)
	if err != nil {
		return nil, e.f.openFailed(ctx, s, err)
	}
	return t, fuse.OK
}

// path returns the path that a node ID stands for.
func (e *edition) path(ctx context.Context, id uint64) (*merged, fuse.Status) {
	if m := e.paths.get(id); m != nil {
		return m, fuse.OK
	}
	if id == nodeRoot {
		return e.root(ctx)
	}
	number, position := splitTree(id &^ mergedBit)
	rank, ok := e.rank[number]
	if !ok {
		return nil, statusStale
	}
	t, status := e.tree(ctx, rank)
	if !status.Ok() {
		return nil, status
	}
	if position == 0 || !t.holds(position) {
		return nil, statusStale
	}
	path, err := t.Path(ctx, view.Entry{Pos: position})
	if err != nil {
		return nil, e.f.entryFailed(ctx, t, position, err)
	}
	m, status := e.root(ctx)
	for name := range strings.SplitSeq(path, "/") {
		if !status.Ok() {
			return nil, status
		}
		m, status = e.child(ctx, m, name)
	}
	if status == fuse.ENOENT {
		return nil, statusStale
	}
	if status.Ok() && m.id != id { // an older snapshot has appeared since
		same := *m
		same.id, same.generation = id, e.snapshots[rank].generation
		m = &same
		e.paths.put(m)
	}
	return m, status
}

// root returns the mount's root: the roots of all snapshots.
func (e *edition) root(ctx context.Context) (*merged, fuse.Status) {
	if m := e.paths.get(nodeRoot); m != nil {
		return m, fuse.OK
	}
	all := make([]found, 0, len(e.snapshots))
	status := fuse.OK
	for rank := range e.snapshots {
		t, s := e.tree(ctx, rank)
		if !s.Ok() {
			if status = s; s == fuse.EINTR || !e.f.reachable() {
				return nil, s
			}
			continue
		}
		all = append(all, found{rank, rank, t.root})
	}
	if len(all) == 0 && !status.Ok() {
		return nil, status
	}
	m := e.merge(ctx, nodeRoot, nodeRoot, "", all, !status.Ok())
	e.paths.put(m)
	return m, fuse.OK
}

// child returns a path one below m, ENOENT when no snapshot has it.
func (e *edition) child(ctx context.Context, m *merged, name string) (*merged, fuse.Status) {
	all, status := e.find(ctx, m, name)
	if status == fuse.EINTR || len(all) == 0 {
		if status.Ok() {
			status = fuse.ENOENT
		}
		return nil, status
	}
	if !status.Ok() && !e.f.reachable() {
		return nil, status
	}
	if c := e.paths.get(e.mergedID(&all[0])); c != nil {
		return c, fuse.OK
	}
	c := e.merge(ctx, e.mergedID(&all[0]), m.id, name, all, !status.Ok() || !m.failed.IsZero())
	e.paths.put(c)
	return c, fuse.OK
}

// find looks a name up in all of a path's directories. A status that is not OK
// says that some could not be read.
func (e *edition) find(ctx context.Context, m *merged, name string) (all []found, status fuse.Status) {
	for i := range m.sources {
		s := &m.sources[i]
		t, st := e.tree(ctx, s.first)
		if st.Ok() {
			entry, err := t.Lookup(ctx, s.entry(), name)
			if err == nil {
				all = append(all, found{s.first, s.last, entry})
			} else if err != fs.ErrNotExist { // as it is; a loader's, wrapped, is a loss
				st = e.f.failed(ctx, t, s.entry(), "directory", err)
			}
		}
		if !st.Ok() {
			if status = st; st == fuse.EINTR {
				return nil, st
			}
		}
	}
	return all, status
}

// merge puts a path together from what the snapshots have at it, oldest first.
func (e *edition) merge(ctx context.Context, id, parent uint64, name string, all []found, incomplete bool) *merged {
	m := &merged{id: id, parent: parent, generation: fixedGeneration, shown: e.show(all)}
	if id != nodeRoot {
		m.generation = e.snapshots[all[0].first].generation
	}
	if incomplete {
		m.failed = time.Now()
	}
	dirs := make(map[tree.Dir]int)
	known := make(map[versionKey]bool)
	for i := range all {
		f := &all[i]
		if f.entry.Type == tree.Directory {
			if at, ok := dirs[f.entry.Dir]; ok {
				m.sources[at].last = max(m.sources[at].last, f.last)
				continue
			}
			dirs[f.entry.Dir] = len(m.sources)
			m.sources = append(m.sources, source{f.first, f.last, f.entry.Pos, f.entry.Dir})
			continue
		}
		if key := keyOf(f.entry.Node); !known[key] {
			known[key] = true
			m.versions = append(m.versions, version{rank: f.first, pos: f.entry.Pos})
		}
	}
	e.nameVersions(ctx, m, name)
	return m
}

// versionKey tells versions apart.
type versionKey [sha256.Size]byte

// keyOf hashes what makes a version: type, content, permissions, owner, mtime,
// extended attributes. Not the name, nor what changes without the file: its
// place on the disk, how many links it has, when it was last looked at.
func keyOf(n *tree.Node) versionKey {
	v := *n
	v.Name, v.User, v.Group, v.Digest = "", "", "", nil
	v.Inode, v.Device, v.Links = 0, 0, 0
	v.AccessTime, v.ChangeTime, v.BirthTime = tree.Time{}, tree.Time{}, tree.Time{}
	return sha256.Sum256(tree.AppendNode(nil, &v))
}
