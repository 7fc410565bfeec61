package pattern

import (
	"path"
	"strings"
)

// Finder chooses single entries, as find(1) does: unlike those of a List, its
// patterns do not match what is below a directory that matches. The zero value
// matches everything.
//
// A pattern is a shell pattern of style sh. Without a slash it is compared with
// the last element of a path (find -name), else with the whole path (find
// -path). One that begins with a style is a path argument as List.Select has
// it.
type Finder struct {
	names, paths []matcher
	list         List
}

// Add adds a pattern: what one of them matches is found. Errors wrap ErrInvalid
// and quote it.
func (f *Finder) Add(arg string) error {
	if _, _, ok := cutStyle(arg); ok {
		return f.list.Select(arg)
	}
	text := arg
	if strings.Contains(arg, "/") {
		text = strings.Trim(path.Clean(arg), "/")
	}
	m, err := exactGlob(text)
	switch {
	case err != nil:
		return quoted(arg, err)
	case strings.Contains(arg, "/"):
		f.paths = append(f.paths, m)
	default:
		f.names = append(f.names, m)
	}
	return nil
}

// exactGlob matches a whole text.
func exactGlob(text string) (matcher, error) {
	if text == "" {
		return glob{}, nil
	}
	g, err := parseGlob(text, true)
	if err != nil || g.greedy() {
		return g, err
	}
	return g.regex()
}

// Match reports whether the entry at a path is found.
func (f *Finder) Match(p string) bool {
	if len(f.names)+len(f.paths)+len(f.list.selected) == 0 {
		return true
	}
	for _, m := range f.paths {
		if m.match(p, p) {
			return true
		}
	}
	if len(f.names) > 0 {
		name := p[strings.LastIndexByte(p, '/')+1:]
		for _, m := range f.names {
			if m.match(name, name) {
				return true
			}
		}
	}
	return len(f.list.selected) > 0 && f.list.Verdict(p) == Include
}
