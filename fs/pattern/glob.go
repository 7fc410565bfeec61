package pattern

import (
	"strings"
	"unicode/utf8"
)

// A glob is a shell pattern in pieces, matched against a path and a slash.
type glob []piece

type piece struct {
	op   op
	text string // opText: valid UTF-8
	set  *set   // opSet
}

type op uint8

const (
	opText  op = iota
	opSet      // one character of a set
	opOne      // one character
	opName     // any characters but /: sh's *
	opDirs     // zero or more directories, each with its slash: sh's **/
	opAny      // any characters: fm's *
	opNever    // nothing at all: fm's empty range
)

// invalidByte is the character that a byte stands for which is not UTF-8, as in
// Python (PEP 383): a surrogate, which UTF-8 does not have.
const invalidByte = 0xdc00

// decode is utf8.DecodeRuneInString with distinct characters for distinct bytes
// that are not UTF-8.
func decode(s string) (r rune, size int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	r, size = utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size == 1 {
		r = invalidByte + rune(s[0])
	}
	return r, size
}

func isInvalidByte(r rune) bool { return r >= invalidByte && r <= invalidByte+0xff }

// compileGlob reads a pattern that has its tail already.
func compileGlob(text string, shell bool) (compiled, error) {
	g, err := parseGlob(text, shell)
	if err != nil {
		return compiled{}, err
	}
	c := compiled{}
	if g[0].op == opText {
		c.prefix = g[0].text
	}
	for _, p := range g {
		if len(p.text) > len(c.need) {
			c.need = p.text
		}
	}
	// A text, then anything: a path and all below; or with a slash behind
	// that, all below.
	if name, ok := strings.CutSuffix(c.prefix, "/"); ok && name != "" && g[1].op == opAny {
		if len(g) == 2 || len(g) == 3 && g[2].text == "/" {
			c.path, c.below = name, len(g) == 3
			return c, nil
		}
	}
	if g.greedy() {
		c.matcher = g
		return c, nil
	}
	c.matcher, err = g.regex()
	return c, err
}

// parseGlob cuts a pattern into pieces.
func parseGlob(s string, shell bool) (glob, error) {
	var g glob
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			g = append(g, piece{op: opText, text: text.String()})
			text.Reset()
		}
	}
	add := func(p piece) {
		flush()
		if last := len(g) - 1; p.op >= opName && p.op <= opAny && last >= 0 && g[last].op == p.op {
			return // twice is once
		}
		g = append(g, p)
	}
	for len(s) > 0 {
		r, size := decode(s)
		rest := s[size:]
		switch {
		case r == '*' && !shell:
			add(piece{op: opAny})
		case r == '*' && strings.HasPrefix(rest, "*/"):
			add(piece{op: opDirs})
			rest = rest[2:]
		case r == '*':
			add(piece{op: opName})
		case r == '?':
			p := piece{op: opOne}
			if shell {
				p = piece{op: opSet, set: &set{negated: true, ranges: []runeRange{{'/', '/'}}}}
			}
			add(p)
		case r == '[':
			set, after, err := parseSet(rest, shell)
			if err != nil {
				return nil, err
			}
			if set == nil { // never closed: a bracket
				text.WriteByte('[')
				break
			}
			rest = after
			if r, ok := set.single(); ok && !isInvalidByte(r) {
				text.WriteRune(r)
			} else {
				add(set.piece())
			}
		case isInvalidByte(r):
			// As a set of one, so that it matches where a character begins.
			add(piece{op: opSet, set: &set{ranges: []runeRange{{r, r}}}})
		default:
			text.WriteString(s[:size])
		}
		s = rest
	}
	flush()
	// Directories and then a name at the end are anything.
	if n := len(g); n >= 2 && g[n-2].op == opDirs && g[n-1].op == opName {
		g = append(g[:n-2], piece{op: opAny})
	}
	// So are directories and a name with its slash, before a slash: there is
	// nothing but the slash behind the path to end them.
	if n := len(g); n >= 3 && g[n-3].op == opDirs && g[n-2].op == opName && g[n-1].text == "/" {
		g = append(g[:n-3], piece{op: opAny}, g[n-1])
	}
	return g, nil
}

// greedy reports whether match finds every way there is. For that, each opDirs
// has to begin behind a slash, and in a pattern with opName or opDirs no set may
// match a slash: which slash ends a name must be beyond doubt.
func (g glob) greedy() bool {
	names := false
	for _, p := range g {
		names = names || p.op == opName || p.op == opDirs
	}
	for i, p := range g {
		switch {
		case p.op == opSet && names && p.set.has('/'), p.op == opOne && names:
			return false
		case p.op == opDirs && i > 0 && !strings.HasSuffix(g[i-1].text, "/"):
			return false
		}
	}
	return true
}

// match goes through the pieces and, when one does not fit, back to the last
// that could take more: first a name, up to its slash, then directories or
// anything. Earlier ones need not be tried again: what they could reach, the
// last can.
func (g glob) match(_, s string) bool {
	i, at := 0, 0
	nameI, nameAt := -1, 0 // the last opName, and how far it goes
	wideI, wideAt := -1, 0 // the last opDirs or opAny
	for {
		ok := true
		switch {
		case i == len(g):
			if at == len(s) {
				return true
			}
			ok = false
		case g[i].op == opText:
			if ok = strings.HasPrefix(s[at:], g[i].text); ok {
				at += len(g[i].text)
			}
		case g[i].op == opSet || g[i].op == opOne:
			if ok = at < len(s); ok {
				r, size := decode(s[at:])
				ok = g[i].op == opOne || g[i].set.has(r)
				at += size
			}
		case g[i].op == opName:
			nameI, nameAt = i, at
		case g[i].op == opDirs, g[i].op == opAny:
			if i == len(g)-1 && g[i].op == opAny {
				return true
			}
			wideI, wideAt, nameI = i, at, -1
		default: // opNever
			return false
		}
		if ok {
			i++
			continue
		}
		switch {
		case nameI >= 0 && nameAt < len(s) && s[nameAt] != '/':
			nameAt += width(s[nameAt:])
			i, at = nameI+1, nameAt
		case wideI >= 0 && wideAt < len(s):
			if wideAt = g.widen(wideI, s, wideAt); wideAt < 0 {
				return false
			}
			i, at, nameI = wideI+1, wideAt, -1
		default:
			return false
		}
	}
}

// widen returns the next place up to which the piece could go, -1 when there is
// none from which the next piece would fit.
func (g glob) widen(i int, s string, at int) int {
	if g[i].op == opDirs {
		slash := strings.IndexByte(s[at:], '/')
		if slash < 0 {
			return -1
		}
		return at + slash + 1
	}
	at += width(s[at:])
	if i+1 < len(g) && g[i+1].op == opText {
		next := strings.Index(s[at:], g[i+1].text)
		if next < 0 {
			return -1
		}
		at += next
	}
	return at
}

func width(s string) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, size := utf8.DecodeRuneInString(s)
	return size
}
