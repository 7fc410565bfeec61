package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"garret/cmd/garret/internal/term"
	"garret/fs/pattern"
	"garret/fs/tree"
	"garret/fs/view"
)

type findCmd struct {
	Target   string   `arg:"" optional:"" name:"SNAPSHOT[:PATH]" help:"Where to look; not with --all."`
	Patterns []string `arg:"" optional:"" name:"PATTERN" help:"What to look for: * and ? as in the shell, **/ for any directories. Without a slash, the name is compared; with one, the whole path. Default: everything."`
	All      bool     `help:"Look in every snapshot, and tell of each version of a file in which snapshots it is."`
	Type     string   `placeholder:"LETTERS" help:"Only files (f), directories (d), symbolic links (l), block (b) or character (c) devices, FIFOs (p): f,d,…"`
	Long     bool     `short:"l" xor:"format" help:"Show mode, owner, size and time."`
	JSON     bool     `name:"json" xor:"format" help:"Print one JSON object a line."`
	Null     bool     `short:"0" xor:"format" help:"End each name with a NUL, and print its bytes as they are."`
	patternFlags
}

// search is what a find looks for.
type search struct {
	finder   pattern.Finder
	types    map[tree.Type]bool // nil for all
	patterns *pattern.List
}

func (s *search) match(path string, n *tree.Node) bool {
	return (s.types == nil || s.types[n.Type]) && s.finder.Match(path)
}

// typeLetters are those of find(1).
var typeLetters = map[string]tree.Type{
	"f": tree.Regular, "d": tree.Directory, "l": tree.Symlink, "b": tree.BlockDevice, "c": tree.CharDevice, "p": tree.FIFO,
}

func (c *findCmd) search(wanted []string) (*search, error) {
	s := &search{}
	for _, a := range wanted {
		if err := s.finder.Add(a); err != nil {
			return nil, err
		}
	}
	if c.Type != "" {
		s.types = make(map[tree.Type]bool)
		for letter := range strings.SplitSeq(c.Type, ",") {
			t, ok := typeLetters[letter]
			if !ok {
				return nil, fmt.Errorf("--type: %q is none of f, d, l, b, c, p", letter)
			}
			s.types[t] = true
		}
	}
	var err error
	s.patterns, err = c.selection(nil)
	return s, err
}

func (c *findCmd) Run(ctx context.Context, a *app) (err error) {
	wanted := c.Patterns
	switch {
	case c.All && c.Target != "":
		wanted = append([]string{c.Target}, wanted...)
	case c.Target == "" && !c.All:
		return errors.New("find needs a SNAPSHOT to look in, or --all")
	}
	s, err := c.search(wanted)
	if err != nil {
		return err
	}
	o, err := a.openReader(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, o.close(ctx)) }()
	until, why := o.untilRefused(ctx)
	defer func() { err = why(err) }()
	out := newListing(a.stdout)
	if c.All {
		err = c.everywhere(until, a, o, s, out)
	} else {
		err = c.in(until, a, o, s, out)
	}
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if err != nil {
		return err
	}
	return a.warnUnmatched(s.patterns)
}

// in looks in one snapshot.
func (c *findCmd) in(ctx context.Context, a *app, o *opened, s *search, out *bufio.Writer) error {
	t, from, _, err := a.resolve(ctx, o, c.Target)
	if err != nil {
		return err
	}
	path, err := t.Path(ctx, from)
	if err != nil {
		return err
	}
	return a.walkSelected(ctx, t, from, path, s.patterns, func(p string, e view.Entry) error {
		if p == "" || !s.match(p, e.Node) {
			return nil
		}
		switch {
		case c.JSON:
			return printJSON(out, newNodeJSON(p, e.Node))
		case c.Long:
			return printLong(out, p, e.Node)
		}
		return c.printName(out, p)
	})
}

func (c *findCmd) printName(out *bufio.Writer, path string) error {
	if c.Null {
		_, err := out.WriteString(path + "\x00")
		return err
	}
	_, err := fmt.Fprintln(out, term.Name(path))
	return err
}
