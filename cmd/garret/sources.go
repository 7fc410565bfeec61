package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"garret/chunking"
	"garret/fs/snapshot"
	"garret/fs/tree"
	"garret/fs/view"
	"garret/store"
)

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

func newChunker(r *store.Repository) (*chunking.Chunker, error) {
	var params chunking.Params
	if err := json.Unmarshal(r.Config().Chunker, &params); err != nil {
		return nil, fmt.Errorf("the config's chunker: %w", err)
	}
	gear, cut := r.ChunkerKeys()
	return chunking.New(params, gear, cut)
}

// parent opens the trees that files may be taken over from: the newest
// snapshot of these sources and, behind partial ones, the newest complete one.
func (j *snapshotJob) parent(ctx context.Context, reader *store.Reader, parents []*store.Snapshot) (*snapshot.Parent, error) {
	pages := view.NewPageCache(pageCache)
	var first, last *snapshot.Parent
	for _, s := range parents {
		t, d, err := openTree(ctx, j.repo, reader, pages, s.ID)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			fmt.Fprintf(j.stderr, "garret: warning: %v; its files are read again\n", err)
			continue
		}
		p := &snapshot.Parent{Tree: t, Started: s.Time}
		if err := json.Unmarshal(d.Devices, &p.Devices); err != nil {
			fmt.Fprintf(j.stderr, "garret: warning: snapshot %s: devices: %v; its files are read again\n", s.ID.Short(), err)
			continue
		}
		if first == nil {
			first = p
		} else {
			last.Older = p
		}
		last = p
	}
	return first, nil
}

// item gathers which kinds of extended attributes there are.
func (j *snapshotJob) item(i snapshot.Item) {
	for _, x := range i.Node.Xattrs {
		family, _, _ := strings.Cut(x.Name, ".")
		if family == "security" || family == "system" {
			family = x.Name // ls and cp ask for certain ones at every file
		}
		j.families[family] = true
	}
}

func (j *snapshotJob) details(res *snapshot.Result) (*store.Details, error) {
	devices, err := json.Marshal(res.Devices)
	if err != nil {
		return nil, err
	}
	return &store.Details{
		Root:     tree.AppendNode(nil, res.Root),
		Devices:  devices,
		Warnings: j.warnings,
	}, nil
}

// identity returns a file's device and inode, zeros when there is none.
func identity(path string) (dev, ino uint64) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return 0, 0
	}
	return s.Dev, s.Ino
}

// garretMounts returns the devices of mounted snapshots, without touching
// them: one of them may be dead, or ours and waiting for us.
func garretMounts() map[uint64]bool {
	mounts := make(map[uint64]bool)
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return mounts
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		var major, minor uint32
		if !ok || len(fields) < 3 || !strings.HasPrefix(after, "fuse.garret ") {
			continue
		}
		if _, err := fmt.Sscanf(fields[2], "%d:%d", &major, &minor); err == nil {
			mounts[unix.Mkdev(major, minor)] = true
		}
	}
	return mounts
}
