package restore

import (
	"fmt"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/view"
)

// A batch is handed to a worker when it has this many entries or bytes: about
// a frame of a repository.
const (
	batchEntries = 64
	batchBytes   = 1 << 20
)

// Files larger than two pieces are written by several workers. The pieces of a
// very large one are longer, so that there are at most maxPieces.
const (
	pieceBytes = 8 << 20
	maxPieces  = 1 << 16
)

// job is a worker's work on one entry: all of it, or a piece of a file that the
// walk has created.
type job struct {
	dir      *directory // of entry, retained
	entry    view.Entry
	file     *file  // not nil: the piece from .. to of it, retained
	from, to uint64 // bytes
}

// list restores all below the directory e into d.
func (r *run) list(d *directory, e view.Entry, depth int) {
	if depth > tree.MaxDepth {
		r.warn(d, "", fmt.Errorf("%w: more than %d directories deep", tree.ErrInvalid, tree.MaxDepth))
		return
	}
	var stored names
	if r.o.Delete {
		stored = names{}
	}
	for from := uint64(0); from < e.Dir.Entries && !d.failed && !r.stopped(); {
		var sub view.Entry
		below := false
		err := r.o.Tree.List(r.ctx, e, from, func(i uint64, child view.Entry) bool {
			from = i + 1
			stored.add(child.Name)
			if child.Type == tree.Directory {
				// Its entries come first, so that the walk is in the order in
				// which the repository has them.
				sub, below = child, true
				return false
			}
			r.entry(d, child, depth)
			return !r.stopped()
		})
		if err != nil && !r.stopped() {
			from = r.skipEntries(d, e, from, err)
			stored = nil // not known
		}
		if below {
			r.entry(d, sub, depth)
		}
	}
	r.deleteExtra(d, stored)
}

// skipEntries finds the first entry behind one that cannot be read, and reports
// those between.
func (r *run) skipEntries(d *directory, e view.Entry, bad uint64, cause error) (next uint64) {
	next = r.o.Tree.SkipLost(r.ctx, e, bad)
	lost := &LostEntriesError{Entries: next - bad, Of: e.Dir.Entries, Err: cause}
	if lost.Entries == lost.Of {
		lost.Total, lost.Bytes = e.Dir.Total, e.Dir.Bytes
	}
	r.counters.missing.Add(max(lost.Entries, lost.Total))
	if r.o.Damaged == Fail {
		r.fail(fmt.Errorf("%s: %w", r.path(d, ""), lost))
	} else {
		r.warn(d, "", lost)
	}
	return next
}

// entry restores one entry and what is below it, or has a worker do it.
func (r *run) entry(d *directory, e view.Entry, depth int) {
	if !tree.ValidName(e.Name) {
		r.warn(d, "", fmt.Errorf("entry %.64q: %w: name", e.Name, tree.ErrInvalid))
		return
	}
	verdict := r.selection.enter(e.Name)
	defer r.selection.leave()
	switch {
	case verdict == Prune || verdict == Leave && e.Type != tree.Directory:
		r.leaveOut(e)
	case depth < r.o.Strip && e.Type == tree.Directory:
		r.leaveOut(view.Entry{Node: &tree.Node{}}) // itself alone
		r.list(d, e, depth+1)
	case depth < r.o.Strip:
		r.leaveOut(e)
	case e.Type == tree.Directory:
		if sub := r.directory(d, e.Node, verdict == Leave); sub != nil {
			r.list(sub, e, depth+1)
			r.release(sub)
		}
	default:
		if r.ready(d) && r.wanted(d, e.Node) {
			r.leaf(d, e)
		}
	}
}

// leaf restores what is no directory.
func (r *run) leaf(d *directory, e view.Entry) {
	group, linked := groupOf(e.Node)
	if linked && e.Type == tree.Regular && r.leavesOld(group, d, e) {
		return
	}
	if linked && r.linkTo(group, d, e.Node) {
		return
	}
	switch {
	case e.Type != tree.Regular && linked:
		if r.makeSpecial(d, e.Node) {
			r.links.add(group, d, e.Node, nil)
		}
	case e.Type != tree.Regular || !linked && e.Size <= 2*pieceBytes:
		d.refs.Add(1)
		r.queue(job{dir: d, entry: e}, e.Size)
	default:
		f := r.create(d, e, linked)
		if f == nil {
			return
		}
		if linked {
			r.links.add(group, d, e.Node, f)
		}
		r.pieces(f)
		r.done(f)
	}
}

// probed is what of a file with further names is lost.
type probed struct {
	lost *LostError // nil: nothing
	told bool
}

// leavesOld reports whether a file with further names has lost something, so that
// what is in its way stays: which is to be known before one of its names is touched.
func (r *run) leavesOld(g group, d *directory, e view.Entry) bool {
	if !r.replaceable() || r.o.Damaged != Skip && r.o.Damaged != KeepOld {
		return false
	}
	p := r.probed[g]
	if p == nil {
		p = &probed{lost: r.lost(d, e)}
		r.probed[g] = p
	}
	if p.lost == nil || r.stopped() {
		return r.stopped()
	}
	leaves := r.o.Damaged == Skip
	if !leaves {
		_ = d.withFD(func(dir int) error {
			leaves = isFile(dir, e.Name)
			return nil
		})
	}
	if leaves && !p.told {
		p.told = true
		r.counters.lost.Add(p.lost.Bytes)
		r.counters.damaged.Add(1)
		r.warn(d, e.Name, p.lost)
	}
	return leaves
}

// pieces queues the pieces of a file, holes left out where they are there.
func (r *run) pieces(f *file) {
	size := f.entry.Size
	length := max(pieceBytes, size/maxPieces)
	if size <= 2*pieceBytes {
		length = size
	}
	for from := uint64(0); from < size && !r.stopped(); {
		if f.sparse && f.old == 0 {
			data, err := r.o.Tree.SeekData(r.ctx, f.entry, int64(from))
			switch err {
			case nil:
				from = uint64(data)
			case unix.ENXIO:
				return
			default: // no more is known than that
				length = size
			}
		}
		to := from + min(length, size-from)
		f.refs.Add(1)
		r.queue(job{file: f, from: from, to: to}, to-from)
		from = to
	}
}

// queue adds a job to the batch.
func (r *run) queue(j job, bytes uint64) {
	r.batch = append(r.batch, j)
	if r.weight += bytes; len(r.batch) >= batchEntries || r.weight >= batchBytes {
		r.flush()
	}
}

// flush hands the batch to a worker.
func (r *run) flush() {
	if len(r.batch) > 0 {
		r.batches <- r.batch // workers take batches until the channel is closed
		r.batch, r.weight = make([]job, 0, batchEntries), 0
	}
}

// do is a worker's part. When the run is to end, it only lets go.
func (r *run) do(j *job) {
	switch {
	case j.file != nil:
		r.write(j.file, j.from, j.to)
		r.done(j.file)
	default:
		if !r.stopped() {
			if j.entry.Type != tree.Regular {
				r.makeSpecial(j.dir, j.entry.Node)
			} else if f := r.create(j.dir, j.entry, false); f != nil {
				r.write(f, 0, f.entry.Size)
				r.done(f)
			}
		}
		r.release(j.dir)
	}
}
