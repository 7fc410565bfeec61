package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"garret/cmd/garret/internal/term"
	"garret/fs/diff"
	"garret/fs/tree"
	"garret/fs/view"
)

type diffCmd struct {
	A           string `arg:"" name:"SNAPSHOT1[:PATH]" help:"The earlier state."`
	B           string `arg:"" name:"SNAPSHOT2[:PATH]" help:"The later state."`
	ContentOnly bool   `help:"Leave out differences in modes, owners, times and other metadata."`
	Stat        bool   `help:"Print a summary only."`
	ExitCode    bool   `help:"End with exit code 1 when they differ."`
	JSON        bool   `name:"json" help:"Print one JSON object a line."`
	patternFlags
}

// errDiffer ends a diff with the exit code that was asked for.
var errDiffer = fmt.Errorf("they differ: %w", errWarnings)

// differenceJSON is a difference for programs.
type differenceJSON struct {
	term.Path
	Change  string    `json:"change"`          // added, removed, changed
	Kinds   []string  `json:"kinds,omitempty"` // what has changed
	Added   *uint64   `json:"bytes_added,omitempty"`
	Removed *uint64   `json:"bytes_removed,omitempty"`
	AtMost  bool      `json:"bytes_at_most,omitempty"` // too much to be counted exactly
	Xattrs  []string  `json:"xattrs,omitempty"`        // names of those that have changed
	Old     *nodeJSON `json:"old,omitempty"`
	New     *nodeJSON `json:"new,omitempty"`
}

// diffStatJSON is the summary for programs.
type diffStatJSON struct {
	Added   uint64 `json:"added"` // entries
	Removed uint64 `json:"removed"`
	Changed uint64 `json:"changed"`
	Content uint64 `json:"changed_content"` // changed files whose content did
	New     uint64 `json:"bytes_added"`
	Gone    uint64 `json:"bytes_removed"`
	AtMost  bool   `json:"bytes_at_most,omitempty"`
}

func (c *diffCmd) Run(ctx context.Context, a *app) (err error) {
	patterns, err := c.selection(nil)
	if err != nil {
		return err
	}
	o, err := a.openReader(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, o.close(ctx)) }()
	var entries [2]view.Entry
	var paths [2]string
	for i, target := range []string{c.A, c.B} {
		t, e, _, err := a.resolve(ctx, o, target)
		if err != nil {
			return err
		}
		if paths[i], err = t.Path(ctx, e); err != nil {
			return err
		}
		entries[i] = e
	}
	options := diff.Options{Path: paths[0], Patterns: patterns, ContentOnly: c.ContentOnly}
	if paths[0] != paths[1] {
		options.Path = "" // of what is compared
	}
	out := newListing(a.stdout)
	stats, err := diff.Run(ctx, o.reader, entries[0].Node, entries[1].Node, options, func(d diff.Difference) error {
		if d.Path == "" {
			d.Path = "."
		}
		switch {
		case c.Stat:
			return nil
		case c.JSON:
			return printJSON(out, newDifferenceJSON(d))
		}
		return printDifference(out, d)
	})
	if err == nil && c.Stat {
		err = printDiffStat(out, stats, c.JSON)
	}
	if err = firstError(err, out.Flush()); err != nil {
		return err
	}
	if c.ExitCode && stats.Added+stats.Removed+stats.Changed > 0 {
		return errDiffer
	}
	return nil
}

func newDifferenceJSON(d diff.Difference) differenceJSON {
	j := differenceJSON{Path: term.JSONPath(d.Path), Change: "changed", AtMost: d.Bytes.AtMost}
	bytes := d.Bytes.Added > 0 || d.Bytes.Removed > 0
	for _, k := range d.Kinds {
		j.Kinds = append(j.Kinds, string(k))
		bytes = bytes || k == diff.Content
	}
	if bytes {
		j.Added, j.Removed = &d.Bytes.Added, &d.Bytes.Removed
	}
	node := func(n *tree.Node) *nodeJSON {
		if n == nil {
			return nil
		}
		nj := newNodeJSON(d.Path, n)
		return &nj
	}
	j.Old, j.New = node(d.A), node(d.B)
	switch {
	case d.A == nil:
		j.Change = "added"
	case d.B == nil:
		j.Change = "removed"
	default:
		for _, x := range diff.XattrNames(d.A, d.B) {
			j.Xattrs = append(j.Xattrs, strings.ToValidUTF8(x, "\ufffd"))
		}
	}
	return j
}

