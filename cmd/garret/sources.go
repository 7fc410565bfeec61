package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"garret/chunking"
	"garret/fs/pattern"
	"garret/fs/snapshot"
	"garret/fs/tree"
	"garret/store"
)

// findSources works out what is to be stored: paths, those of a list or of R
// lines, or a stream; and how the record names that.
func (j *snapshotJob) findSources(l *pattern.List) (err error) {
	switch {
	case j.StdinCommand:
		j.stream, j.sources = commandOutput(j.Paths, j.stderr), []string{streamSource(j.StdinName)}
		return nil
	case len(j.Paths) == 1 && j.Paths[0] == "-":
		j.stream, j.sources = standardInput, []string{streamSource(j.StdinName)}
		return nil
	case j.FilesFrom != "" && len(l.Roots()) > 0:
		return fmt.Errorf("--files-from lists all that is stored; there cannot be a root (R %s) among the patterns beside it", l.Roots()[0])
	case j.FilesFrom != "":
		if j.Paths, err = listedPaths(j.FilesFrom, j.Null); err != nil {
			return err
		}
		if len(j.Paths) == 0 {
			return fmt.Errorf("%s lists no path", j.FilesFrom)
		}
		name := j.FilesFrom
		if name != "-" {
			if name, err = filepath.Abs(name); err != nil {
				return err
			}
		}
		j.sources, err = rooted(j.Root, []string{"files-from:" + name})
		return err
	}
	j.Paths = append(j.Paths, l.Roots()...)
	if len(j.Paths) == 0 {
		return errors.New("nothing to store: name a PATH, or an R line in a file of patterns")
	}
	abs, err := absolutePaths(j.Paths)
	if err != nil {
		return err
	}
	j.sources, err = rooted(j.Root, abs)
	return err
}

// streamSource is what a record names a stream by: no path, as there is none.
func streamSource(name string) string { return "stream:" + name }

// absolutePaths returns the sources as the snapshot's record names them.
func absolutePaths(paths []string) ([]string, error) {
	var abs []string
	for _, p := range paths {
		a, err := filepath.Abs(p)
		if err != nil {
			return nil, err
		}
		abs = append(abs, a)
	}
	slices.Sort(abs)
	return slices.Compact(abs), nil
}

// listedPaths reads a list of paths, which end with a newline or NUL.
func listedPaths(file string, null bool) ([]string, error) {
	in := os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	end := byte('\n')
	if null {
		end = 0
	}
	var paths []string
	for r := bufio.NewReader(in); ; {
		path, err := r.ReadBytes(end)
		if path = bytes.TrimSuffix(path, []byte{end}); len(path) > 0 {
			paths = append(paths, string(path))
		}
		if err == io.EOF {
			return paths, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func newChunker(r *store.Repository) (*chunking.Chunker, error) {
	var params chunking.Params
	if err := json.Unmarshal(r.Config().Chunker, &params); err != nil {
		return nil, fmt.Errorf("the config's chunker: %w", err)
	}
	gear, cut := r.ChunkerKeys()
	return chunking.New(params, gear, cut)
}

// appendRoot encodes a result's root for the record.
func appendRoot(res *snapshot.Result) []byte { return tree.AppendNode(nil, res.Root) }

// skip names what must not be stored: the repository itself, and mounts of
// snapshots.
func (j *snapshotJob) skip() (inode func(dev, ino uint64) bool, mounts []string) {
	repo, own := identity(j.repo.Backend().Location())
	devices, mounts := garretMounts()
	return func(dev, ino uint64) bool {
		return devices[dev] || (dev == repo && ino == own && ino != 0)
	}, mounts
}

// identity returns a file's device and inode, zeros when there is none.
func identity(path string) (dev, ino uint64) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return 0, 0
	}
	return s.Dev, s.Ino
}

// garretMounts returns the devices and places of mounted snapshots, without
// touching them: one of them may be dead, or ours and waiting for us.
func garretMounts() (devices map[uint64]bool, points []string) {
	devices = make(map[uint64]bool)
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return devices, nil
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		var major, minor uint32
		if !ok || len(fields) < 5 || !strings.HasPrefix(after, "fuse.garret ") {
			continue
		}
		if _, err := fmt.Sscanf(fields[2], "%d:%d", &major, &minor); err == nil {
			devices[unix.Mkdev(major, minor)] = true
		}
		points = append(points, unescapeOctal(fields[4]))
	}
	return devices, points
}

// unescapeOctal undoes what mountinfo does to space, tab, newline and backslash:
// \040.
func unescapeOctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
