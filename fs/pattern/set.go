package pattern

import (
	"fmt"
	"strings"
)

// set is what stands in brackets in a shell pattern.
type set struct {
	negated bool
	ranges  []runeRange
}

type runeRange struct{ lo, hi rune }

func (s *set) has(r rune) bool {
	for _, x := range s.ranges {
		if r >= x.lo && r <= x.hi {
			return !s.negated
		}
	}
	return s.negated
}

// single returns the one character of a set that has but one.
func (s *set) single() (rune, bool) {
	if s.negated || len(s.ranges) != 1 || s.ranges[0].lo != s.ranges[0].hi {
		return 0, false
	}
	return s.ranges[0].lo, true
}

func (s *set) piece() piece {
	switch {
	case len(s.ranges) > 0:
		return piece{op: opSet, set: s}
	case s.negated:
		return piece{op: opOne}
	}
	return piece{op: opNever}
}

// parseSet reads what follows an opening bracket; nil when it is not closed. A
// closing bracket that comes first is one of the set. A range the wrong way
// round is empty for fm, and an error for sh, as Python's are.
func parseSet(s string, shell bool) (*set, string, error) {
	body := strings.TrimPrefix(s, "!")
	out := &set{negated: len(body) < len(s)}
	if body == "" {
		return nil, "", nil
	}
	_, first := decode(body)
	end := strings.IndexByte(body[first:], ']')
	if end < 0 {
		return nil, "", nil
	}
	end += first
	after := body[end+1:]
	var runes []rune
	for b := body[:end]; b != ""; {
		r, size := decode(b)
		runes = append(runes, r)
		b = b[size:]
	}
	for i := 0; i < len(runes); i++ {
		lo, hi := runes[i], runes[i]
		if i+2 < len(runes) && runes[i+1] == '-' {
			hi = runes[i+2]
			i += 2
		}
		switch {
		case lo <= hi:
			out.ranges = append(out.ranges, runeRange{lo, hi})
		case shell:
			return nil, "", fmt.Errorf("the range %c-%c is empty", lo, hi)
		}
	}
	return out, after, nil
}
