package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"slices"

	"garret/cmd/garret/internal/term"
	"garret/fs/diff"
	"garret/fs/tree"
	"garret/store"
)

// versionJSON is a version of a file and where it is, for programs.
type versionJSON struct {
	nodeJSON
	Snapshots []string `json:"snapshots"` // ids, in the order of their time
	First     string   `json:"first"`     // their times
	Last      string   `json:"last"`
}

// everywhere looks in every snapshot.
func (c *findCmd) everywhere(ctx context.Context, a *app, o *opened, s *search, out *bufio.Writer) error {
	snaps, problems, err := o.records.Snapshots(ctx)
	if err != nil {
		return err
	}
	for _, p := range problems {
		fmt.Fprintf(a.stderr, "garret: warning: %v\n", p)
	}
	h := &diff.History{Match: s.match}
	failed := len(problems) > 0
	var read [][]*store.Snapshot // by series and ordinal
	for _, series := range seriesOf(snaps) {
		n := h.NewSeries()
		read = append(read, nil)
		for _, snap := range series {
			err := o.follow(ctx, h, snap, s)
			if err != nil && ctx.Err() != nil {
				return err
			}
			if err != nil {
				fmt.Fprintf(a.stderr, "garret: warning: snapshot %s is left out: %v\n", snap.ID.Short(), err)
				failed = true
				continue
			}
			read[n] = append(read[n], snap)
		}
	}
	versions := h.Versions(func(x, y diff.Range) int {
		return cmp.Or(read[x.Series][x.First].Time.Compare(read[y.Series][y.First].Time), cmp.Compare(x.Series, y.Series))
	})
	if err := c.printVersions(out, versions, read); err != nil {
		return err
	}
	if failed {
		return errDamaged
	}
	return nil
}

func (o *opened) follow(ctx context.Context, h *diff.History, snap *store.Snapshot, s *search) error {
	d, err := o.Details(ctx, snap.ID)
	if err != nil {
		return err
	}
	root, err := tree.ParseNode(d.Root)
	if err != nil {
		return err
	}
	return h.Next(ctx, o.reader, root, diff.Options{Patterns: s.patterns})
}

// seriesOf groups snapshots of the same sources, each in the order of time.
func seriesOf(snaps []*store.Snapshot) [][]*store.Snapshot {
	var list [][]*store.Snapshot
	index := make(map[string]int)
	sorted := slices.SortedStableFunc(slices.Values(snaps), func(a, b *store.Snapshot) int { return a.Time.Compare(b.Time) })
	for _, s := range sorted {
		key := sourcesKey(s.Host, s.Partial, s.Sources)
		i, ok := index[key]
		if !ok {
			i = len(list)
			index[key] = i
			list = append(list, nil)
		}
		list[i] = append(list[i], s)
	}
	return list
}

// sourcesKey identifies what a snapshot is of, so that one is compared with the
// one before it.
func sourcesKey(host string, partial bool, sources [][]byte) string {
	sorted := slices.SortedFunc(slices.Values(sources), slices.Compare)
	return fmt.Sprintf("%q %v %q", host, partial, sorted)
}

// versionIn returns the snapshots that have a version, in the order of their time.
func versionIn(v *diff.Version, read [][]*store.Snapshot) []*store.Snapshot {
	var list []*store.Snapshot
	for _, r := range v.In {
		list = append(list, read[r.Series][r.First:r.Last+1]...)
	}
	slices.SortStableFunc(list, func(a, b *store.Snapshot) int { return a.Time.Compare(b.Time) })
	return list
}

func (c *findCmd) printVersions(out *bufio.Writer, versions []*diff.Version, read [][]*store.Snapshot) error {
	if len(versions) > 0 && !c.Null && !c.JSON {
		line := fmt.Sprintf("%9s  %-28s  %-28s  ", "SNAPSHOTS", "FIRST SEEN", "LAST SEEN")
		if c.Long {
			line += fmt.Sprintf("%-10s %-8s %-8s ", "MODE", "USER", "GROUP")
		}
		if _, err := fmt.Fprintf(out, "%s%12s %-19s PATH\n", line, "SIZE", "TIME"); err != nil {
			return err
		}
	}
	last := ""
	for _, v := range versions {
		if c.Null {
			if v.Path != last {
				last = v.Path
				if err := c.printName(out, v.Path); err != nil {
					return err
				}
			}
			continue
		}
		if err := c.printVersion(out, v, versionIn(v, read)); err != nil {
			return err
		}
	}
	return nil
}

// printVersion prints where a version was first and last seen.
func (c *findCmd) printVersion(out *bufio.Writer, v *diff.Version, in []*store.Snapshot) error {
	first, last := in[0], in[len(in)-1]
	if c.JSON {
		j := versionJSON{nodeJSON: newNodeJSON(v.Path, v.Node), First: first.Time.UTC().Format(timeFormat), Last: last.Time.UTC().Format(timeFormat)}
		for _, s := range in {
			j.Snapshots = append(j.Snapshots, s.ID.String())
		}
		return printJSON(out, j)
	}
	seen := func(s *store.Snapshot) string { return s.ID.Short() + " " + s.Time.Local().Format(listTime) }
	if _, err := fmt.Fprintf(out, "%9d  %s  %s  ", len(in), seen(first), seen(last)); err != nil {
		return err
	}
	if c.Long {
		return printLong(out, v.Path, v.Node)
	}
	_, err := fmt.Fprintf(out, "%12d %s %s%s\n", v.Node.Size, v.Node.ModTime.Time().Local().Format(listTime), term.Name(v.Path), linkSuffix(v.Node))
	return err
}
