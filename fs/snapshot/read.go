package snapshot

import (
	"bytes"
	"context"
	"io"

	"golang.org/x/sys/unix"

	"garret/chunking"
	"garret/fs/source"
	"garret/fs/tree"
	"garret/index"
)

// file is what a reader needs of a source.File.
type file interface {
	ReadAt(p []byte, off int64) (int, error)
	Stat(*source.Stat) error
	NextData(off int64) (start, end int64, err error)
	Xattrs() ([]tree.Xattr, error)
	Flags() (flags uint32, ok bool)
	WillRead()
	KeepCache(size int64)
	Drop(start, end int64)
	Close()
}

// reader is one of the third stage: it reads files, cuts and hashes them.
type reader struct {
	o        *Options
	accounts *source.Accounts
	crew     *crew // nil when it is alone
	ring     *ring
	max      int    // largest chunk, bytes
	reread   uint64 // largest file that is read again, bytes

	// Of cut, used again.
	chunks [together][]byte
	ids    [together]index.ID
}

// newReader returns a reader with a ring of that many bytes, two chunks at
// least.
func newReader(o *Options, a *source.Accounts, c *crew, size int) *reader {
	most := o.Chunker.Params().Max
	r := &reader{o: o, accounts: a, crew: c, ring: newRing(max(size, 2*most)), max: most, reread: maxReread}
	if o.maxReread > 0 {
		r.reread = o.maxReread
	}
	if c != nil {
		r.ring.help = c.help
	}
	return r
}

