package powercut

import (
	"errors"
	"io/fs"
	"path"
	"sync"
	"syscall"

	"garret/store/backend/local"
)

// ErrCut is what every operation fails with once the power is cut.
var ErrCut = errors.New("power is cut")

// FS is a file system in memory. Paths are absolute, with slashes. All
// methods may be called concurrently.
type FS struct {
	mu   sync.Mutex
	root *folder
	hook func(Call) error
	off  bool
	ops  int // changes begun so far
	last int // changes that are allowed; -1 is no limit
}

var _ local.FS = (*FS)(nil)

// New returns a file system with nothing but the folder "/".
func New() *FS { return &FS{root: newFolder(), last: -1} }

// Op is a kind of call.
type Op string

// The calls of local.FS and local.File.
const (
	Create  Op = "create"
	Write   Op = "write"
	Sync    Op = "sync"
	Rename  Op = "rename"
	Remove  Op = "remove"
	Mkdir   Op = "mkdir"
	SyncDir Op = "syncdir"
	Open    Op = "open"
	Read    Op = "read"
	ReadDir Op = "readdir"
	Stat    Op = "stat"
	Close   Op = "close"
)

// Changes reports whether such a call changes the disk or makes a change
// durable. Only these are counted: a crash anywhere between two of them finds
// the disk alike.
func (op Op) Changes() bool {
	switch op {
	case Open, Read, ReadDir, Stat, Close:
		return false
	}
	return true
}

// Call is one call of a method, as a hook sees it.
type Call struct {
	Op    Op
	Path  string
	To    string // of a Rename
	Bytes int    // of a Write or Read
}

// SetHook has f called before each call takes effect; an error of f becomes
// the call's, without an effect. f may use the file system. nil ends it.
func (d *FS) SetHook(f func(Call) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hook = f
}

// Ops returns how many calls that change the disk have begun so far.
func (d *FS) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// CutAfter lets n more changes succeed and cuts the power at the next one,
// which has no effect. CutAfter(0) is the next one already.
func (d *FS) CutAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = d.ops + n
}

// IsCut reports whether the power has been cut.
func (d *FS) IsCut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// begin counts a call and asks the hook.
func (d *FS) begin(c Call) error {
	d.mu.Lock()
	if !d.off && c.Op.Changes() {
		if d.off = d.ops == d.last; !d.off {
			d.ops++
		}
	}
	off, hook := d.off, d.hook
	d.mu.Unlock()
	if off {
		return pathError(c.Op, c.Path, ErrCut)
	}
	if hook != nil {
		return hook(c)
	}
	return nil
}

// do runs effect, with d.mu held, if the call is to have one. The power may
// have been cut while the hook ran.
func (d *FS) do(c Call, effect func() error) error {
	if err := d.begin(c); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	err := ErrCut
	if !d.off {
		err = effect()
	}
	if err != nil {
		return pathError(c.Op, c.Path, err)
	}
	return nil
}

func pathError(op Op, path string, err error) error {
	return &fs.PathError{Op: string(op), Path: path, Err: err}
}

// Create implements local.FS.
func (d *FS) Create(name string) (local.File, error) {
	h := &handle{fs: d, path: name}
	err := d.do(Call{Op: Create, Path: name}, func() error {
		dir, base, err := d.parent(name)
		if err != nil {
			return err
		}
		if dir.entries[base] != nil {
			return syscall.EEXIST
		}
		h.file = newFile()
		dir.set(base, h.file)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Open implements local.FS. As with the operating system's, a folder can be
// opened.
func (d *FS) Open(name string) (local.File, error) {
	h := &handle{fs: d, path: name}
	err := d.do(Call{Op: Open, Path: name}, func() (err error) {
		n, err := d.find(name)
		h.file, _ = n.(*file)
		return err
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Rename implements local.FS, for files.
func (d *FS) Rename(from, to string) error {
	return d.do(Call{Op: Rename, Path: from, To: to}, func() error {
		fromDir, fromBase, err := d.parent(from)
		if err != nil {
			return err
		}
		toDir, toBase, err := d.parent(to)
		if err != nil {
			return err
		}
		f, err := fromDir.file(fromBase)
		if err != nil {
			return err
		}
		if _, err := toDir.file(toBase); err != nil && err != syscall.ENOENT {
			return err
		}
		toDir.set(toBase, f)
		fromDir.set(fromBase, nil)
		return nil
	})
}

// Remove implements local.FS.
func (d *FS) Remove(name string) error {
	return d.do(Call{Op: Remove, Path: name}, func() error {
		dir, base, err := d.parent(name)
		if err == nil {
			_, err = dir.file(base)
		}
		if err != nil {
			return err
		}
		dir.set(base, nil)
		return nil
	})
}

// Mkdir implements local.FS.
func (d *FS) Mkdir(name string) error {
	return d.do(Call{Op: Mkdir, Path: name}, func() error {
		dir, base, err := d.parent(name)
		if err != nil {
			return err
		}
		if dir.entries[base] != nil {
			return syscall.EEXIST
		}
		dir.set(base, newFolder())
		return nil
	})
}

// ReadDir implements local.FS.
func (d *FS) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = d.do(Call{Op: ReadDir, Path: name}, func() error {
		dir, err := d.folder(name)
		if err != nil {
			return err
		}
		for _, base := range dir.names() {
			entries = append(entries, fs.FileInfoToDirEntry(infoOf(base, dir.entries[base])))
		}
		return nil
	})
	return entries, err
}

// Stat implements local.FS.
func (d *FS) Stat(name string) (info fs.FileInfo, err error) {
	err = d.do(Call{Op: Stat, Path: name}, func() error {
		n, err := d.find(name)
		if err == nil {
			info = infoOf(path.Base(name), n)
		}
		return err
	})
	return info, err
}

// SyncDir implements local.FS.
func (d *FS) SyncDir(name string) error {
	return d.do(Call{Op: SyncDir, Path: name}, func() error {
		dir, err := d.folder(name)
		if err == nil {
			clear(dir.past)
		}
		return err
	})
}
