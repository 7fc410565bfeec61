package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"garret/fs/snapshot"
	"garret/fs/view"
	"garret/store"
)

// rootMark stands in a recorded source between the directory that paths are
// relative to (--root) and the rest, as in rsync's -R: /mnt/today/./home, and
// /mnt/today/. for all of it. The path is still the source's.
const rootMark = "/./"

// rooted names absolute sources relative to root, which is empty when none was
// given.
func rooted(root string, sources []string) ([]string, error) {
	if root == "" {
		return sources, nil
	}
	base, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	base = strings.TrimSuffix(base, "/")
	var named []string
	for _, s := range sources {
		rest, below := strings.CutPrefix(s, base+"/")
		switch {
		case s == base || s == "/" && base == "":
			named = append(named, base+strings.TrimSuffix(rootMark, "/"))
		case below || !filepath.IsAbs(s): // a list of paths is no path
			named = append(named, base+rootMark+rest)
		default:
			return nil, fmt.Errorf("%s, %s/: %w", s, base, snapshot.ErrOutsideRoot)
		}
	}
	return named, nil
}

// unrooted takes recorded sources apart; ok is false when they have no root.
func unrooted(sources [][]byte) (root string, rest []string, ok bool) {
	for _, s := range sources {
		r, tail, found := strings.Cut(string(s)+"/", rootMark)
		if !found {
			return "", nil, false
		}
		root, rest = r, append(rest, tail)
	}
	return root, rest, len(sources) > 0
}

// lineage is where a snapshot stands among those of its host and sources.
type lineage struct {
	sources     []string          // as recorded
	parents     []*store.Snapshot // to take unchanged files from, the first one's successor comes next
	checkpoints []*store.Snapshot // that are not needed once it is complete
}

// otherRoots bounds the parents from other roots.
const otherRoots = 3

func (j *snapshotJob) lineage(ctx context.Context) (*lineage, error) {
	snaps, problems, err := j.repo.Records().Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		fmt.Fprintf(j.stderr, "garret: warning: %v\n", p)
	}
	return newLineage(snaps, j.Host, j.sources), nil
}

// newLineage finds the snapshots of these sources and, when there is a root,
// those of the same paths below others: what is mounted under another path at
// each run finds its parent. Two file systems that take turns do not hide each
// other: those of the same root come first, and of the others the newest of
// each may serve.
func newLineage(snaps []*store.Snapshot, host string, sources []string) *lineage {
	l := &lineage{
		sources:     sources,
		parents:     store.Parents(snaps, host, sources),
		checkpoints: store.Checkpoints(snaps, host, sources),
	}
	root, rest, ok := unrooted(bytesOf(sources))
	if !ok {
		return l
	}
	roots := map[string]bool{root: true}
	for _, s := range slices.Backward(snaps) {
		other, tail, ok := unrooted(s.Sources)
		if !ok || s.Unverified || s.Host != host || !slices.Equal(tail, rest) || other == root {
			continue
		}
		if s.Partial {
			// Its root is gone: nobody will complete it but this run.
			if _, err := os.Lstat(other); os.IsNotExist(err) {
				l.checkpoints = append(l.checkpoints, s)
			}
		}
		if !roots[other] && len(roots) <= otherRoots {
			l.parents = append(l.parents, s)
			roots[other] = !s.Partial
		}
	}
	return l
}

func bytesOf(list []string) (all [][]byte) {
	for _, s := range list {
		all = append(all, []byte(s))
	}
	return all
}

// parent opens the trees that files may be taken over from.
func (j *snapshotJob) parent(ctx context.Context, reader *store.Reader, parents []*store.Snapshot) (*snapshot.Parent, error) {
	pages := view.NewPageCache(pageCache)
	var first, last *snapshot.Parent
	for _, s := range parents {
		t, d, err := openTree(ctx, j.repo, reader, pages, s.ID)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			fmt.Fprintf(j.stderr, "garret: warning: %v; its files are read again\n", err)
			continue
		}
		p := &snapshot.Parent{Tree: t, Started: s.Time, Partial: s.Partial}
		if err := json.Unmarshal(d.Devices, &p.Devices); err != nil {
			fmt.Fprintf(j.stderr, "garret: warning: snapshot %s: devices: %v; its files are read again\n", s.ID.Short(), err)
			continue
		}
		if first == nil {
			first = p
		} else {
			last.Older = p
		}
		last = p
	}
	return first, nil
}