// printDifference prints a line for people: the change, the path, and what
// makes it.
func printDifference(out *bufio.Writer, d diff.Difference) error {
	var err error
	switch {
	case d.A == nil:
		_, err = fmt.Fprintf(out, "added    %s%s\n", term.Name(d.Path), entryNote(d.B))
	case d.B == nil:
		_, err = fmt.Fprintf(out, "removed  %s%s\n", term.Name(d.Path), entryNote(d.A))
	default:
		var parts []string
		for _, k := range d.Kinds {
			parts = append(parts, describe(d, k))
		}
		_, err = fmt.Fprintf(out, "changed  %s: %s\n", term.Name(d.Path), strings.Join(parts, ", "))
	}
	return err
}

// entryNote says what an entry is that came or went.
func entryNote(n *tree.Node) string {
	if n.Type == tree.Regular {
		return " (" + term.Size(n.Size) + ")"
	}
	return " (" + typeName(n.Type) + ")"
}

// describe says how an entry has changed in one thing.
func describe(d diff.Difference, k diff.Kind) string {
	a, b := d.A, d.B
	change := func(x, y string) string { return string(k) + " " + x + " -> " + y }
	switch k {
	case diff.Type:
		return change(typeName(a.Type), typeName(b.Type))
	case diff.Content:
		bound := ""
		if d.Bytes.AtMost {
			bound = " at most"
		}
		return fmt.Sprintf("content%s +%s -%s", bound, term.Size(d.Bytes.Added), term.Size(d.Bytes.Removed))
	case diff.Target:
		return change(term.Name(a.Target), term.Name(b.Target))
	case diff.Device:
		return change(deviceName(a.Rdev), deviceName(b.Rdev))
	case diff.Mode:
		return change(fmt.Sprintf("%04o", a.Mode), fmt.Sprintf("%04o", b.Mode))
	case diff.Owner:
		return change(owners(a, b))
	case diff.ModTime:
		format := listTime
		if a.ModTime.Sec == b.ModTime.Sec {
			format += ".000000000"
		}
		return change(a.ModTime.Time().Local().Format(format), b.ModTime.Time().Local().Format(format))
	case diff.Xattrs:
		return string(k) + " " + strings.Join(xattrChanges(a, b), " ")
	case diff.Flags:
		return change(fmt.Sprintf("%#x", a.Flags), fmt.Sprintf("%#x", b.Flags))
	case diff.Links:
		return change(fmt.Sprint(a.Links), fmt.Sprint(b.Links))
	}
	return string(k)
}

// owners names the owners of two entries, by number where the names are alike.
func owners(a, b *tree.Node) (string, string) {
	user, group := ownerNames(a)
	user2, group2 := ownerNames(b)
	if user == user2 && group == group2 {
		return fmt.Sprintf("%d:%d", a.UID, a.GID), fmt.Sprintf("%d:%d", b.UID, b.GID)
	}
	return user + ":" + group, user2 + ":" + group2
}

// xattrChanges names the extended attributes that came (+), went (-) or have
// another value.
func xattrChanges(a, b *tree.Node) []string {
	has := func(n *tree.Node, name string) bool {
		for _, x := range n.Xattrs {
			if x.Name == name {
				return true
			}
		}
		return false
	}
	var list []string
	for _, name := range diff.XattrNames(a, b) {
		switch {
		case diff.IsACL(name):
		case !has(a, name):
			list = append(list, "+"+term.Name(name))
		case !has(b, name):
			list = append(list, "-"+term.Name(name))
		default:
			list = append(list, term.Name(name))
		}
	}
	return list
}

func printDiffStat(out *bufio.Writer, s diff.Stats, json bool) error {
	if json {
		return printJSON(out, diffStatJSON{s.Added, s.Removed, s.Changed, s.Content, s.Bytes.Added, s.Bytes.Removed, s.Bytes.AtMost})
	}
	bound := ""
	if s.Bytes.AtMost {
		bound = " at most"
	}
	_, err := fmt.Fprintf(out, "%d added, %d removed, %d changed (%d in content):%s +%s -%s\n",
		s.Added, s.Removed, s.Changed, s.Content, bound, term.Size(s.Bytes.Added), term.Size(s.Bytes.Removed))
	return err
}