func (r *reader) run(ctx context.Context, files <-chan *entry) error {
	for {
		select {
		case e, ok := <-files:
			if !ok {
				return r.crew.leave(ctx)
			}
			if err := r.file(ctx, e); err != nil {
				return err
			}
		case h := <-r.crew.help:
			h.run()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// file reads one file and ends it with its last piece. It returns the context's
// error alone; what is wrong with the file stands in the entry.
func (r *reader) file(ctx context.Context, e *entry) error {
	err := r.content(ctx, e)
	e.from.Close()
	if err != nil {
		return err
	}
	return r.send(ctx, e, piece{last: true})
}

func (r *reader) send(ctx context.Context, e *entry, p piece) error {
	for {
		select {
		case e.pieces <- p:
			return nil
		case h := <-r.ring.help:
			h.run()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *reader) content(ctx context.Context, e *entry) error {
	if e.special {
		return r.special(ctx, e)
	}
	if e.stat.Size == 0 && !e.device.system.Pseudo {
		r.unopened(e)
		return nil
	}
	f, err := r.open(e)
	if err != nil {
		e.failed = err
		return nil
	}
	defer f.Close()
	e.opened = true
	if !e.device.system.Pseudo {
		f.KeepCache(int64(e.stat.Size))
	}
	for range 2 {
		if e.stat.Size >= uint64(r.max) || e.stat.Sparse() || e.device.system.Pseudo || e.resume > 0 {
			return r.stream(ctx, e, f, rereads)
		}
		done, holes, err := r.small(ctx, e, f)
		if done || err != nil {
			return err
		}
		if holes {
			return r.stream(ctx, e, f, rereads)
		}
		// Scan saw it a while ago: a change before it was opened is none to
		// speak of. Try once more with what it is now.
		if !r.look(e, f) {
			return nil
		}
	}
	return r.stream(ctx, e, f, 0) // that is the second time already
}

// look takes a file's metadata anew, and reports whether it can be read.
func (r *reader) look(e *entry, f file) bool {
	var now source.Stat
	if e.failed = f.Stat(&now); e.failed != nil {
		return false
	}
	if now.Mode&unix.S_IFMT != unix.S_IFREG || now.Dev != e.stat.Dev {
		e.failed = ErrNotRegular
		return false
	}
	if !now.SameVersion(&e.stat) {
		e.stat = now
		fill(&e.node, &now, e.device, r.accounts, r.o.AccessTimes)
	}
	return true
}

func (r *reader) open(e *entry) (file, error) {
	open := func() (file, error) {
		f, err := e.from.OpenFile(e.name)
		if err != nil {
			return nil, err // not a nil *source.File in an interface
		}
		return f, nil
	}
	if r.o.openFile != nil {
		return r.o.openFile(e.name.String(), open)
	}
	return open()
}

// unopened completes an empty file, which only lacks its attributes. It need not
// be readable for that; flags that only opening shows are taken where it is.
func (r *reader) unopened(e *entry) {
	fd, err := e.from.Pin()
	if err != nil {
		e.failed = err
		return
	}
	defer e.from.Unpin()
	if e.node.Xattrs, err = source.XattrsAt(fd, e.name); vanished(err) {
		e.failed = err
		return
	}
	e.problem = err
	if f, err := e.from.OpenFile(e.name); err == nil {
		if flags, ok := f.Flags(); ok {
			e.node.Flags |= source.UnseenFlags(flags)
		}
		f.Close()
	}
}

// attributes reads what a file has besides content.
func attributes(e *entry, f file) {
	e.node.Xattrs, e.problem = f.Xattrs()
	if flags, ok := f.Flags(); ok {
		e.node.Flags |= source.UnseenFlags(flags)
	}
}

// small reads a file of less than a chunk at once, with four system calls. When
// the file is not what its metadata said, or has holes, nothing is done.
func (r *reader) small(ctx context.Context, e *entry, f file) (done, holes bool, err error) {
	size := int(e.stat.Size)
	buf, err := r.ring.space(ctx, 0, size+1)
	if err != nil {
		return false, false, err
	}
	n := 0
	for n < size {
		// One byte more than there should be: less comes only at the end.
		k, err := f.ReadAt(buf[n:size+1], int64(n))
		if err != nil {
			return false, false, nil
		}
		n += k
	}
	var now source.Stat
	if n != size || f.Stat(&now) != nil || !now.SameVersion(&e.stat) {
		return false, false, nil
	}
	if zeroPage(buf[:n]) && hasHole(f, n) {
		return false, true, nil
	}
	attributes(e, f)
	if n <= tree.MaxInline {
		e.node.Content.Inline = e.inline[:copy(e.inline[:], buf[:n])]
		return true, false, nil
	}
	chunker := r.o.Chunker.For(buf[:n])
	for off := 0; off < n; {
		k, err := r.cut(ctx, e, chunker, buf[off:n], 1)
		if err != nil {
			return false, false, err
		}
		off += k
	}
	return true, false, nil
}

// zeroPage reports whether a page of zeros is in data: without one, there is no
// hole to ask for.
func zeroPage(data []byte) bool {
	for ; len(data) >= len(zeros); data = data[len(zeros):] {
		if data[0] == 0 && bytes.Equal(data[:len(zeros)], zeros[:]) {
			return true
		}
	}
	return false
}

var zeros [4 << 10]byte // the least that a file system leaves out

// hasHole reports whether a file of size bytes has a hole.
func hasHole(f file, size int) bool {
	start, end, err := f.NextData(0)
	return err == io.EOF || err == nil && (start > 0 || end < int64(size))
}

// cut sends the next chunks of a file: data, at the ring's head, of which enough
// bytes are needed for a cut to be where it is in the whole file. It returns how
// many bytes they are; those that follow stay at the ring's head.
func (r *reader) cut(ctx context.Context, e *entry, by *chunking.Chunker, data []byte, enough int) (used int, err error) {
	chunks := r.chunks[:0]
	for len(chunks) < together && len(data)-used >= enough {
		k := by.Cut(data[used:])
		chunks = append(chunks, data[used:used+k])
		used += k
	}
	ids := r.ids[:len(chunks)]
	hashing := r.crew.offer(r.o.Store, chunks)
	if hashing == nil {
		r.o.Store.IDs(index.Data, ids, chunks)
	}
	for i, chunk := range chunks {
		p := piece{
			part:    tree.Part{Length: uint64(len(chunk))},
			hashing: hashing,
			nth:     i,
			data:    chunk,
			large:   e.special || e.stat.Size >= tree.LargeFile,
			ring:    r.ring,
			release: r.ring.commit(len(chunk)),
		}
		if hashing == nil {
			p.part.ID = ids[i]
		}
		if err := r.send(ctx, e, p); err != nil {
			return 0, err
		}
	}
	return used, nil
}
