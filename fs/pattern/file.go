package pattern

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// maxLine bounds a line of a file of patterns, bytes.
const maxLine = 1 << 20

// Exclude adds the argument of --exclude: what matches is left out with all
// that is below. Errors wrap ErrInvalid.
func (l *List) Exclude(arg string) error {
	c, err := compile(arg, Fnmatch)
	if err != nil {
		return err
	}
	l.add(c, rule{verdict: Prune})
	return nil
}

// ExcludeFrom is Exclude for each line of a file. Errors name it and the line.
func (l *List) ExcludeFrom(r io.Reader, name string) error {
	return lines(r, name, l.Exclude)
}

// Pattern adds the argument of --pattern: a command and its value, in style sh
// unless the pattern says otherwise. Errors wrap ErrInvalid.
func (l *List) Pattern(arg string) error {
	if strings.HasPrefix(arg, "P") || strings.HasPrefix(arg, "p") {
		return fmt.Errorf("%w %q: a default style can be set in a file of patterns only; here, let a pattern begin with its style, as in %q",
			ErrInvalid, arg, "- fm:*.o")
	}
	style := Shell
	return l.command(arg, &style)
}

// PatternsFrom is Pattern for each line of a file, where P sets the style of the
// lines that follow. Errors name the file and the line.
func (l *List) PatternsFrom(r io.Reader, name string) error {
	style := Shell
	return lines(r, name, func(line string) error { return l.command(line, &style) })
}

// Select adds a path argument. When there are any, a path that no rule matches
// is left out. Errors wrap ErrInvalid.
func (l *List) Select(arg string) error {
	c, err := compile(arg, Prefix)
	if err != nil {
		return err
	}
	s := &selection{arg: arg}
	l.selected = append(l.selected, s)
	l.add(c, rule{Include, s})
	return nil
}

// command carries out a line of a file of patterns.
func (l *List) command(line string, style *Style) error {
	if line == "" {
		return fmt.Errorf("%w %q: it is empty", ErrInvalid, line)
	}
	value := strings.TrimLeftFunc(line[1:], isSpace)
	verdict := Include
	switch line[0] {
	case '+':
	case '-':
		verdict = Exclude
	case '!':
		verdict = Prune
	case 'R', 'r', 'P', 'p':
	default:
		return fmt.Errorf("%w %q: it begins with none of + - ! R P", ErrInvalid, line)
	}
	switch {
	case value == "":
		return fmt.Errorf("%w %q: nothing follows the %q", ErrInvalid, line, line[0])
	case line[0] == 'R' || line[0] == 'r':
		l.roots = append(l.roots, value)
		return nil
	case line[0] == 'P' || line[0] == 'p':
		s, ok := parseStyle(value)
		if !ok {
			return fmt.Errorf("%w %q: there is no style %q, only %s", ErrInvalid, line, value, styleNames)
		}
		*style = s
		return nil
	}
	c, err := compile(value, *style)
	if err != nil {
		return err
	}
	l.add(c, rule{verdict: verdict})
	return nil
}

// isSpace is str.isspace of Python, which strips lines.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// lines gives the lines of a file that count to do.
func lines(r io.Reader, name string, do func(line string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	s.Split(splitLines)
	n := 0
	for s.Scan() {
		n++
		line := s.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // as some editors begin a file
		}
		line = strings.TrimFunc(line, isSpace)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := do(line); err != nil {
			return fmt.Errorf("%q line %d: %w", name, n, err)
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%q line %d: %w: it is longer than %d bytes", name, n+1, ErrInvalid, maxLine)
	}
	if s.Err() != nil {
		return fmt.Errorf("%q: %w", name, s.Err())
	}
	return nil
}

// splitLines splits at \n, \r\n and \r, as Python does.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0 && atEOF && len(data) > 0:
		return len(data), data, nil
	case i < 0 || data[i] == '\r' && i+1 == len(data) && !atEOF:
		return 0, nil, nil
	case data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	}
	return i + 1, data[:i], nil
}
