package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// regex is a regular expression; whole is for those that take the slash behind
// the path too.
type regex struct {
	*regexp.Regexp
	whole bool
}

func (r regex) match(path, slashed string) bool {
	if r.whole {
		path = slashed
	}
	return r.MatchString(carry(path))
}

// newRegex reads a regular expression of Python's.
func newRegex(text string) (matcher, error) {
	t := translator{rest: text}
	translated, err := t.translate()
	if err == nil && t.multiline {
		t = translator{rest: text, multiline: true}
		translated, err = t.translate()
	}
	if err != nil {
		return nil, err
	}
	re, err := compileRegex(translated)
	return regex{Regexp: re}, err
}

func compileRegex(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		if wrong.Code == syntax.ErrInvalidRepeatSize {
			return nil, fmt.Errorf("a count above 1000 is not supported: %s", wrong.Expr)
		}
		return nil, fmt.Errorf("%s: %s", wrong.Code, wrong.Expr)
	}
	return re, err
}

// Go's expressions cannot name bytes that are not UTF-8, so those of paths and
// patterns become the last private-use code points of Unicode. A name that
// really has one of these is not told apart.
const carriedByte = 0x10ff00

func carryRune(r rune) rune {
	if isInvalidByte(r) {
		r += carriedByte - invalidByte
	}
	return r
}

func carry(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	b := make([]rune, 0, len(s))
	for s != "" {
		r, size := decode(s)
		b = append(b, carryRune(r))
		s = s[size:]
	}
	return string(b)
}

// regex makes an expression of a glob in which match could miss a way.
func (g glob) regex() (matcher, error) {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for _, p := range g {
		switch p.op {
		case opText:
			b.WriteString(regexp.QuoteMeta(p.text))
		case opSet:
			writeSet(&b, p.set)
		case opOne:
			b.WriteString(`.`)
		case opName:
			b.WriteString(`[^/]*`)
		case opDirs:
			b.WriteString(`(?:[^/]*/)*`)
		case opAny:
			b.WriteString(`.*`)
		case opNever:
			b.WriteString(`[^\x00-\x{10ffff}]`)
		}
	}
	b.WriteString(`\z`)
	re, err := compileRegex(b.String())
	return regex{re, true}, err
}

func writeSet(b *strings.Builder, s *set) {
	b.WriteByte('[')
	if s.negated {
		b.WriteByte('^')
	}
	for _, r := range s.ranges {
		writeRange(b, r.lo, r.hi)
	}
	b.WriteByte(']')
}

// writeRange writes a range of characters. Those in it that stand for bytes
// lie elsewhere in what carry returns.
func writeRange(b *strings.Builder, lo, hi rune) {
	const first, last = invalidByte + utf8.RuneSelf, invalidByte + 0xff
	for _, part := range [...]runeRange{
		{lo, min(hi, first-1)},
		{carryRune(max(lo, first)), carryRune(min(hi, last))},
		{max(lo, last+1), hi},
	} {
		if part.lo <= part.hi {
			fmt.Fprintf(b, `\x{%x}-\x{%x}`, part.lo, part.hi)
		}
	}
}
