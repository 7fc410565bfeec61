package pattern

import (
	"math"
	"slices"
	"strings"
	"sync/atomic"
)

// Verdict is what a List says of a path.
type Verdict uint8

const (
	Include Verdict = iota
	Exclude         // leave it out, but look at what is below
	Prune           // leave it out with everything below
)

// List is an ordered list of rules. The zero value, and nil, include
// everything. It is built by one goroutine; Verdict may then be called by many.
type List struct {
	rules    []rule
	full     map[string]rule // pf: what the last one says
	literals literals        // rules that need no search, by their path
	searched []searched      // the others, in order
	selected []*selection
	roots    []string
	includes []string                 // what paths that may be included begin with
	reach    atomic.Pointer[[]string] // includes, ready to be looked up
}

// rule says what happens to a path that its pattern matches.
type rule struct {
	verdict Verdict
	from    *selection // the path argument that it is, if it is one
}

// searched is a rule whose matcher has to be run.
type searched struct {
	index int // in rules
	matcher
	need string // what every path holds that matches, with a slash behind it
}

// matcher runs a pattern. Slashed is the path and a slash.
type matcher interface {
	match(path, slashed string) bool
}

// selection is a path argument.
type selection struct {
	arg     string
	matched atomic.Bool
}

// noRule is an index behind all rules.
const noRule = math.MaxInt

// Verdict returns what becomes of a path, which has no slash at its ends; the
// root's is "".
func (l *List) Verdict(path string) Verdict {
	if l == nil || len(l.rules) == 0 && len(l.full) == 0 {
		return Include
	}
	if r, ok := l.full[path]; ok {
		return r.decide()
	}
	first := l.literals.first(path)
	slashed := ""
	for _, s := range l.searched {
		if s.index > first {
			break
		}
		if slashed == "" {
			slashed = path + "/"
		}
		if strings.Contains(slashed, s.need) && s.match(path, slashed) {
			first = s.index
			break
		}
	}
	switch {
	case first != noRule:
		return l.rules[first].decide()
	case len(l.selected) == 0:
		return Include
	case l.reaches(path):
		return Exclude
	}
	return Prune
}

func (r rule) decide() Verdict {
	if r.from != nil && !r.from.matched.Load() {
		r.from.matched.Store(true)
	}
	return r.verdict
}

// reaches reports whether something below path may be included.
func (l *List) reaches(path string) bool {
	p := l.reach.Load()
	if p == nil {
		list := prefixFree(l.includes)
		p = &list
		l.reach.Store(p)
	}
	// Since none of them begins with another, the one that the path begins
	// with, if there is one, is the last that is not greater.
	dir := path
	if dir != "" {
		dir += "/"
	}
	i, found := slices.BinarySearch(*p, dir)
	return found || i < len(*p) && strings.HasPrefix((*p)[i], dir) || i > 0 && strings.HasPrefix(dir, (*p)[i-1])
}

// prefixFree returns the strings in order, without those that begin with
// another.
func prefixFree(list []string) []string {
	sorted := slices.Sorted(slices.Values(list))
	kept := sorted[:0]
	for _, s := range sorted {
		if len(kept) == 0 || !strings.HasPrefix(s, kept[len(kept)-1]) {
			kept = append(kept, s)
		}
	}
	return kept
}

// Roots returns the paths of the R lines, in order, as they were written.
func (l *List) Roots() []string {
	if l == nil {
		return nil
	}
	return l.roots
}

// Empty reports whether every path is included.
func (l *List) Empty() bool {
	return l == nil || len(l.rules) == 0 && len(l.full) == 0
}

// Unmatched returns the path arguments that have decided on no path so far.
func (l *List) Unmatched() []string {
	if l == nil {
		return nil
	}
	var args []string
	for _, s := range l.selected {
		if !s.matched.Load() {
			args = append(args, s.arg)
		}
	}
	return args
}

// add appends a rule.
func (l *List) add(c compiled, r rule) {
	l.reach.Store(nil)
	if r.verdict == Include {
		l.includes = append(l.includes, c.prefix)
	}
	if c.full {
		if l.full == nil {
			l.full = make(map[string]rule)
		}
		l.full[c.path] = r
		return
	}
	index := len(l.rules)
	l.rules = append(l.rules, r)
	if c.matcher == nil {
		l.literals.add(c.path, c.below, index)
		return
	}
	l.searched = append(l.searched, searched{index, c.matcher, c.need})
}
