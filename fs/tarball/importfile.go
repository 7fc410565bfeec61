package tarball

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"io"

	"garret/chunking"
	"garret/fs/tree"
)

// holeBlock is what holes consist of: file systems have them in no smaller
// pieces, bytes.
const holeBlock = 4096

// file stores a file's content.
func (m *importer) file(n *tree.Node, h *tar.Header, r io.Reader) error {
	n.Size = uint64(h.Size)
	m.content.Reset()
	counted := &counter{Reader: r}
	err := m.contentOf(n, isSparse(h), bufio.NewReaderSize(counted, 64<<10))
	m.result.BytesRead += counted.n
	if err == nil && counted.n != n.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%.256q in the archive: %w", h.Name, err)
	}
	return nil
}

// counter counts what is read.
type counter struct {
	io.Reader
	n uint64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += uint64(n)
	return n, err
}

func (m *importer) contentOf(n *tree.Node, sparse bool, in *bufio.Reader) (err error) {
	if !sparse && n.Size <= tree.MaxInline {
		n.Content.Inline, err = io.ReadAll(in)
		return err
	}
	head, _ := in.Peek(chunking.HeadSize) // the error comes again
	chunker := m.o.Chunker.For(head)
	run := &dataRun{in: in}
	for more := true; more; {
		if sparse {
			if err := m.hole(in); err != nil {
				return err
			}
		}
		var data io.Reader = in
		if sparse {
			data = run
		}
		before := m.content.Size()
		if err := m.split(n.Size, chunker, data); err != nil {
			return err
		}
		more = sparse && m.content.Size() > before
	}
	n.Content, err = m.content.Finish(m.ctx)
	return err
}

// split stores what a reader gives in chunks: data of a file of size bytes.
func (m *importer) split(size uint64, c *chunking.Chunker, r io.Reader) error {
	return c.Split(r, m.buffer, func(chunk []byte) error {
		id, err := m.putData(size, chunk)
		if err == nil {
			err = m.content.Add(m.ctx, tree.Part{ID: id, Length: uint64(len(chunk))})
		}
		if err == nil {
			err = m.ctx.Err()
		}
		return err
	})
}

// hole makes blocks of zeros a hole.
func (m *importer) hole(in *bufio.Reader) error {
	length := uint64(0)
	for m.ctx.Err() == nil {
		b, err := in.Peek(holeBlock)
		if err != nil && err != io.EOF {
			return err
		}
		if len(b) == 0 || !allZeros(b) {
			break
		}
		length += uint64(len(b))
		if _, err := in.Discard(len(b)); err != nil {
			return err
		}
	}
	if err := m.ctx.Err(); err != nil || length == 0 {
		return err
	}
	return m.content.Add(m.ctx, tree.Part{Length: length})
}

// dataRun reads up to the next block of zeros.
type dataRun struct {
	in   *bufio.Reader
	left int // bytes of the block that is being read
}

func (d *dataRun) Read(p []byte) (int, error) {
	if d.left == 0 {
		b, err := d.in.Peek(holeBlock)
		if err != nil && err != io.EOF {
			return 0, err
		}
		if len(b) == 0 || allZeros(b) {
			return 0, io.EOF
		}
		d.left = len(b)
	}
	n, err := d.in.Read(p[:min(len(p), d.left)])
	d.left -= n
	return n, err
}

func allZeros(b []byte) bool { return bytes.Equal(b, blank[:len(b)]) }
