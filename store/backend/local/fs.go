package local

import (
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// FS is what the backend asks of a file system. Paths are absolute. Errors are
// those of package os, or wrap an errno or one of io/fs's sentinels likewise.
type FS interface {
	// Create makes and opens a new file of mode 0600 for writing;
	// fs.ErrExist if the name is taken.
	Create(path string) (File, error)
	// Open opens a file for reading.
	Open(path string) (File, error)
	// Rename moves a file within its folder and replaces one of that name.
	Rename(from, to string) error
	// Remove deletes a file.
	Remove(path string) error
	// Mkdir makes one folder of mode 0700.
	Mkdir(path string) error
	// ReadDir lists a folder in any order.
	ReadDir(path string) ([]fs.DirEntry, error)
	// Stat describes a file or folder and follows symbolic links.
	Stat(path string) (fs.FileInfo, error)
	// SyncDir makes a folder's entries durable, but not what they name.
	SyncDir(path string) error
}

// File is an open file of an FS.
type File interface {
	io.Writer
	io.ReaderAt
	Stat() (fs.FileInfo, error)
	// Sync makes the file's bytes durable, but not its name.
	Sync() error
	Close() error
}

// OS is the operating system's file system.
type OS struct{}

var _ FS = OS{}

// Create implements FS.
func (OS) Create(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &newFile{File: f}, nil
}

// newFile is a file that is written.
type newFile struct {
	*os.File
	size int64
}

// keepWritten is the largest file that stays in the page cache when it has been
// written, bytes. Packs are larger: what the machine's programs work with shall
// not have to make room for them.
const keepWritten = 1 << 20

func (f *newFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.size += int64(n)
	return n, err
}

func (f *newFile) Sync() error {
	err := f.File.Sync()
	if err == nil && f.size > keepWritten {
		_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) // advice
	}
	return err
}

// Open implements FS. Without O_NONBLOCK a FIFO in the repository would hang
// its reader.
func (OS) Open(path string) (File, error) {
	return file(os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0))
}

// file keeps a nil *os.File from becoming a File that is not nil.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements FS. Unlike os.Remove it does not remove folders.
func (OS) Remove(path string) error {
	for {
		err := syscall.Unlink(path)
		if err == nil {
			return nil
		}
		if err != syscall.EINTR {
			return &fs.PathError{Op: "unlink", Path: path, Err: err}
		}
	}
}

// Mkdir implements FS.
func (OS) Mkdir(path string) error { return os.Mkdir(path, 0o700) }

// ReadDir implements FS. Unlike os.ReadDir it does not sort.
func (OS) ReadDir(path string) ([]fs.DirEntry, error) {
	d, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.ReadDir(-1)
}

// Stat implements FS.
func (OS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// SyncDir implements FS.
func (OS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}
