package local

import (
	"context"
	"path/filepath"
)

// Move gives an object another name, without reading it: even what the medium
// does not give any more comes along. An object that has the new name already
// is replaced.
func (b *Backend) Move(ctx context.Context, from, to string) error {
	old, err := b.path(ctx, from)
	if err != nil {
		return failed("move", from, err)
	}
	path, err := b.path(ctx, to)
	if err == nil {
		err = b.move(old, path)
		b.handles.drop(old)
		b.handles.drop(path)
	}
	return failed("move", from, err)
}

func (b *Backend) move(from, to string) error {
	info, err := b.fs.Stat(from)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return notObject("rename", from)
	}
	if err := b.folders.ensure(filepath.Dir(to)); err != nil {
		return err
	}
	if err := b.fs.Rename(from, to); err != nil {
		return err
	}
	// The new name first: in between the object has both or one, never none.
	if err := syncDir(b.fs, filepath.Dir(to)); err != nil {
		return err
	}
	return syncDir(b.fs, filepath.Dir(from))
}
