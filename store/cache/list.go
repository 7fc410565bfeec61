package cache

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// tempPrefix begins the names of temporary files.
const tempPrefix = "tmp-"

// tempAge is when a temporary file is taken for a dead process's.
const tempAge = time.Hour

func isFreshTemp(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), tempPrefix) && !isOld(e) }

func isOld(e fs.DirEntry) bool {
	info, err := e.Info()
	return err != nil || time.Since(info.ModTime()) >= tempAge
}

// Info describes one repository's cache.
type Info struct {
	Path     string    `json:"path"`
	Location string    `json:"location"` // of the repository; empty when unknown
	Bytes    int64     `json:"bytes"`
	Files    int       `json:"files"`
	Used     time.Time `json:"used"` // newest modification
}

// List describes the caches below the root.
func List() ([]Info, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(root)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var infos []Info
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		info := Info{Path: filepath.Join(root, e.Name())}
		location, _ := os.ReadFile(filepath.Join(info.Path, locationFile))
		info.Location = string(location)
		err := filepath.WalkDir(info.Path, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil // another process may be clearing it
			}
			if fi, err := d.Info(); err == nil {
				info.Files++
				info.Bytes += fi.Size()
				if fi.ModTime().After(info.Used) {
					info.Used = fi.ModTime()
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// Clear removes one cache that List has shown.
func (i Info) Clear() error { return os.RemoveAll(i.Path) }
