// Package cache is the local cache of a repository: a folder of this user,
// never needed for correctness, safe to delete at any time. It keeps the
// plaintext of index segments, so that they can be mapped into memory, and that of
// the snapshots' records.
//
//	$XDG_CACHE_HOME/garret/<repository id>-<hash of the location>/index/<segment id>
//	                                                              records
//	                                                              location
//	                                                              lock
//
// Only what is listed in the repository is ever looked for here. Where no
// cache can be written, an unlinked temporary file stands in, and where not
// even that, memory.
package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	indexDir     = "index"
	locationFile = "location"
	lockFile     = "lock"
)

// Cache is the cache of one repository at one location. The zero Cache keeps
// nothing on disk.
type Cache struct{ dir string }

// Root returns the folder of all caches.
func Root() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w", err)
	}
	return filepath.Join(dir, "garret"), nil
}

// Open returns the cache of a repository, making its folder. It never fails
// for want of a folder: then the cache keeps nothing.
func Open(repository, location string) *Cache {
	root, err := Root()
	if err != nil {
		return &Cache{}
	}
	sum := sha256.Sum256([]byte(location))
	c := &Cache{filepath.Join(root, repository+"-"+hex.EncodeToString(sum[:4]))}
	if err := os.MkdirAll(filepath.Join(c.dir, indexDir), 0o700); err != nil {
		return &Cache{}
	}
	// Both are for others: the location for `garret cache`, the tag for programs
	// that leave caches out of backups.
	note(filepath.Join(c.dir, locationFile), location)
	note(filepath.Join(root, "CACHEDIR.TAG"), tag)
	return c
}

// tag is the content of CACHEDIR.TAG (https://bford.info/cachedir/).
const tag = "Signature: 8a477f597d28d172789f06886806bc55\n# Cache of garret: made anew when needed.\n"

func note(name, text string) {
	if _, err := os.Stat(name); err != nil {
		_ = os.WriteFile(name, []byte(text), 0o600)
	}
}

// Segment opens the cached plaintext of an index segment. The path is good
// for opening until the file is closed.
func (c *Cache) Segment(id string) (path string, ok bool) {
	if c.dir == "" {
		return "", false
	}
	path = filepath.Join(c.dir, indexDir, id)
	_, err := os.Stat(path)
	return path, err == nil
}

// AddSegment keeps the plaintext that write produces. The returned file is
// open at its path (which may be below /proc); the caller maps it, then
// closes it.
func (c *Cache) AddSegment(id string, write func(io.Writer) error) (*os.File, string, error) {
	if c.dir != "" {
		f, path, err := c.addFile(filepath.Join(c.dir, indexDir), id, write)
		if err == nil {
			return f, path, nil
		}
		// Only the cache's own failures are survived; those of write are not.
		var pe *fs.PathError
		if !errors.As(err, &pe) && !errors.Is(err, unix.ENOSPC) {
			return nil, "", err
		}
	}
	f, err := unlinked()
	if err != nil {
		return nil, "", err
	}
	if err := write(f); err != nil {
		f.Close()
		return nil, "", err
	}
	return f, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), nil
}

// addFile syncs before it renames: what is found later is whole, so that
// opening it need not read it.
func (c *Cache) addFile(dir, id string, write func(io.Writer) error) (*os.File, string, error) {
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, id)
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		f.Close()
		return nil, "", err
	}
	return f, path, nil
}

// unlinked returns an anonymous file: on disk if there is room, else in
// memory.
func unlinked() (*os.File, error) {
	if f, err := os.CreateTemp("", "garret-*"); err == nil {
		return f, os.Remove(f.Name())
	}
	fd, err := unix.MemfdCreate("garret-index", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("no room for the index: %w", err)
	}
	return os.NewFile(uintptr(fd), "garret-index"), nil
}

// Alone returns a function to end it with when no other process is at what
// needs to be done by one alone; ok is false while one is, and without a cache
// folder. A process that dies is not at it any more.
func (c *Cache) Alone() (end func(), ok bool) {
	if c.dir == "" {
		return nil, false
	}
	f, err := os.OpenFile(filepath.Join(c.dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, false
	}
	return func() { f.Close() }, true
}

// Segments returns the IDs of the segments that stand by themselves.
func (c *Cache) Segments() (ids []string) {
	if c.dir == "" {
		return nil
	}
	entries, _ := os.ReadDir(filepath.Join(c.dir, indexDir))
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			ids = append(ids, e.Name())
		}
	}
	return ids
}

// RemoveSegment forgets one segment.
func (c *Cache) RemoveSegment(id string) {
	if c.dir != "" {
		_ = os.Remove(filepath.Join(c.dir, indexDir, id))
	}
}

// Retain forgets all segments but those that keep names, and returns how many
// are left.
func (c *Cache) Retain(keep func(id string) bool) (left int) {
	if c.dir == "" {
		return 0
	}
	entries, err := os.ReadDir(filepath.Join(c.dir, indexDir))
	if err != nil {
		return 0
	}
	for _, e := range entries {
		switch {
		case keep(e.Name()):
			left++
		case !isFreshTemp(e):
			c.RemoveSegment(e.Name())
		}
	}
	return left
}
