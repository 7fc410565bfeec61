package local

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"time"

	"garret/store/backend"
)

// List implements backend.Backend.
func (b *Backend) List(ctx context.Context, prefix string, visit func(backend.Entry) error) error {
	w := walk{b: b, ctx: ctx, op: "list", wanted: backend.ValidElement}
	w.visit = func(name string, info fs.FileInfo) error {
		if backend.CheckName(name) != nil {
			return nil // too long: not one of ours
		}
		return visit(backend.Entry{Name: name, Size: info.Size()})
	}
	return w.start(prefix)
}

// tempAge is how old a temporary file must be to be nobody's: far older than
// any Put takes, and than clocks of machines that share a repository differ.
const tempAge = 24 * time.Hour

// CleanTemp removes the temporary files that interrupted runs have left
// behind, once they are a day old, and returns how many. It is meant for when
// a repository is opened for writing; objects are not touched.
func (b *Backend) CleanTemp(ctx context.Context) (removed int, err error) {
	err = b.oldTemp(ctx, func(name string, _ fs.FileInfo) error {
		err := b.fs.Remove(filepath.Join(b.root, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another process cleans too
		}
		if err == nil {
			removed++
		}
		return failed("clean", name, err)
	})
	return removed, err
}

// OldTemp tells how many files CleanTemp would remove, and their bytes.
func (b *Backend) OldTemp(ctx context.Context) (files int, bytes int64, err error) {
	err = b.oldTemp(ctx, func(_ string, info fs.FileInfo) error {
		files++
		bytes += info.Size()
		return nil
	})
	return files, bytes, err
}

// oldTemp visits the temporary files that are nobody's.
func (b *Backend) oldTemp(ctx context.Context, visit func(name string, info fs.FileInfo) error) error {
	w := walk{b: b, ctx: ctx, op: "clean", wanted: isTempName}
	w.visit = func(name string, info fs.FileInfo) error {
		if time.Since(info.ModTime()) < tempAge {
			return nil
		}
		return visit(name, info)
	}
	return w.start("")
}

// walk visits regular files in the repository's folders.
type walk struct {
	b      *Backend
	ctx    context.Context
	op     string                                    // for messages
	wanted func(element string) bool                 // is a file of that name visited?
	visit  func(name string, info fs.FileInfo) error // name is relative to the root; errors are returned as they are
}

func (w *walk) start(prefix string) error {
	err := backend.CheckFolder(prefix)
	if w.b.closed.Load() {
		err = backend.ErrClosed
	}
	if err != nil {
		return failed(w.op, prefix, err)
	}
	return w.folder(prefix)
}

func (w *walk) folder(folder string) error {
	entries, err := w.read(folder)
	if err != nil {
		return failed(w.op, folder, err)
	}
	for _, e := range entries {
		if err := w.entry(path.Join(folder, e.Name()), e); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(name string, e fs.DirEntry) error {
	wanted, enter := w.wanted(e.Name()), backend.CheckName(name) == nil
	if !wanted && !enter {
		return nil // before it costs a system call
	}
	if e.IsDir() {
		if enter {
			return w.folder(name)
		}
		return nil
	}
	info, err := w.info(name, e)
	switch {
	case missing(err):
		return nil // deleted meanwhile, or a dangling link
	case err != nil:
		return failed(w.op, name, err)
	case info.IsDir() && enter:
		return w.folder(name)
	case info.Mode().IsRegular() && wanted:
		return w.visit(name, info)
	}
	return nil
}

// read lists a folder. A missing one is empty, as long as the root is there:
// an unmounted disk is not an empty repository.
func (w *walk) read(folder string) ([]fs.DirEntry, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := w.b.fs.ReadDir(filepath.Join(w.b.root, folder))
	if missing(err) && folder != "" {
		_, err = w.b.fs.Stat(w.b.root)
	}
	return entries, err
}

// info describes an entry. A symbolic link, to a folder on another disk
// perhaps, counts as what it leads to.
func (w *walk) info(name string, e fs.DirEntry) (fs.FileInfo, error) {
	if e.Type()&fs.ModeSymlink != 0 {
		return w.b.fs.Stat(filepath.Join(w.b.root, name))
	}
	return e.Info()
}
