package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"sync"
)

// translator turns a regular expression of Python's (module re, on text) into
// one of Go's that finds the same, or says why there is none.
type translator struct {
	rest      string // not yet read
	out       strings.Builder
	ascii     bool // (?a): \w, \d and \s are ASCII's
	multiline bool // there is a flag m somewhere
}

// What Python's classes hold, to stand in brackets.
const (
	wordClass  = `\p{L}\p{N}_`
	digitClass = `\p{Nd}`
	spaceClass = `\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}`
)

// Their complements, which brackets cannot hold as such, as ranges.
var (
	notWordClass  = sync.OnceValue(func() string { return complement(wordClass) })
	notSpaceClass = sync.OnceValue(func() string { return complement(spaceClass) })
)

func complement(class string) string {
	re, err := syntax.Parse("[^"+class+"]", syntax.Perl)
	if err != nil {
		panic(err) // the constants above are wrong
	}
	var b strings.Builder
	for i := 0; i < len(re.Rune); i += 2 {
		writeRange(&b, re.Rune[i], re.Rune[i+1])
	}
	return b.String()
}

var errUnfinished = errors.New("it ends in the middle")

// count is a repetition whose lower bound Python lets one leave out.
var count = regexp.MustCompile(`^\{,[0-9]*\}`)

func (t *translator) translate() (string, error) {
	for t.rest != "" {
		var err error
		switch t.rest[0] {
		case '\\':
			err = t.escape()
		case '[':
			err = t.class()
		case '(':
			err = t.group()
		case '$':
			t.rest = t.rest[1:]
			if t.multiline {
				t.out.WriteByte('$')
			} else {
				t.out.WriteString(`(?:\n?\z)`)
			}
		case '{':
			if c := count.FindString(t.rest); c != "" {
				t.out.WriteString("{0" + c[1:])
				t.rest = t.rest[len(c):]
				break
			}
			t.copy()
		default:
			t.copy()
		}
		if err != nil {
			return "", err
		}
	}
	return t.out.String(), nil
}

// next reads a character.
func (t *translator) next() rune {
	r, size := decode(t.rest)
	t.rest = t.rest[size:]
	return r
}

func (t *translator) copy() { t.out.WriteRune(carryRune(t.next())) }

// group reads an opening parenthesis with what says which kind it is.
func (t *translator) group() error {
	s := t.rest
	kind := func(text string) error { return fmt.Errorf("%s are not supported", text) }
	if strings.HasPrefix(s, "(?#") {
		_, after, ok := strings.Cut(s, ")")
		if !ok {
			return errUnfinished
		}
		t.rest = after
		return nil
	}
	for _, k := range []struct{ begin, name string }{
		{"(?=", "look-ahead assertions, (?=…),"}, {"(?!", "look-ahead assertions, (?!…),"},
		{"(?<=", "look-behind assertions, (?<=…),"}, {"(?<!", "look-behind assertions, (?<!…),"},
		{"(?>", "atomic groups, (?>…),"}, {"(?(", "conditional groups, (?(…),"},
		{"(?P=", "backreferences, (?P=…),"},
	} {
		if strings.HasPrefix(s, k.begin) {
			return kind(k.name)
		}
	}
	flags, ok := strings.CutPrefix(s, "(?")
	if !ok || strings.HasPrefix(flags, "P<") || strings.HasPrefix(flags, "<") {
		t.copy()
		return nil
	}
	end := strings.IndexAny(flags, ":)")
	if end < 0 {
		return errUnfinished
	}
	return t.flags(flags[:end], flags[end], flags[end+1:])
}

// flags reads the flags of a group, (?i:…), or of all that follows, (?i).
func (t *translator) flags(names string, end byte, after string) error {
	var kept []byte
	for i := range len(names) {
		switch names[i] {
		case 'i', 's', '-':
			kept = append(kept, names[i])
		case 'm':
			t.multiline = true
			kept = append(kept, 'm')
		case 'u': // as it is
		case 'a':
			if end == ':' {
				return errors.New("the flag a is supported at the beginning only, (?a)")
			}
			t.ascii = true
		default:
			return fmt.Errorf("the flag %q is not supported", names[i])
		}
	}
	if len(kept) > 0 || end == ':' {
		t.out.WriteString("(?" + string(kept) + string(end))
	}
	t.rest = after
	return nil
}

