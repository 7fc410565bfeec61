package snapshot

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"garret/fs/tree"
)

// Unfinished is what is put behind the name of a file of which a partial
// snapshot has the beginning only, so that nobody takes it for the file. The
// rest of it is as in the file: where it ends, a chunk ends, and the next run
// reads on from there. A name that would be too long is left out.
const Unfinished = ".garret-unfinished"

// maxFileName is NAME_MAX: what is longer could not be restored, bytes.
const maxFileName = 255

// begun returns the node of the file that is being taken, as far as it is
// stored; nil when there is none, or nothing of it.
func (a *assembler) begun(ctx context.Context) (*tree.Node, error) {
	t := &a.taking
	if t.begun == nil || t.parts == 0 || a.o.DryRun {
		return nil, nil
	}
	n := *t.begun
	n.Name += Unfinished
	if len(n.Name) > maxFileName {
		return nil, nil
	}
	n.Links = 1 // it is no name of the file
	n.Content = tree.Content{Parts: []tree.Part{t.first}}
	n.Size = t.first.Length
	if t.parts > 1 {
		b := a.content.Clone()
		n.Size = b.Size()
		var err error
		if n.Content, err = b.Finish(ctx); err != nil {
			return nil, a.storeError(t.begun.Name, err)
		}
	}
	return &n, nil
}

// schedule sets the timer for the next checkpoint.
func (a *assembler) schedule() {
	if a.o.Checkpoint != nil && a.o.CheckpointEvery > 0 && !a.o.DryRun {
		a.timer = time.After(a.o.CheckpointEvery)
	}
}

// checkpoint hands over what there is, as if the run ended here, and goes on.
func (a *assembler) checkpoint(ctx context.Context) error {
	defer a.schedule()
	r, err := a.soFar(ctx)
	if err != nil || r == nil {
		return err
	}
	return a.o.Checkpoint(ctx, r)
}

// soFar finishes copies of the directories that are open. It returns nil while
// there is nothing.
func (a *assembler) soFar(ctx context.Context) (*Result, error) {
	child, err := a.begun(ctx)
	if err != nil {
		return nil, err
	}
	stats := a.stats
	unfinished := ""
	if child != nil {
		unfinished = string(a.path) + child.Name
		stats.Files++
		stats.BytesTotal += child.Size
	}
	for i := a.depth - 1; i >= 0; i-- {
		l := &a.stack[i]
		b, filled := l.builder.Clone(), l.filled
		if child != nil {
			err := b.Add(ctx, child)
			if err != nil && !errors.Is(err, tree.ErrInvalid) {
				return nil, a.storeError(child.Name, err)
			}
			filled = filled || err == nil
		}
		if child = nil; l.drop && !filled {
			continue
		}
		n := l.node
		if n.Dir, err = b.Finish(ctx); err != nil {
			return nil, a.storeError(n.Name, err)
		}
		stats.Dirs++
		child = &n
	}
	if child == nil || child.Dir.Total == 0 {
		return nil, nil
	}
	r := a.result(child, stats)
	r.Partial, r.Unfinished = true, unfinished
	r.locate(a.base)
	return r, nil
}

// result sums the run up.
func (a *assembler) result(root *tree.Node, stats Stats) *Result {
	stats.Reasons = maps.Clone(stats.Reasons)
	r := &Result{Root: root, Stats: stats, Devices: a.deviceList(), Warnings: a.warnings, Unfinished: a.unfinished}
	r.locate(a.base)
	return r
}

// locate sets the source of the unfinished file.
func (r *Result) locate(base string) {
	if r.Unfinished != "" {
		r.UnfinishedSource = filepath.Clean(hostPath(base, strings.TrimSuffix(r.Unfinished, Unfinished)))
	}
}
