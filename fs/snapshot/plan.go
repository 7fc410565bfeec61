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
	follow   bool     // given with a slash at its end
}

// plan is what the sources come to.
type plan struct {
	base     string // absolute path of the tree's root
	top      *place
	warnings []Warning // their paths are in the snapshot
}

// newPlan checks the sources. One that does not exist is a warning, unless
// there is no other.
func newPlan(sources []string, root string) (*plan, error) {
	p := &plan{base: "/", top: &place{}}
	if root != "" {
		base, err := filepath.Abs(root)
		if err != nil {
			return nil, fmt.Errorf("root %s: %w", root, err)
		}
		p.base = base
	}
	found := 0
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
			p.warnings = append(p.warnings, Warning{Path: rel, Err: err})
			continue
		}
		found++
		_, known := st.Type()
		switch {
		case st.IsSymlink() && rel != "":
			links = append(links, rel)
		case !known:
			p.warnings = append(p.warnings, Warning{Path: rel, Err: ErrType})
		}
		p.top.add(rel, follow)
	}
	for _, rel := range links {
		if len(p.top.find(rel).children) == 0 { // else it is stored as a directory
			p.warnings = append(p.warnings, Warning{Path: rel, Err: ErrSymlink})
		}
	}
	if found == 0 {
		if missing != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoSource, missing)
		}
		return nil, ErrNoSource
	}
	return p, nil
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
func (p *place) add(rel string, follow bool) {
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
	p.whole = true
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
