package keys

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

var errClosed = errors.New("write to a sealed object that is closed")

// sealWriter seals what is written to it, holding one page.
type sealWriter struct {
	w    io.Writer
	aead cipher.AEAD
	page uint64
	buf  []byte // plaintext of the open page, capacity sealedPageSize
	err  error  // sticky
}

func (o object) sealWriter(w io.Writer) (*sealWriter, error) {
	head := o.newHead(nil)
	aead, err := o.aead(head[4:])
	if err != nil {
		return nil, err
	}
	if err := writeAll(w, head); err != nil {
		return nil, err
	}
	return &sealWriter{w: w, aead: aead, buf: make([]byte, 0, sealedPageSize)}, nil
}

// Write takes all of p or fails for good.
func (s *sealWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && s.err == nil {
		// A full page goes out only when more follows: it may be the last.
		if len(s.buf) == pageSize {
			if s.flush(false); s.err != nil {
				break
			}
		}
		m := min(pageSize-len(s.buf), len(p))
		s.buf = append(s.buf, p[:m]...)
		n, p = n+m, p[m:]
	}
	return n, s.err
}

// Close writes the last page. Without it the object does not open.
func (s *sealWriter) Close() error {
	if s.err == errClosed {
		return nil
	}
	if s.err == nil {
		s.flush(true)
	}
	if s.err != nil {
		return s.err
	}
	s.err = errClosed
	return nil
}

func (s *sealWriter) flush(last bool) {
	nonce := pageNonce(s.page, last)
	s.err = writeAll(s.w, s.aead.Seal(s.buf[:0], nonce[:], s.buf, nil))
	s.page, s.buf = s.page+1, s.buf[:0]
}

func writeAll(w io.Writer, p []byte) error {
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// openReader opens a sealed object page by page. It reads one byte beyond
// each page: whether anything follows tells which page must be the last.
type openReader struct {
	o     object
	r     io.Reader
	aead  cipher.AEAD
	page  uint64
	buf   []byte // sealedPageSize+1 bytes
	have  int    // bytes carried over into buf: 0 before the first page, then 1
	plain []byte // of the current page, what was not yet read
	carry byte
	err   error // sticky; what plain holds goes out first
}

func (o object) openReader(r io.Reader) (*openReader, error) {
	var head [sealedHeadSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, o.short(err)
	}
	salt, err := o.parseHead(head[:])
	if err != nil {
		return nil, err
	}
	aead, err := o.aead(salt)
	if err != nil {
		return nil, err
	}
	return &openReader{o: o, r: r, aead: aead, buf: make([]byte, sealedPageSize+1)}, nil
}

// Read gives out verified bytes only.
func (d *openReader) Read(p []byte) (int, error) {
	for len(d.plain) == 0 && d.err == nil && len(p) > 0 {
		d.fill()
	}
	n := copy(p, d.plain)
	d.plain = d.plain[n:]
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, d.err
}

func (d *openReader) fill() {
	if d.have > 0 {
		d.buf[0] = d.carry
	}
	n, err := io.ReadFull(d.r, d.buf[d.have:])
	n += d.have
	last := err == io.EOF || err == io.ErrUnexpectedEOF
	if err != nil && !last {
		d.err = err
		return
	}
	sealed := d.buf[:min(n, sealedPageSize)]
	d.carry, d.have = d.buf[sealedPageSize], 1
	if d.plain, d.err = d.o.openPage(sealed[:0], d.aead, d.page, last, sealed); d.err == nil && last {
		d.err = io.EOF
	}
	d.page++
}

// short turns the end of the input into what it means here.
func (o object) short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%q: %w: cut short", o.name, ErrAuthentication)
	}
	return err
}
