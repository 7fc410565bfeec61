package pattern

import "strings"

// literals are the rules that name a path, which stands for itself and all
// below it, or for what is below it alone. A path is looked up once for each of
// its elements, however many rules there are.
type literals map[string]literal

// literal has the first rules that name a path.
type literal struct {
	self  int // for the path and what is below, or noRule
	below int // for what is below alone, or noRule
}

func (t *literals) add(path string, below bool, index int) {
	if *t == nil {
		*t = make(literals)
	}
	l, ok := (*t)[path]
	if !ok {
		l = literal{noRule, noRule}
	}
	at := &l.self
	if below {
		at = &l.below
	}
	*at = min(*at, index)
	(*t)[path] = l
}

// first returns the first rule that names the path or one above it, noRule when
// none does.
func (t literals) first(path string) int {
	if len(t) == 0 {
		return noRule
	}
	first := noRule
	if l, ok := t[""]; ok { // everything
		first = l.self
	}
	for end := 0; end < len(path); end++ {
		i := strings.IndexByte(path[end:], '/')
		if i < 0 {
			break
		}
		end += i
		if l, ok := t[path[:end]]; ok {
			first = min(first, l.self, l.below)
		}
	}
	if l, ok := t[path]; ok {
		first = min(first, l.self)
	}
	return first
}
