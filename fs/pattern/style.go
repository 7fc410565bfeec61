package pattern

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"
)

// ErrInvalid is wrapped by every error about a pattern or a line that is not
// one. The message quotes it.
var ErrInvalid = errors.New("invalid pattern")

// Style says how a pattern is read.
type Style string

// The styles.
const (
	Fnmatch  Style = "fm"
	Shell    Style = "sh"
	Regexp   Style = "re"
	Prefix   Style = "pp"
	FullPath Style = "pf"
)

// styleNames are for messages.
const styleNames = "fm, sh, re, pp or pf"

func parseStyle(s string) (Style, bool) {
	switch st := Style(s); st {
	case Fnmatch, Shell, Regexp, Prefix, FullPath:
		return st, true
	}
	return "", false
}

// compiled is a pattern that is ready to be a rule: path is set when it is
// nothing but one, else matcher.
type compiled struct {
	path  string
	full  bool // path stands for itself alone
	below bool // path stands for what is below alone
	matcher
	prefix string // what every path begins with that matches, with a slash behind it
	need   string // what every such path holds
}

// compile reads a pattern, in the style that it begins with or else that.
func compile(arg string, style Style) (compiled, error) {
	text := arg
	if named, rest, ok := cutStyle(arg); ok {
		var known bool
		if style, known = parseStyle(named); !known {
			return compiled{}, fmt.Errorf("%w %q: there is no style %q, only %s", ErrInvalid, arg, named, styleNames)
		}
		text = rest
	}
	c, err := style.compile(text)
	if err != nil {
		return compiled{}, quoted(arg, err)
	}
	return c, nil
}

func quoted(arg string, err error) error { return fmt.Errorf("%w %q: %w", ErrInvalid, arg, err) }

// cutStyle takes "xx:rest" apart, where xx are two letters or digits.
func cutStyle(s string) (style, rest string, ok bool) {
	runes := 0
	for i, r := range s {
		switch {
		case runes == 2:
			return s[:i], s[i+1:], r == ':'
		case !unicode.IsLetter(r) && !unicode.IsNumber(r):
			return "", "", false
		}
		runes++
	}
	return "", "", false
}

func (s Style) compile(text string) (compiled, error) {
	switch s {
	case Regexp:
		m, err := newRegex(text)
		return compiled{matcher: m}, err
	case FullPath:
		p := strings.TrimLeft(path.Clean(text), "/")
		return compiled{path: p, full: true, prefix: p + "/"}, nil
	case Prefix:
		p := strings.Trim(path.Clean(text), "/")
		prefix := p
		if p != "" {
			prefix += "/"
		}
		return compiled{path: p, prefix: prefix}, nil
	}
	tail := [2]string{"/*", "/*/"}
	if s == Shell {
		tail = [2]string{"/**/*", "/**/*/"}
	}
	// What is below matches too, or alone.
	if strings.HasSuffix(text, "/") {
		text = strings.TrimRight(path.Clean(text), "/") + tail[1]
	} else {
		text = path.Clean(text) + tail[0]
	}
	return compileGlob(strings.TrimLeft(text, "/"), s == Shell)
}
