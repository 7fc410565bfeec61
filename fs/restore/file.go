package restore

import (
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
	"garret/fs/view"
	"garret/index"
)

// file is a regular file that is being written, by several workers perhaps.
type file struct {
	dir    *directory // retained
	entry  view.Entry
	fd     int
	sparse bool
	has    born
	// unnamed files take the place of another when they are written.
	unnamed bool
	// old is the size of a file that was there and is changed in place, bytes; 0
	// when this one is new.
	old uint64
	// probe files are only read, to find out whether they have lost something.
	probe bool

	refs    atomic.Int64  // the walk, pieces that are not done
	written atomic.Uint64 // bytes that progress was told of
	same    atomic.Uint64 // bytes that were there already
	strange atomic.Uint64 // bytes of parts that had nothing in common with what was there

	mu   sync.Mutex
	lost LostError
	err  error // that writing failed with

	names    []place // further ones, until it is finished
	finished bool
	removed  bool
}

// write writes the parts of f that begin in from .. to. Parts that end behind
// to are written whole: the piece that begins there leaves them out.
func (r *run) write(f *file, from, to uint64) {
	if in := f.entry.Content.Inline; len(in) > 0 {
		r.pwrite(f, in, 0)
		return
	}
	for at := from; at < to && !r.stopped(); {
		err := r.o.Tree.Parts(r.ctx, f.entry, at, func(start uint64, p tree.Part) bool {
			if start >= to {
				return false
			}
			if start >= from && !r.writePart(f, start, p) {
				at = to
				return false
			}
			at = start + p.Length
			return true
		})
		if err == nil || at >= to || r.stopped() {
			return
		}
		next := r.skipParts(f, at, to)
		r.lose(f, at, next-at, err)
		at, from = next, next
	}
}

// writePart writes one part, or notes that it is lost. It reports whether
// there is any sense in going on with this file.
func (r *run) writePart(f *file, start uint64, p tree.Part) bool {
	if p.IsHole() {
		return f.old == 0 || r.punch(f, start, p.Length)
	}
	old, same := r.old(f, start, p)
	if old != nil {
		defer r.buffers.Put(old)
	}
	if same {
		r.leave(f, p.Length)
		return true
	}
	b, giveBack, err := tree.Borrow(r.ctx, r.o.Loader, index.Data, p.ID)
	if err == nil {
		defer giveBack()
	}
	if err == nil && uint64(len(b)) != p.Length {
		err = fmt.Errorf("data blob %s: %w: %d bytes where the file has %d", p.ID.Short(), tree.ErrInvalid, len(b), p.Length)
	}
	if r.stopped() {
		return false
	}
	if err != nil {
		r.lose(f, start, p.Length, err)
		return true
	}
	if old != nil {
		return r.writeOver(f, b, *old, start)
	}
	return r.pwrite(f, b, start)
}

func (r *run) pwrite(f *file, b []byte, at uint64) bool {
	for len(b) > 0 && !f.probe {
		n, err := unix.Pwrite(f.fd, b, int64(at))
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = unix.EIO
		}
		if err != nil {
			f.writeFailed(err)
			return false
		}
		b = b[n:]
		at += uint64(n)
		f.written.Add(uint64(n))
		r.counters.written.Add(uint64(n))
		r.o.Progress.Bytes.Add(uint64(n))
	}
	return true
}

func (f *file) writeFailed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = fmt.Errorf("write file: %w", err)
	}
}

