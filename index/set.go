package index

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Set looks blobs up in many segments. It is safe for concurrent use, and
// look-ups take no lock; only nothing may run during or after [Set.Close].
type Set struct {
	mu      sync.Mutex // held while members or keep change
	changes atomic.Uint64
	members atomic.Pointer[[]member]
	keep    func(Pack) bool // nil: all packs are usable
	retired []*Segment      // not looked into any more, and still mapped
}

// member is a segment in a set; never changed once it is in one.
type member struct {
	*Segment
	base   uint64 // ordinal of its first row in the set
	usable bitmap // of its packs
}

// NewSet returns the set of the segments, in which all packs are usable. The set
// closes them.
func NewSet(segs ...*Segment) *Set {
	x := new(Set)
	x.members.Store(new([]member))
	for _, s := range segs {
		x.Add(s)
	}
	return x
}

// Add adds a segment after the others. Ordinals that were given stay valid.
func (x *Set) Add(seg *Segment) {
	x.mu.Lock()
	defer x.mu.Unlock()
	old := *x.members.Load()
	members := append(old[:len(old):len(old)], member{
		Segment: seg,
		base:    rowsOf(old),
		usable:  usable(seg, x.keep),
	})
	x.members.Store(&members)
	x.changes.Add(1)
}

// Restrict says which packs are usable: those that keep approves of. It is asked
// now, for every pack of every segment, and for the packs of segments that are
// added later; nil approves of all.
func (x *Set) Restrict(keep func(Pack) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.keep = keep
	old := *x.members.Load()
	members := make([]member, len(old))
	for i, m := range old {
		members[i] = member{Segment: m.Segment, base: m.base, usable: usable(m.Segment, keep)}
	}
	x.members.Store(&members)
}

func usable(seg *Segment, keep func(Pack) bool) bitmap {
	m := newBitmap(seg.NumPacks())
	for i := range uint32(seg.NumPacks()) {
		if keep == nil || keep(seg.Pack(i)) {
			m.set(i)
		}
	}
	return m
}

// Segments returns the segments in the order in which they were added.
func (x *Set) Segments() []*Segment {
	members := *x.members.Load()
	segs := make([]*Segment, len(members))
	for i, m := range members {
		segs[i] = m.Segment
	}
	return segs
}

// Has reports whether some copy of the blob lies in a usable pack.
func (x *Set) Has(id ID) bool {
	for _, m := range *x.members.Load() {
		if good, _ := m.findUsable(&id, m.usable); good {
			return true
		}
	}
	return false
}

// Lookup calls visit with every copy of the blob, those in usable packs first,
// until visit returns false.
func (x *Set) Lookup(id ID, visit func(Location) bool) {
	members := *x.members.Load()
	others := false
	for i := range members {
		more, skipped := members[i].visit(&id, true, visit)
		if !more {
			return
		}
		others = others || skipped
	}
	for i := 0; others && i < len(members); i++ {
		if more, _ := members[i].visit(&id, false, visit); !more {
			return
		}
	}
}

// visit calls visit with the copies in packs that are, or are not, usable. It
// reports whether to go on and whether copies were skipped.
func (m *member) visit(id *ID, usable bool, visit func(Location) bool) (more, skipped bool) {
	first, end := m.find(id)
	for i := first; i < end; i++ {
		loc, good, ok := m.locate(i)
		switch {
		case !ok:
		case good != usable:
			skipped = true
		case !visit(loc):
			return false, skipped
		}
	}
	return true, skipped
}

// locate decodes row i and tells whether its pack is usable.
func (m *member) locate(i int) (loc Location, usable, ok bool) {
	_, loc, pack, ok := m.at(i)
	return loc, ok && m.usable.has(pack), ok
}

// Session returns the session with that id.
func (x *Set) Session(id SessionID) (Session, bool) {
	for _, m := range *x.members.Load() {
		if s, ok := m.Session(id); ok {
			return s, true
		}
	}
	return Session{}, false
}

// Usable reports whether the pack is in some segment and usable.
func (x *Set) Usable(p PackID) bool {
	for _, m := range *x.members.Load() {
		first, end := m.packsOf(p)
		for i := first; i < end; i++ {
			if m.usable.has(i) {
				return true
			}
		}
	}
	return false
}

// Ordinal returns a number below [Set.Rows] for the blob, for marking it in a
// bitmap: that of its first row, in whatever pack. It does not change while
// segments are added, and no two blobs have the same.
func (x *Set) Ordinal(id ID) (uint64, bool) {
	for _, m := range *x.members.Load() {
		if first, end := m.find(&id); first < end {
			return m.base + uint64(first), true
		}
	}
	return 0, false
}

// Rows returns the number of rows in all segments.
func (x *Set) Rows() uint64 { return rowsOf(*x.members.Load()) }

func rowsOf(members []member) uint64 {
	if len(members) == 0 {
		return 0
	}
	last := members[len(members)-1]
	return last.base + uint64(last.Len())
}

// Replace puts the segments of another set, which is empty then, in the place of
// the set's own. These stay mapped until it is closed, for those who are looking
// something up in them. Ordinals that were given are not valid any more.
func (x *Set) Replace(by *Set) {
	x.mu.Lock()
	defer x.mu.Unlock()
	members := *by.members.Swap(new([]member))
	for i := range members {
		members[i].usable = usable(members[i].Segment, x.keep)
	}
	for _, m := range *x.members.Swap(&members) {
		x.retired = append(x.retired, m.Segment)
	}
	x.changes.Add(1)
}

// Changes returns how often segments were added or replaced: what was not found
// may be there when it has grown since.
func (x *Set) Changes() uint64 { return x.changes.Load() }

// Close closes all segments and empties the set.
func (x *Set) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var errs []error
	for _, m := range *x.members.Swap(new([]member)) {
		errs = append(errs, m.Close())
	}
	for _, s := range x.retired {
		errs = append(errs, s.Close())
	}
	x.retired = nil
	return errors.Join(errs...)
}
