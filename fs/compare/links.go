package compare

import "golang.org/x/sys/unix"

// inode is a file of one tree.
type inode struct{ dev, ino uint64 }

// member is the inode of the other tree that was seen first under a name of
// this one.
type member struct {
	other inode
	path  string
}

// links checks that names are links to the same file in one tree exactly when
// they are in the other.
type links struct{ toB, toA map[inode]member }

func newLinks() *links { return &links{map[inode]member{}, map[inode]member{}} }

// compare reports whether the two inodes were seen together before, so that
// their content need not be read again. Links from outside the trees do not
// matter.
func (l *links) compare(r *run, path string, a, b *unix.Stat_t) (again bool) {
	if a.Mode&unix.S_IFMT == unix.S_IFDIR || a.Nlink < 2 && b.Nlink < 2 {
		return false
	}
	if r.o.LinkCounts && a.Nlink != b.Nlink {
		r.differ(path, LinkCount, a.Nlink, b.Nlink)
	}
	ia, ib := inode{a.Dev, a.Ino}, inode{b.Dev, b.Ino}
	ma, inA := l.toB[ia]
	mb, inB := l.toA[ib]
	switch {
	case !inA && !inB:
	case inA && inB && ma.other == ib:
		return true
	case inA:
		r.differ(path, HardLinks, "the same file as "+quote(ma.path), "another one")
	default:
		r.differ(path, HardLinks, "another file", "the same as "+quote(mb.path))
	}
	if !inA {
		l.toB[ia] = member{ib, path}
	}
	if !inB {
		l.toA[ib] = member{ia, path}
	}
	return false
}
