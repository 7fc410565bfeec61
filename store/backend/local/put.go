package local

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"garret/store/backend"
)

// Put implements backend.Backend.
func (b *Backend) Put(ctx context.Context, name string, data []byte) error {
	path, err := b.path(ctx, name)
	if err == nil {
		err = b.put(ctx, path, data)
		b.handles.drop(path)
	}
	return failed("put", name, err)
}

func (b *Backend) put(ctx context.Context, path string, data []byte) error {
	folder := filepath.Dir(path)
	if err := b.folders.ensure(folder); err != nil {
		return err
	}
	temp, err := b.writeTemp(folder, data)
	if err != nil {
		return err
	}
	if err = ctx.Err(); err == nil {
		err = b.fs.Rename(temp, path)
	}
	if err != nil {
		_ = b.fs.Remove(temp) // the first error tells more
		return err
	}
	return syncDir(b.fs, folder)
}

// writeTemp writes data, durably, to a new temporary file in folder, and
// returns its path.
func (b *Backend) writeTemp(folder string, data []byte) (string, error) {
	path := filepath.Join(folder, tempName())
	f, err := b.fs.Create(path)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		if err = f.Sync(); unsupported(err) {
			err = nil
		}
	}
	// NFS reports a full disk as late as here.
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = b.fs.Remove(path)
		return "", err
	}
	return path, nil
}

// tempRandom is how many random bytes a temporary file's name has.
const tempRandom = 8

func tempName() string {
	var random [tempRandom]byte
	rand.Read(random[:]) // never fails
	return backend.TempPrefix + hex.EncodeToString(random[:])
}

// isTempName reports whether tempName can have made the name: a stranger's
// "tmp-notes" is not ours to remove.
func isTempName(element string) bool {
	digits, ok := strings.CutPrefix(element, backend.TempPrefix)
	random, err := hex.DecodeString(digits)
	return ok && err == nil && len(random) == tempRandom
}

// Delete implements backend.Backend.
func (b *Backend) Delete(ctx context.Context, name string) error {
	path, err := b.path(ctx, name)
	if err == nil {
		err = b.remove(path)
		b.handles.drop(path)
	}
	return failed("delete", name, err)
}

func (b *Backend) remove(path string) error {
	info, err := b.fs.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return notObject("unlink", path)
	}
	if err := b.fs.Remove(path); err != nil {
		return err
	}
	return syncDir(b.fs, filepath.Dir(path))
}

// notObject is the error for a folder, or whatever else is no file, in the
// place of an object.
func notObject(op, path string) error {
	return &fs.PathError{Op: op, Path: path, Err: syscall.ENOENT}
}
