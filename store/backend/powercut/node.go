package powercut

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// node is a *file or a *folder.
type node interface{}

// file is an inode. Files only grow, so that what is durable is a prefix.
type file struct {
	data     []byte
	synced   int // bytes
	modified time.Time
}

func newFile() *file { return &file{modified: time.Now()} }

// folder is an inode with its entries. past holds, for each name changed since
// the last SyncDir, all that it has meant since: the first is what the disk
// has for certain, the last is the present; nil is no entry.
type folder struct {
	entries  map[string]node
	past     map[string][]node
	modified time.Time
}

func newFolder() *folder {
	return &folder{entries: make(map[string]node), past: make(map[string][]node), modified: time.Now()}
}

// set changes what a name means; nil removes it.
func (f *folder) set(base string, n node) {
	if f.past[base] == nil {
		f.past[base] = []node{f.entries[base]}
	}
	f.past[base] = append(f.past[base], n)
	if n == nil {
		delete(f.entries, base)
	} else {
		f.entries[base] = n
	}
	f.modified = time.Now()
}

// file returns the file of that name.
func (f *folder) file(base string) (*file, error) {
	switch n := f.entries[base].(type) {
	case *file:
		return n, nil
	case nil:
		return nil, syscall.ENOENT
	default:
		return nil, syscall.EISDIR
	}
}

// names returns the names of the entries, sorted.
func (f *folder) names() []string { return slices.Sorted(maps.Keys(f.entries)) }

// find descends to what name stands for.
func (d *FS) find(name string) (node, error) {
	var n node = d.root
	for element := range strings.SplitSeq(strings.Trim(path.Clean(name), "/"), "/") {
		if element == "" {
			break // the root
		}
		dir, ok := n.(*folder)
		if !ok {
			return nil, syscall.ENOTDIR
		}
		if n, ok = dir.entries[element]; !ok {
			return nil, syscall.ENOENT
		}
	}
	return n, nil
}

func (d *FS) folder(name string) (*folder, error) {
	n, err := d.find(name)
	if err != nil {
		return nil, err
	}
	dir, ok := n.(*folder)
	if !ok {
		return nil, syscall.ENOTDIR
	}
	return dir, nil
}

// parent returns the folder that holds, or would hold, name, and the last
// element.
func (d *FS) parent(name string) (*folder, string, error) {
	dir, err := d.folder(path.Dir(name))
	return dir, path.Base(name), err
}

// info implements fs.FileInfo.
type info struct {
	name     string
	mode     fs.FileMode
	size     int64
	modified time.Time
}

func infoOf(name string, n node) fs.FileInfo {
	switch n := n.(type) {
	case *folder:
		return info{name, fs.ModeDir | 0o700, 0, n.modified}
	case *file:
		return info{name, 0o600, int64(len(n.data)), n.modified}
	}
	panic("powercut: node is neither a file nor a folder")
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return i.modified }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
