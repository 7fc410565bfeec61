package restore

import (
	"strings"

	"garret/fs/tree"
	"garret/fs/view"
)

// selection asks Options.Select about the entries of the walk, which are
// entered and left.
type selection struct {
	choose func(path string) Verdict
	path   string // in the tree, of where the walk is
	above  []string
	next   string // the path of what is entered next; otherwise it is that of its name
	named  bool   // next is set
}

func newSelection(o *Options) selection {
	s := selection{choose: o.Select, path: strings.Trim(o.Path, "/")}
	if o.As != "" {
		s.next, s.named = s.path, true
	}
	return s
}

func (s *selection) enter(name string) Verdict {
	if s.choose == nil {
		return Take
	}
	s.above = append(s.above, s.path)
	switch {
	case s.named:
		s.path, s.named = s.next, false
	case s.path == "":
		s.path = name
	default:
		s.path += "/" + name
	}
	return s.choose(s.path)
}

func (s *selection) leave() {
	if s.choose != nil {
		s.path = s.above[len(s.above)-1]
		s.above = s.above[:len(s.above)-1]
	}
}

// leaveOut takes an entry and what is below it out of what there is to do.
func (r *run) leaveOut(e view.Entry) {
	r.o.Progress.TotalEntries.Add(-(1 + e.Dir.Total))
	r.o.Progress.TotalBytes.Add(-(e.Size + e.Dir.Bytes))
}

// directory is what the entries below n are restored into; nil when it cannot
// be made, which was reported. One that is not chosen itself is made when the
// first entry in it is.
func (r *run) directory(parent *directory, n *tree.Node, wait bool) *directory {
	d := &directory{parent: parent, node: n, name: n.Name, waits: true}
	d.refs.Store(1)
	parent.refs.Add(1)
	if !wait && !r.ready(d) {
		r.release(d)
		return nil
	}
	return d
}

// ready makes a directory that was not made yet, with those above it.
func (r *run) ready(d *directory) bool {
	if !d.waits {
		return !d.failed
	}
	d.waits = false
	d.failed = !r.ready(d.parent) || !r.makeDirectory(d)
	if d.failed {
		return false
	}
	if !d.existed {
		r.listed(d, "", d.node)
	}
	if r.o.DryRun && !d.existed {
		r.counters.dirs.Add(1)
	}
	return true
}
