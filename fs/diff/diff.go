package diff

import (
	"context"
	"fmt"
	"strings"

	"garret/fs/pattern"
	"garret/fs/tree"
)

// Kind says in what an entry differs.
type Kind string

// What can differ in an entry that both trees have.
const (
	Type    Kind = "type"    // file, directory, symlink, …
	Content Kind = "content" // a file's bytes
	Target  Kind = "target"  // of a symlink
	Device  Kind = "device"  // number of a device
	Mode    Kind = "mode"    // permissions, setuid, setgid, sticky
	Owner   Kind = "owner"   // user or group
	ModTime Kind = "mtime"
	ACL     Kind = "acl"
	Xattrs  Kind = "xattrs" // but ACLs
	Flags   Kind = "flags"  // inode flags
	Links   Kind = "links"  // link count of what is no directory
)

// metadata are the kinds that ContentOnly leaves out.
func (k Kind) metadata() bool {
	switch k {
	case Type, Content, Target, Device:
		return false
	}
	return true
}

// Difference is an entry that one of the trees has not, or has otherwise.
type Difference struct {
	Path  string
	A, B  *tree.Node // nil where there is none; valid during the call
	Kinds []Kind     // when both are there
	Bytes Bytes      // of files
}

// Bytes says how much of a file's content came and went. What moved within it
// does not count, nor do holes.
type Bytes struct {
	Added, Removed uint64
	AtMost         bool // so much has changed that some of it was not compared
}

// Stats says what was found.
type Stats struct {
	Added, Removed, Changed uint64 // entries
	Content                 uint64 // changed files whose content did
	Bytes                   Bytes
	Pages                   uint64 // read
}

// Options says what to compare.
type Options struct {
	// Path is what the paths of differences begin with: that of the two entries.
	Path string
	// Patterns selects differences by their paths; nil selects all.
	Patterns *pattern.List
	// ContentOnly leaves out differences in metadata.
	ContentOnly bool
}

// Run compares two entries and all that is below them and tells visit of each
// difference. An error of visit ends it and is returned.
func Run(ctx context.Context, l tree.Loader, a, b *tree.Node, o Options, visit func(Difference) error) (Stats, error) {
	r := &run{ctx: ctx, loader: l, o: o, visit: visit}
	err := r.both(o.Path, a, b, 0)
	return r.stats, err
}

// run is one comparison.
type run struct {
	ctx    context.Context
	loader tree.Loader
	o      Options
	visit  func(Difference) error
	stats  Stats
	held   int64 // bytes of the pages that cursors hold
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// both compares an entry that both trees have, and what is below it.
func (r *run) both(path string, a, b *tree.Node, depth int) error {
	d := Difference{Path: path, A: a, B: b}
	if err := r.compare(&d); err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	below := a.Dir.ID != b.Dir.ID
	if len(d.Kinds) > 0 || below {
		verdict := r.o.Patterns.Verdict(path)
		if verdict == pattern.Prune {
			return nil
		}
		if len(d.Kinds) > 0 && verdict == pattern.Include {
			if err := r.report(d); err != nil {
				return err
			}
		}
	}
	if !below {
		return nil
	}
	return r.merge(path, a.Dir, b.Dir, depth)
}

// one reports an entry that one tree alone has, and what is below it.
func (r *run) one(path string, n *tree.Node, added bool, depth int) error {
	verdict := r.o.Patterns.Verdict(path)
	if verdict == pattern.Prune {
		return nil
	}
	d := Difference{Path: path, A: n}
	dirs := [2]tree.Dir{n.Dir}
	d.Bytes.Removed = n.Size
	if added {
		d.A, d.B, d.Bytes = nil, n, Bytes{Added: n.Size}
		dirs[0], dirs[1] = dirs[1], dirs[0]
	}
	if verdict == pattern.Include {
		if err := r.report(d); err != nil {
			return err
		}
	}
	if n.Dir.Entries == 0 {
		return nil
	}
	return r.merge(path, dirs[0], dirs[1], depth)
}

func (r *run) report(d Difference) error {
	switch {
	case d.A == nil:
		r.stats.Added++
	case d.B == nil:
		r.stats.Removed++
	default:
		r.stats.Changed++
		for _, k := range d.Kinds {
			if k == Content {
				r.stats.Content++
			}
		}
	}
	r.stats.Bytes.Added += d.Bytes.Added
	r.stats.Bytes.Removed += d.Bytes.Removed
	r.stats.Bytes.AtMost = r.stats.Bytes.AtMost || d.Bytes.AtMost
	return r.visit(d)
}

// merge compares what two directories hold; either may be empty.
func (r *run) merge(path string, a, b tree.Dir, depth int) error {
	if depth > tree.MaxDepth {
		return fmt.Errorf("%w: more than %d directories deep", tree.ErrInvalid, tree.MaxDepth)
	}
	ca, cb := r.cursor(a), r.cursor(b)
	defer ca.release()
	defer cb.release()
	for {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		ia, err := ca.item()
		if err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		ib, err := cb.item()
		if err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		order := 0
		switch {
		case ia.end && ib.end:
			return nil
		case ib.end:
			order = -1
		case ia.end:
			order = 1
		case ia.page && ib.page && ia.ref.ID == ib.ref.ID:
			ca.advance()
			cb.advance()
			continue
		default:
			order = strings.Compare(ia.name, ib.name)
		}
		// Of two pages that begin alike, the higher one is opened first: the
		// other may stand in it.
		openA := ia.page && order <= 0 && !(order == 0 && ib.page && ib.ref.Level > ia.ref.Level)
		openB := ib.page && order >= 0 && !(order == 0 && ia.page && ia.ref.Level > ib.ref.Level)
		switch {
		case openA || openB:
			if openA {
				err = ca.open()
			}
			if openB && err == nil {
				err = cb.open()
			}
			if err != nil {
				return fmt.Errorf("%q: %w", path, err)
			}
		default:
			if err := r.nodes(path, ca, cb, order, depth+1); err != nil {
				return err
			}
		}
	}
}

// nodes takes the next node of the one, the other, or both.
func (r *run) nodes(path string, ca, cb *cursor, order, depth int) (err error) {
	var a, b *tree.Node
	if order <= 0 {
		if a, err = ca.node(); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		ca.advance()
	}
	if order >= 0 {
		if b, err = cb.node(); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		cb.advance()
	}
	// What is below may hold as many pages again.
	if r.held > maxHeld {
		ca.release()
		cb.release()
	}
	switch {
	case b == nil:
		return r.one(join(path, a.Name), a, false, depth)
	case a == nil:
		return r.one(join(path, b.Name), b, true, depth)
	}
	return r.both(join(path, a.Name), a, b, depth)
}
