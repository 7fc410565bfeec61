package powercut

import (
	"io"
	"io/fs"
	"path"
	"syscall"
	"time"

	"garret/store/backend/local"
)

// handle is an open file, or an open folder if file is nil.
type handle struct {
	fs     *FS
	path   string
	file   *file
	closed bool
}

var _ local.File = (*handle)(nil)

// do runs effect on an open file.
func (h *handle) do(c Call, effect func() error) error {
	c.Path = h.path
	return h.fs.do(c, func() error {
		switch {
		case h.closed:
			return fs.ErrClosed
		case h.file == nil && c.Op != Stat && c.Op != Close:
			return syscall.EISDIR
		}
		return effect()
	})
}

// Write implements local.File.
func (h *handle) Write(p []byte) (int, error) {
	err := h.do(Call{Op: Write, Bytes: len(p)}, func() error {
		h.file.data = append(h.file.data, p...)
		h.file.modified = time.Now()
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// ReadAt implements local.File.
func (h *handle) ReadAt(p []byte, off int64) (n int, err error) {
	err = h.do(Call{Op: Read, Bytes: len(p)}, func() error {
		if off < 0 {
			return syscall.EINVAL
		}
		n = copy(p, h.file.data[min(off, int64(len(h.file.data))):])
		return nil
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// Stat implements local.File.
func (h *handle) Stat() (info fs.FileInfo, err error) {
	err = h.do(Call{Op: Stat}, func() error {
		var n node = h.file
		if h.file == nil {
			n = newFolder()
		}
		info = infoOf(path.Base(h.path), n)
		return nil
	})
	return info, err
}

// Sync implements local.File.
func (h *handle) Sync() error {
	return h.do(Call{Op: Sync}, func() error {
		h.file.synced = len(h.file.data)
		return nil
	})
}

// Close implements local.File.
func (h *handle) Close() error {
	return h.do(Call{Op: Close}, func() error {
		h.closed = true
		return nil
	})
}
