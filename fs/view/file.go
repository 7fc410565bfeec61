package view

import (
	"context"
	"errors"
	"io"

	"garret/fs/tree"
)

// File reads a regular file. ReadAt is safe for concurrent use, the rest is
// not.
type File struct {
	t   *Tree
	ctx context.Context
	e   Entry
	off int64
}

var (
	_ io.ReadSeeker = (*File)(nil)
	_ io.ReaderAt   = (*File)(nil)
	_ io.WriterTo   = (*File)(nil)
)

// Open returns a reader of a file's bytes. Of what is not a regular file all
// reads fail.
func (t *Tree) Open(ctx context.Context, e Entry) *File { return &File{t: t, ctx: ctx, e: e} }

// Size returns the file's size, bytes.
func (f *File) Size() int64 { return int64(f.e.Size) }

// Read reads from the current offset.
func (f *File) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.ReadAt(p, f.off)
	f.off += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt is Tree.ReadAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.t.ReadAt(f.ctx, f.e, p, off) }

var errSeek = errors.New("seek to before the start of the file or with an unknown whence")

// Seek sets the current offset; it may lie beyond the end.
func (f *File) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		off += f.off
	case io.SeekEnd:
		off += f.Size()
	default:
		return 0, errSeek
	}
	if off < 0 {
		return 0, errSeek
	}
	f.off = off
	return off, nil
}

var zeros [64 << 10]byte

// WriteTo writes the rest of the file to w, blob by blob and without copying
// them; holes are written as zeros.
func (f *File) WriteTo(w io.Writer) (n int64, err error) {
	if err := isFile(f.e); err != nil {
		return 0, err
	}
	write := func(p []byte) bool {
		var m int
		m, err = w.Write(p)
		n += int64(m)
		f.off += int64(m)
		if err == nil && m < len(p) {
			err = io.ErrShortWrite
		}
		return err == nil
	}
	if in := f.e.Content.Inline; len(in) > 0 {
		if f.off < int64(len(in)) {
			write(in[f.off:])
		}
		return n, err
	}
	partsErr := f.t.Parts(f.ctx, f.e, uint64(f.off), func(start uint64, p tree.Part) bool {
		skip := uint64(f.off) - start
		if !p.IsHole() {
			var b []byte
			var giveBack func()
			if b, giveBack, err = f.t.blob(f.ctx, p); err != nil {
				return false
			}
			defer giveBack()
			return write(b[skip:])
		}
		for left := p.Length - skip; left > 0; {
			z := zeros[:min(left, uint64(len(zeros)))]
			if !write(z) {
				return false
			}
			left -= uint64(len(z))
		}
		return true
	})
	if err == nil {
		err = partsErr
	}
	return n, err
}