// lose notes that a range cannot be read. It is, or becomes, a hole, unless what
// was there is to stay.
func (r *run) lose(f *file, at, length uint64, err error) {
	damaged := r.damaged(f)
	if damaged != KeepOld {
		r.punch(f, at, length)
	}
	if !f.probe {
		r.counters.lost.Add(length)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost.Damaged = damaged
	f.lost.add(Range{at, length}, err)
	if r.o.Damaged == Fail {
		first := &LostError{Ranges: []Range{{at, length}}, Bytes: length, Damaged: Fail, Err: err}
		r.fail(fmt.Errorf("%s: %w", r.path(f.dir, f.entry.Name), first))
	}
}

// damaged returns what becomes of f if it has lost something.
func (r *run) damaged(f *file) Damaged {
	switch {
	case r.o.Damaged != KeepOld:
		return r.o.Damaged
	case f.unnamed || f.probe:
		return Skip
	case f.old == 0:
		return Zero
	}
	return KeepOld
}

// lost reads a file without writing it, and returns what of it is lost, or nil.
func (r *run) lost(d *directory, e view.Entry) *LostError {
	f := &file{dir: d, entry: e, fd: -1, probe: true}
	r.write(f, 0, e.Size)
	if f.lost.Err == nil {
		return nil
	}
	f.lost.sort()
	return &f.lost
}

// skipParts finds the first byte of f behind at, at most to, whose part is
// known: the page of parts that has those between cannot be read. It tries at
// most 65536 places, then searches back.
func (r *run) skipParts(f *file, at, to uint64) uint64 {
	readable := func(off uint64) bool {
		return off >= to || r.o.Tree.Parts(r.ctx, f.entry, off, func(uint64, tree.Part) bool { return false }) == nil
	}
	step := max(1<<20, f.entry.Size>>16)
	last, next := at, at+step
	for ; !readable(next) && !r.stopped(); next += step {
		last = next
	}
	for next = min(next, to); next-last > 1 && !r.stopped(); {
		if middle := last + (next-last)/2; readable(middle) {
			next = middle
		} else {
			last = middle
		}
	}
	return next
}

// done lets go of f. With the last one it gets its metadata and is closed; when
// it could not be written, or the run is to end so that it may lack something,
// it is removed, with the names that were linked to it meanwhile. One that is
// changed in place then stays as it is, marked.
func (r *run) done(f *file) {
	if f.refs.Add(-1) > 0 {
		return
	}
	name, whole := f.entry.Name, false
	if !r.stopped() && f.err == nil {
		whole = r.complete(f)
	}
	if err := unix.Close(f.fd); err != nil && err != unix.EINTR {
		f.writeFailed(err) // as NFS does when the server's disk is full
	}
	if f.err != nil {
		r.cannot(f.dir, name, f.err)
		whole = false
	}
	if !whole && !f.unnamed && f.old == 0 {
		f.dir.withFD(func(fd int) error { return unix.Unlinkat(fd, name, 0) })
	}
	f.finish(!whole)
	if whole {
		r.counters.files.Add(1)
		r.counters.bytes.Add(f.entry.Size)
		r.o.Progress.Entries.Add(1)
		r.o.Progress.Bytes.Add(f.entry.Size - min(f.entry.Size, f.written.Load()))
	}
	r.release(f.dir)
}

// complete gives a file whose data are written its size, metadata, and name. It
// reports whether the file is to stay.
func (r *run) complete(f *file) bool {
	if f.lost.Err != nil {
		f.lost.sort()
		r.counters.damaged.Add(1)
		r.warn(f.dir, f.entry.Name, &f.lost)
		if !f.lost.Restored() {
			return false
		}
		if err := unix.Ftruncate(f.fd, int64(f.entry.Size)); err != nil {
			f.writeFailed(err)
			return false
		}
	}
	if f.dir.inherits && !hasXattr(f.entry.Node, aclAccess) {
		unix.Fremovexattr(f.fd, aclAccess)
	}
	if f.old > 0 {
		if err := r.settle(f); err != nil {
			f.writeFailed(err)
			return false
		}
	}
	i := inode{fd: f.fd}
	r.setMetadata(f.dir, f.entry.Name, i, f.entry.Node, f.has)
	if f.keeps() {
		if err := touch(f.fd); err != nil {
			f.writeFailed(err)
			return false
		}
	}
	if f.unnamed {
		if err := r.place(f); err != nil {
			f.writeFailed(err)
			return false
		}
	}
	r.setFlags(f.dir, f.entry.Name, i, f.entry.Node)
	return true
}
