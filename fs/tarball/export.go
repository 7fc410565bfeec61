package tarball

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"garret/fs/pattern"
	"garret/fs/tree"
	"garret/fs/view"
)

// ExportOptions say what to write.
type ExportOptions struct {
	Tree   *view.Tree
	Loader tree.Loader // Tree's
	From   view.Entry  // what to write, with all below
	Path   string      // of From in Tree; names in the archive begin with it

	// Patterns selects entries by their paths; nil selects all. A directory may
	// be left out and what is in it not.
	Patterns *pattern.List
	// Warn is told what could not be written as it was: a *LostError,
	// a *LostEntriesError, or else.
	Warn func(path string, err error)
}

// ExportStats say what was written.
type ExportStats struct {
	Entries  uint64
	Links    uint64 // of them other names of files written before
	Bytes    uint64 // sizes of the files
	Lost     uint64 // bytes of them that are zeros now
	Missing  uint64 // entries that could not be listed
	Warnings uint64
}

// exporter is a running export.
type exporter struct {
	ctx   context.Context
	o     *ExportOptions
	out   *bufio.Writer
	block []byte // scratch
	links map[tree.HardLink]*linked
	stats ExportStats
}

// linked is an entry that more names are to come of.
type linked struct {
	name string // its first
	left uint64 // how many
}

// Export writes an archive. Its errors are w's and the context's, and those of
// the options: what is wrong with the tree ends in warnings.
func Export(ctx context.Context, w io.Writer, o ExportOptions) (ExportStats, error) {
	e := &exporter{ctx: ctx, o: &o, out: bufio.NewWriterSize(w, 1<<20), links: make(map[tree.HardLink]*linked)}
	err := e.entry(o.Path, o.From, 0)
	if err == nil {
		err = e.zeros(2 * blockSize)
	}
	if err == nil {
		err = e.out.Flush()
	}
	return e.stats, err
}

func (e *exporter) put(b []byte) error {
	_, err := e.out.Write(b)
	return err
}

func (e *exporter) warn(path string, err error) {
	e.stats.Warnings++
	if e.o.Warn != nil {
		e.o.Warn(path, err)
	}
}

// entry writes an entry and what is below it.
func (e *exporter) entry(path string, n view.Entry, depth int) error {
	verdict := e.o.Patterns.Verdict(path)
	if verdict == pattern.Include && path != "" {
		if err := e.write(path, n); err != nil {
			return err
		}
	}
	if n.Type != tree.Directory || verdict == pattern.Prune {
		return nil
	}
	if depth > tree.MaxDepth {
		e.warn(path, fmt.Errorf("%w: more than %d directories deep", tree.ErrInvalid, tree.MaxDepth))
		return nil
	}
	if path != "" {
		path += "/"
	}
	return e.list(path, n, depth)
}

// list writes what is in a directory. The page is looked up again after each
// directory, so that a deep tree does not hold one page a level.
func (e *exporter) list(path string, dir view.Entry, depth int) error {
	for from := uint64(0); from < dir.Dir.Entries; {
		var sub view.Entry
		below, failed := false, error(nil)
		err := e.o.Tree.List(e.ctx, dir, from, func(i uint64, child view.Entry) bool {
			from = i + 1
			if child.Type == tree.Directory {
				sub, below = child, true
				return false
			}
			failed = e.entry(path+child.Name, child, depth+1)
			return failed == nil
		})
		if failed == nil {
			failed = e.ctx.Err()
		}
		if failed != nil {
			return failed
		}
		if err != nil {
			from = e.skipEntries(path, dir, from, err)
		}
		if below {
			if err := e.entry(path+sub.Name, sub, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// skipEntries finds the first entry behind one that cannot be read, and reports
// those between.
func (e *exporter) skipEntries(path string, dir view.Entry, bad uint64, cause error) (next uint64) {
	next = e.o.Tree.SkipLost(e.ctx, dir, bad)
	if e.ctx.Err() != nil {
		return next
	}
	e.stats.Missing += next - bad
	lost := &LostEntriesError{next - bad, dir.Dir.Entries, cause}
	e.warn(strings.TrimSuffix(path, "/"), lost)
	return next
}