// escape reads a backslash and what it gives a meaning to.
func (t *translator) escape() error {
	c := t.rest[min(1, len(t.rest)-1)]
	switch {
	case len(t.rest) == 1:
		return errUnfinished
	case c == 'Z':
		t.out.WriteString(`\z`)
	case c == 'A', c == 'b', c == 'B', c == 'z':
		t.out.WriteString(t.rest[:2])
	case c == 'W' && !t.ascii:
		t.out.WriteString("[^" + wordClass + "]")
	case c == 'S' && !t.ascii:
		t.out.WriteString("[^" + spaceClass + "]")
	default:
		class, r, err := t.character()
		switch {
		case err != nil:
			return err
		case class != "":
			t.out.WriteString("[" + class + "]")
		default:
			t.out.WriteString(regexp.QuoteMeta(string(carryRune(r))))
		}
		return nil
	}
	t.rest = t.rest[2:]
	return nil
}

// character reads an escape that means the same in brackets and outside: a class
// to stand in brackets, or a character.
func (t *translator) character() (class string, r rune, err error) {
	t.rest = t.rest[1:]
	if t.rest == "" {
		return "", 0, errUnfinished
	}
	r = t.next()
	switch r {
	case 'd', 'D', 'w', 'W', 's', 'S':
		return t.named(r), 0, nil
	case 'p', 'P': // not Python's, but nothing else there
		return t.property(r)
	case 'a', 'f', 'n', 'r', 't', 'v':
		return "", rune("\a\f\n\r\t\v"[strings.IndexRune("afnrtv", r)]), nil
	case 'x':
		return t.number(2, 16)
	case 'u':
		return t.number(4, 16)
	case 'U':
		return t.number(8, 16)
	case '0':
		n := 0
		for n < 2 && n < len(t.rest) && isOctal(t.rest[n]) {
			n++
		}
		t.rest = "0" + t.rest
		return t.number(n+1, 8)
	}
	switch {
	case r >= '1' && r <= '9':
		if len(t.rest) >= 2 && r <= '7' && isOctal(t.rest[0]) && isOctal(t.rest[1]) {
			t.rest = string(r) + t.rest
			return t.number(3, 8)
		}
		return "", 0, fmt.Errorf(`backreferences, \%c, are not supported`, r)
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		return "", 0, fmt.Errorf(`\%c is not supported`, r)
	}
	return "", r, nil
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

func (t *translator) named(r rune) string {
	switch {
	case t.ascii:
		return `\` + string(r)
	case r == 'd':
		return digitClass
	case r == 'D':
		return `\P{Nd}`
	case r == 'w':
		return wordClass
	case r == 'W':
		return notWordClass()
	case r == 's':
		return spaceClass
	}
	return notSpaceClass()
}

// property reads what follows \p: a letter, or a name in braces.
func (t *translator) property(p rune) (string, rune, error) {
	end := 1
	if strings.HasPrefix(t.rest, "{") {
		end = strings.IndexByte(t.rest, '}') + 1
	}
	if end == 0 || t.rest == "" {
		return "", 0, errUnfinished
	}
	class := `\` + string(p) + t.rest[:end]
	t.rest = t.rest[end:]
	return class, 0, nil
}

// number reads a character's number of so many digits.
func (t *translator) number(digits, base int) (string, rune, error) {
	if len(t.rest) < digits {
		return "", 0, errUnfinished
	}
	text := t.rest[:digits]
	n, err := strconv.ParseUint(text, base, 32)
	if err != nil || n > 0x10ffff || base == 8 && n > 0o377 {
		return "", 0, fmt.Errorf("%q is no character's number", text)
	}
	t.rest = t.rest[digits:]
	return "", rune(n), nil
}

// class reads brackets. All that stands in them is written by number, since Go
// gives some of it another meaning.
func (t *translator) class() error {
	t.rest = t.rest[1:]
	t.out.WriteByte('[')
	if strings.HasPrefix(t.rest, "^") {
		t.rest = t.rest[1:]
		t.out.WriteByte('^')
	}
	for first := true; ; first = false {
		if t.rest == "" {
			return errors.New("a bracket is not closed")
		}
		if t.rest[0] == ']' && !first {
			t.rest = t.rest[1:]
			t.out.WriteByte(']')
			return nil
		}
		class, lo, err := t.member()
		if err != nil {
			return err
		}
		hi := lo
		if len(t.rest) >= 2 && t.rest[0] == '-' && t.rest[1] != ']' {
			t.rest = t.rest[1:]
			var end string
			if end, hi, err = t.member(); err != nil {
				return err
			}
			if class != "" || end != "" || lo > hi {
				return errors.New("a range in brackets is empty, or ends in a class")
			}
		}
		if class == "" {
			writeRange(&t.out, lo, hi)
			continue
		}
		t.out.WriteString(class)
	}
}

// member reads one character or class in brackets.
func (t *translator) member() (class string, r rune, err error) {
	switch {
	case strings.HasPrefix(t.rest, `\b`):
		t.rest = t.rest[2:]
		return "", '\b', nil
	case t.rest[0] == '\\':
		return t.character()
	}
	return "", t.next(), nil
}
