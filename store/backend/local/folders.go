package local

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
)

// folders makes the repository's folders on demand and remembers which of
// them are durable.
type folders struct {
	fs   FS
	root string

	mu      sync.Mutex
	durable map[string]bool // by path; their entries in their parents are synced
}

func (f *folders) init(fsys FS, root string) {
	f.fs, f.root = fsys, root
	f.durable = map[string]bool{root: true}
}

// ensure makes the folder and its parents up to the root, durably. It never
// makes the root: if that has gone, its disk has been unmounted, and writing
// to the mount point would be no backup.
func (f *folders) ensure(folder string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ensureLocked(folder)
}

func (f *folders) ensureLocked(folder string) error {
	if f.durable[folder] {
		return nil
	}
	parent := filepath.Dir(folder)
	if err := f.ensureLocked(parent); err != nil {
		return err
	}
	if err := f.fs.Mkdir(folder); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// One sync covers all that the parent holds by now, so that 256 folders
	// that exist already do not cost a sync each.
	siblings, err := f.fs.ReadDir(parent)
	if err != nil {
		return err
	}
	if err := syncDir(f.fs, parent); err != nil {
		return err
	}
	for _, s := range siblings {
		if s.IsDir() {
			f.durable[filepath.Join(parent, s.Name())] = true
		}
	}
	f.durable[folder] = true // a symbolic link, perhaps
	return nil
}

// syncDir makes a folder's entries durable, as far as its file system can.
func syncDir(fsys FS, folder string) error {
	if err := fsys.SyncDir(folder); err != nil && !unsupported(err) {
		return err
	}
	return nil
}
