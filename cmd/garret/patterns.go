package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"garret/cmd/garret/internal/term"
	"garret/fs/pattern"
)

// patternFlags are the options that select paths, for commands to embed. Their
// order on the command line, among all four, is the order of the rules.
type patternFlags struct {
	Exclude      orderedArgs `short:"e" placeholder:"PATTERN" help:"Leave out what matches, with all below it. Style fm unless it begins with sh:, re:, pp: or pf:."`
	ExcludeFrom  orderedArgs `placeholder:"FILE" help:"Patterns to exclude, one a line; - is standard input."`
	Pattern      orderedArgs `placeholder:"RULE" help:"+PATTERN includes, -PATTERN excludes but looks below, !PATTERN excludes, R PATH is a root. Style sh. The first rule that matches decides."`
	PatternsFrom orderedArgs `placeholder:"FILE" help:"Such rules, one a line, and P STYLE for the default style; - is standard input."`
}

// orderedArgs are the values of a repeatable option, with their places.
type orderedArgs []orderedArg

type orderedArg struct {
	value string
	left  int // arguments behind it on the command line
}

// Decode takes the next argument whatever it begins with: rules begin with -.
func (o *orderedArgs) Decode(ctx *kong.DecodeContext) error {
	t := ctx.Scan.Pop()
	value, ok := t.Value.(string)
	if !ok {
		return errors.New("expected a value")
	}
	*o = append(*o, orderedArg{value, ctx.Scan.Len()})
	return nil
}

// patternOption is one of the options as it was given: a rule, or a file of
// them.
type patternOption struct {
	name string
	orderedArg
	apply func(arg string) error
	read  func(r io.Reader, name string) error
}

// list builds the list of rules. Its errors quote what is wrong.
func (f *patternFlags) list() (*pattern.List, error) {
	l := &pattern.List{}
	var given []patternOption
	for _, arg := range f.Exclude {
		given = append(given, patternOption{name: "--exclude", orderedArg: arg, apply: l.Exclude})
	}
	for _, arg := range f.ExcludeFrom {
		given = append(given, patternOption{name: "--exclude-from", orderedArg: arg, read: l.ExcludeFrom})
	}
	for _, arg := range f.Pattern {
		given = append(given, patternOption{name: "--pattern", orderedArg: arg, apply: l.Pattern})
	}
	for _, arg := range f.PatternsFrom {
		given = append(given, patternOption{name: "--patterns-from", orderedArg: arg, read: l.PatternsFrom})
	}
	slices.SortFunc(given, func(a, b patternOption) int { return b.left - a.left })
	for _, g := range given {
		if err := g.add(); err != nil {
			return nil, fmt.Errorf("%s: %w", g.name, err)
		}
	}
	return l, nil
}

// add adds the option's rules to the list.
func (g *patternOption) add() error {
	if g.read == nil {
		return g.apply(g.value)
	}
	if g.value == "-" {
		return g.read(os.Stdin, "standard input")
	}
	f, err := os.Open(g.value)
	if err != nil {
		return err
	}
	defer f.Close()
	return g.read(f, g.value)
}

// selection is list with path arguments, to which roots of R lines belong, as
// in Borg.
func (f *patternFlags) selection(paths []string) (*pattern.List, error) {
	l, err := f.list()
	if err != nil {
		return nil, err
	}
	for _, p := range slices.Concat(paths, l.Roots()) {
		if err := l.Select(p); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// warnUnmatched says which path arguments have selected nothing, and that a
// command has to end with a warning for that.
func (a *app) warnUnmatched(l *pattern.List) error {
	unmatched := l.Unmatched()
	for _, arg := range unmatched {
		fmt.Fprintf(a.stderr, "garret: warning: %s never matched\n", term.Name(arg))
	}
	if len(unmatched) > 0 {
		return errWarnings
	}
	return nil
}
