package diff

import (
	"cmp"
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"garret/fs/tree"
)

// History follows entries through many snapshots. Of each snapshot it reads what
// differs from the one before in its series: snapshots of the same sources, in
// the order of their time. Its memory grows with the versions that match.
type History struct {
	// Match chooses entries; nil takes all. The root is never one.
	Match func(path string, n *tree.Node) bool

	seed     maphash.Seed
	versions map[string][]*Version
	open     map[string]*Version // of the snapshot before
	before   *tree.Node          // its root
	series   int
	ordinal  int // in the series
}

// Version is an entry as it stood in some snapshots.
type Version struct {
	Path string
	Node *tree.Node // without content and extended attributes
	In   []Range    // those snapshots
	hash uint64
}

// Range is some snapshots of a series, one after another, by their ordinals.
type Range struct{ Series, First, Last int }

// NewSeries begins a series, the first of which has the number 0, and returns
// its number. It must be called before the first Next.
func (h *History) NewSeries() int {
	if h.versions == nil {
		h.versions, h.seed, h.series = make(map[string][]*Version), maphash.MakeSeed(), -1
	}
	h.endSeries()
	h.open, h.before, h.ordinal = make(map[string]*Version), &tree.Node{Type: tree.Directory}, 0
	h.series++
	return h.series
}

// Next takes up a snapshot of the series, which gets the next ordinal. After an
// error it is left out, and has none.
func (h *History) Next(ctx context.Context, l tree.Loader, root *tree.Node, o Options) error {
	type event struct {
		path string
		now  *Version // nil when it is gone
	}
	var events []event
	_, err := Run(ctx, l, h.before, root, o, func(d Difference) error {
		switch {
		case d.Path == "":
		case d.B != nil && (h.Match == nil || h.Match(d.Path, d.B)):
			events = append(events, event{d.Path, h.version(d.Path, d.B)})
		case d.A != nil:
			events = append(events, event{d.Path, nil})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range events {
		if v := h.open[e.path]; v != nil {
			v.end(h.ordinal - 1)
			delete(h.open, e.path)
		}
		if e.now != nil {
			h.add(e.now)
		}
	}
	h.before = root
	h.ordinal++
	return nil
}

// end says which is the last snapshot of the version's last range, which is not
// kept up to date before.
func (v *Version) end(last int) { v.In[len(v.In)-1].Last = last }

// endSeries ends what the last snapshot has.
func (h *History) endSeries() {
	for _, v := range h.open {
		v.end(h.ordinal - 1)
	}
	h.open = nil
}

// add notes that the snapshot has a version, which may be one of earlier.
func (h *History) add(v *Version) {
	known := h.versions[v.Path]
	if i := slices.IndexFunc(known, func(k *Version) bool { return k.hash == v.hash }); i >= 0 {
		v = known[i]
	} else {
		h.versions[v.Path] = append(known, v)
	}
	h.open[v.Path] = v
	if n := len(v.In); n > 0 && v.In[n-1].Series == h.series && v.In[n-1].Last == h.ordinal-1 {
		return // a difference that makes no version: the range goes on
	}
	v.In = append(v.In, Range{h.series, h.ordinal, h.ordinal})
}

// version copies what is kept of a node.
func (h *History) version(path string, n *tree.Node) *Version {
	// What is not compared does not make a version; nor does another name.
	id := *n
	id.Name, id.Inode, id.Device, id.Links, id.Dir = "", 0, 0, 0, tree.Dir{}
	id.ChangeTime, id.BirthTime, id.AccessTime = tree.Time{}, tree.Time{}, tree.Time{}
	kept := *n
	kept.Name, kept.User, kept.Group, kept.Target = strings.Clone(n.Name), strings.Clone(n.User), strings.Clone(n.Group), strings.Clone(n.Target)
	kept.Content, kept.Xattrs, kept.Digest = tree.Content{}, nil, nil
	return &Version{Path: path, Node: &kept, hash: maphash.Bytes(h.seed, tree.AppendNode(nil, &id))}
}

// Versions ends the last series and returns what was found, by path; those of a path in the order in
// which before says that ranges begin.
func (h *History) Versions(before func(a, b Range) int) []*Version {
	h.endSeries()
	var all []*Version
	for _, path := range slices.Sorted(maps.Keys(h.versions)) {
		list := h.versions[path]
		for _, v := range list {
			slices.SortFunc(v.In, before)
		}
		slices.SortStableFunc(list, func(a, b *Version) int {
			return cmp.Or(before(a.In[0], b.In[0]), before(a.In[len(a.In)-1], b.In[len(b.In)-1]))
		})
		all = append(all, list...)
	}
	return all
}
