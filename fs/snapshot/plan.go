package snapshot

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"garret/fs/source"
)

// place is a point on the way to a source. Several sources make one tree of
// places, so that what two of them share is stored once.
type place struct {
	name     string
	children []*place // sorted by name
	whole    bool     // a source: everything below is meant
	exact    bool     // a source: it is meant, and nothing below it
	follow   bool     // given with a slash at its end
}

// meant reports whether the place is a source.
func (p *place) meant() bool { return p != nil && (p.whole || p.exact) }

// plan is what the sources come to.
type plan struct {
	base     string // absolute path of the tree's root
	top      *place
	warnings []problem
}

// problem is something to tell about a path of the snapshot.
type problem struct {
	path   string
	err    error
	notice bool
	lost   bool   // it is not stored
	reason Reason // why what is in it is not stored, or empty
}

// planned is a source that exists.
type planned struct {
	rel    string
	follow bool
}

// newPlan checks the sources. One that does not exist is a warning, unless
// there is no other. Exact ones are meant without what is below them.
func newPlan(sources []string, root string, exact bool) (*plan, error) {
	p := &plan{base: "/", top: &place{}}
	if root != "" {
		base, err := filepath.Abs(root)
		if err != nil {
			return nil, fmt.Errorf("root %s: %w", root, err)
		}
		p.base = base
	}
	var found []planned
	var links []string
	var missing error
	for _, s := range sources {
		path, follow, err := sourcePath(s)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", s, err)
		}
		rel, ok := below(p.base, path)
		if !ok {
			return nil, fmt.Errorf("%s, %s: %w", path, p.base, ErrOutsideRoot)
		}
		var st source.Stat
		if err := source.StatPath(path, follow, &st); err != nil {
			missing = fmt.Errorf("%s: %w", path, err)
			p.warnings = append(p.warnings, problem{path: rel, err: err, lost: true})
			continue
		}
		found = append(found, planned{rel, follow})
		_, known := st.Type()
		switch {
		case st.IsSymlink() && rel != "" && !exact:
			links = append(links, rel)
		case !known:
			p.warnings = append(p.warnings, problem{path: rel, err: ErrType, lost: true})
		}
	}
	if len(found) == 0 {
		if missing != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoSource, missing)
		}
		return nil, ErrNoSource
	}
	// In the order of the walk each is added behind the others: a million of
	// them (a list of files) would take for ever otherwise.
	slices.SortFunc(found, func(a, b planned) int { return comparePaths(a.rel, b.rel) })
	for _, f := range found {
		p.top.add(f.rel, f.follow, exact)
	}
	for _, rel := range links {
		if len(p.top.find(rel).children) == 0 { // else it is stored as a directory
			p.warnings = append(p.warnings, problem{path: rel, err: ErrSymlink})
		}
	}
	return p, nil
}

// comparePaths orders paths element by element.
func comparePaths(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, "/")
		y, b, _ = strings.Cut(b, "/")
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

// sourcePath makes a source absolute; follow tells that it ends in a slash, or
// in "/.", which is the same.
func sourcePath(s string) (path string, follow bool, err error) {
	if s == "" || strings.IndexByte(s, 0) >= 0 {
		return "", false, fmt.Errorf("%q is not a path", s)
	}
	path, err = filepath.Abs(s)
	return path, strings.HasSuffix(s, "/") || strings.HasSuffix(s, "/."), err
}

// below returns path relative to base, empty for base itself.
func below(base, path string) (rel string, ok bool) {
	if path == base {
		return "", true
	}
	return strings.CutPrefix(path, strings.TrimSuffix(base, "/")+"/")
}

// add marks the place at rel as a source.
func (p *place) add(rel string, follow, exact bool) {
	for rel != "" {
		var name string
		name, rel, _ = strings.Cut(rel, "/")
		i, ok := slices.BinarySearchFunc(p.children, name, func(c *place, name string) int {
			return strings.Compare(c.name, name)
		})
		if !ok {
			p.children = slices.Insert(p.children, i, &place{name: name})
		}
		p = p.children[i]
	}
	p.whole, p.exact = p.whole || !exact, p.exact || exact
	p.follow = p.follow || follow
}

// find returns the place at rel, which there is.
func (p *place) find(rel string) *place {
	for name := range strings.SplitSeq(rel, "/") {
		p = p.child(name)
	}
	return p
}

// child returns the place called name below p, nil if there is none.
func (p *place) child(name string) *place {
	if p == nil || len(p.children) == 0 {
		return nil
	}
	i, ok := slices.BinarySearchFunc(p.children, name, func(c *place, name string) int {
		return strings.Compare(c.name, name)
	})
	if !ok {
		return nil
	}
	return p.children[i]
}
