package view

import (
	"context"
	"io"
	"io/fs"
	"syscall"
	"time"
	"unicode/utf8"

	"garret/fs/tree"
)

// FS returns the tree as an io/fs file system. Names that io/fs does not allow
// (not UTF-8) are left out. Symlinks are not followed: Open and Stat give the
// link itself. Sys of a FileInfo is its *tree.Node.
func (t *Tree) FS(ctx context.Context) fs.FS { return &treeFS{t, ctx} }

type treeFS struct {
	t   *Tree
	ctx context.Context
}

var (
	_ fs.ReadDirFS  = (*treeFS)(nil)
	_ fs.StatFS     = (*treeFS)(nil)
	_ fs.ReadFileFS = (*treeFS)(nil)
	_ fs.ReadLinkFS = (*treeFS)(nil)
)

// find looks names up byte by byte: in io/fs a path has one spelling.
func (f *treeFS) find(op, name string) (Entry, error) {
	fail := func(err error) (Entry, error) { return Entry{}, &fs.PathError{Op: op, Path: name, Err: err} }
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	e := f.t.Root()
	if name == "." {
		return e, nil
	}
	for rest := name; rest != ""; {
		elem := rest
		rest = ""
		for i := range len(elem) {
			if elem[i] == '/' {
				elem, rest = elem[:i], elem[i+1:]
				break
			}
		}
		var err error
		if e, err = f.t.Lookup(f.ctx, e, elem); err != nil {
			return fail(err)
		}
	}
	return e, nil
}

func (f *treeFS) Open(name string) (fs.File, error) {
	e, err := f.find("open", name)
	if err != nil {
		return nil, err
	}
	switch e.Type {
	case tree.Directory:
		return &openDir{openNode{info{e}}, f, 0}, nil
	case tree.Regular:
		return &openFile{f.t.Open(f.ctx, e), info{e}}, nil
	}
	return &openNode{info{e}}, nil
}

func (f *treeFS) Stat(name string) (fs.FileInfo, error) {
	e, err := f.find("stat", name)
	if err != nil {
		return nil, err
	}
	return info{e}, nil
}

func (f *treeFS) Lstat(name string) (fs.FileInfo, error) { return f.Stat(name) }

func (f *treeFS) ReadLink(name string) (string, error) {
	e, err := f.find("readlink", name)
	if err == nil && e.Type != tree.Symlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	return e.Target, nil
}

func (f *treeFS) ReadFile(name string) ([]byte, error) {
	e, err := f.find("read", name)
	if err != nil {
		return nil, err
	}
	// The size is a claim: memory grows with what is really there.
	const trust = 1 << 20
	b := make([]byte, 0, min(e.Size, trust))
	w := (*appender)(&b)
	if _, err := f.t.Open(f.ctx, e).WriteTo(w); err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return b, nil
}

type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

func (f *treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := f.find("readdir", name)
	if err != nil {
		return nil, err
	}
	list, _, err := f.readDir(e, 0, -1)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return list, nil
}

// readDir returns at most n entries (all when n <= 0) from the from-th on, and
// where the next begin.
func (f *treeFS) readDir(e Entry, from uint64, n int) (list []fs.DirEntry, next uint64, err error) {
	next = from
	err = f.t.List(f.ctx, e, from, func(i uint64, child Entry) bool {
		next = i + 1
		if utf8.ValidString(child.Name) {
			list = append(list, fs.FileInfoToDirEntry(info{child}))
		}
		return n <= 0 || len(list) < n
	})
	return list, next, err
}

// info is a fs.FileInfo.
type info struct{ e Entry }

func (i info) Name() string {
	if i.e.Pos == 0 {
		return "."
	}
	return i.e.Name
}
func (i info) Size() int64        { return int64(i.e.Size) }
func (i info) ModTime() time.Time { return i.e.ModTime.Time() }
func (i info) IsDir() bool        { return i.e.Type == tree.Directory }
func (i info) Sys() any           { return i.e.Node }
func (i info) Mode() fs.FileMode  { return i.e.FileMode() }

// FileMode returns a node's type and permissions as io/fs has them.
func (e Entry) FileMode() fs.FileMode {
	m := fs.FileMode(e.Mode & 0777)
	for _, b := range [...]struct {
		bit  uint16
		mode fs.FileMode
	}{{syscall.S_ISUID, fs.ModeSetuid}, {syscall.S_ISGID, fs.ModeSetgid}, {syscall.S_ISVTX, fs.ModeSticky}} {
		if e.Mode&b.bit != 0 {
			m |= b.mode
		}
	}
	switch e.Type {
	case tree.Directory:
		m |= fs.ModeDir
	case tree.Symlink:
		m |= fs.ModeSymlink
	case tree.BlockDevice:
		m |= fs.ModeDevice
	case tree.CharDevice:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case tree.FIFO:
		m |= fs.ModeNamedPipe
	}
	return m
}

// openNode is an open entry that has no bytes.
type openNode struct{ info info }

func (o *openNode) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openNode) Close() error               { return nil }
func (o *openNode) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: o.info.Name(), Err: isFile(o.info.e)}
}

// openFile is an open regular file.
type openFile struct {
	*File
	info info
}

func (o *openFile) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFile) Close() error               { return nil }

// openDir is an open directory.
type openDir struct {
	openNode
	fs   *treeFS
	next uint64
}

var _ fs.ReadDirFile = (*openDir)(nil)

func (o *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	list, next, err := o.fs.readDir(o.info.e, o.next, n)
	o.next = next
	if err != nil {
		err = &fs.PathError{Op: "readdir", Path: o.info.Name(), Err: err}
	} else if n > 0 && len(list) == 0 {
		err = io.EOF
	}
	return list, err
}
