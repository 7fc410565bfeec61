package restore

import (
	"golang.org/x/sys/unix"

	"garret/fs/source"
	"garret/fs/tree"
)

// group is a hard-link group. The type is part of it so that a forged tree
// cannot link what does not belong together.
type group struct {
	tree.HardLink
	kind tree.Type
}

// first is the member of a group that was made.
type first struct {
	dir  *source.Dir // retained
	name string
	left uint64 // members that may still come
	file *file  // that it is a name of, when this run writes it
}

// links are the groups that are not complete. Memory is needed for these only.
type links map[group]*first

func groupOf(n *tree.Node) (group, bool) {
	h, ok := n.HardLink()
	return group{h, n.Type}, ok && h.Inode != 0
}

// add makes n, which is in d, the one that others are linked to.
func (l links) add(g group, d *directory, n *tree.Node, f *file) {
	l.remove(g)
	d.handle.Retain()
	l[g] = &first{dir: d.handle, name: n.Name, left: n.Links - 1, file: f}
}

func (l links) remove(g group) {
	if f := l[g]; f != nil {
		f.dir.Close()
		delete(l, g)
	}
}

func (l links) close() {
	for g := range l {
		l.remove(g)
	}
}

// linkTo makes n a further name of its group's first member. It returns false
// when there is none yet, or when no link can be made; then n is restored as a
// file of its own, to which later members are linked.
func (r *run) linkTo(g group, d *directory, n *tree.Node) bool {
	f := r.links[g]
	if f == nil {
		return false
	}
	old, err := f.dir.Pin()
	if err == nil {
		err = r.make(d, n.Name, func(dir int) error { return unix.Linkat(old, f.name, dir, n.Name, 0) })
		f.dir.Unpin()
	}
	removed := err == nil && f.file != nil && !f.file.linked(d, n.Name)
	if removed { // also when the run is to end: it leaves nothing that is not whole
		d.withFD(func(fd int) error { return unix.Unlinkat(fd, n.Name, 0) })
	}
	if r.stopped() {
		return true
	}
	if err == unix.ENOENT {
		// The first one could not be written, and its name was removed.
		r.links.remove(g)
		return false
	}
	if err != nil {
		if err != unix.EMLINK {
			r.denied("hard links", d, n.Name, err)
		}
		return false
	}
	if removed {
		r.links.remove(g)
		return false
	}
	if f.left--; f.left == 0 {
		r.links.remove(g)
	}
	r.counters.links.Add(1)
	r.o.Progress.Entries.Add(1)
	r.o.Progress.Bytes.Add(n.Size)
	return true
}

// place is a name that was given to a file.
type place struct {
	dir  *source.Dir // retained
	name string
}

// linked notes a further name of f, which is removed if f cannot be written to
// its end. It reports false when that is known already.
func (f *file) linked(d *directory, name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.finished {
		return !f.removed
	}
	d.handle.Retain()
	f.names = append(f.names, place{d.handle, name})
	return true
}

// finish ends the notes of f's further names, and removes them if f is removed.
func (f *file) finish(removed bool) {
	f.mu.Lock()
	f.finished, f.removed = true, removed
	names := f.names
	f.names = nil
	f.mu.Unlock()
	for _, p := range names {
		if removed {
			if fd, err := p.dir.Pin(); err == nil {
				unix.Unlinkat(fd, p.name, 0)
				p.dir.Unpin()
			}
		}
		p.dir.Close()
	}
}
