package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"garret/store"
)

// The manifest has one JSON object a line: a snapshot, then its entries, then
// the next snapshot.
type frozenLine struct {
	Snapshot *frozenSnapshot `json:"snapshot,omitempty"`
	Entry    *frozenEntry    `json:"entry,omitempty"`
}

type frozenSnapshot struct {
	ID      string       `json:"id"`
	Time    string       `json:"time"`
	Host    string       `json:"host"`
	Label   string       `json:"label"`
	Parent  string       `json:"parent,omitempty"`
	Totals  store.Totals `json:"totals"`
	entries []frozenEntry
}

// frozenEntry is an entry as lstat(2) and others see it. Bytes that may be any
// are quoted as in Go.
type frozenEntry struct {
	Path   string            `json:"path"`
	Mode   string            `json:"mode"` // type and permissions, octal
	UID    uint32            `json:"uid"`
	GID    uint32            `json:"gid"`
	Rdev   uint64            `json:"rdev,omitempty"`
	Size   int64             `json:"size"`
	MTime  [2]int64          `json:"mtime"` // s and ns
	Links  uint64            `json:"links"`
	Same   string            `json:"same,omitempty"` // the first name of this file
	Target string            `json:"target,omitempty"`
	SHA256 string            `json:"sha256,omitempty"`
	Data   int64             `json:"data,omitempty"` // bytes that are not in holes
	Xattrs map[string]string `json:"xattrs,omitempty"`
}

func readManifest(t *testing.T) (snaps []frozenSnapshot) {
	t.Helper()
	f, err := os.Open(frozenManifest)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := json.NewDecoder(bufio.NewReader(f)); d.More(); {
		var line frozenLine
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Snapshot != nil {
			snaps = append(snaps, *line.Snapshot)
			continue
		}
		s := &snaps[len(snaps)-1]
		s.entries = append(s.entries, *line.Entry)
	}
	if len(snaps) != 2 || len(snaps[0].entries) < 40 || len(snaps[1].entries) < 40 {
		t.Fatalf("the manifest has %d snapshots, or too few entries", len(snaps))
	}
	return snaps
}

// listSnapshots is garret snapshots --json.
func listSnapshots(t *testing.T, u *user) (snaps []frozenSnapshot) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(u.run("snapshots", "--json"))); d.More(); {
		var s frozenSnapshot
		if err := d.Decode(&s); err != nil {
			t.Fatal(err)
		}
		snaps = append(snaps, s)
	}
	return snaps
}

func headers(snaps []frozenSnapshot) []frozenSnapshot {
	list := slices.Clone(snaps)
	for i := range list {
		list[i].entries = nil
	}
	return list
}

// scan describes every entry of a tree, in the order of the names.
func scan(t *testing.T, root string) (entries []frozenEntry) {
	t.Helper()
	seen := make(map[uint64]string) // inode number → first path
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		e := frozenEntry{
			Path: strconv.QuoteToASCII(rel), Mode: strconv.FormatUint(uint64(st.Mode), 8), UID: st.Uid, GID: st.Gid,
			Rdev: st.Rdev, Size: st.Size, MTime: [2]int64{st.Mtim.Sec, st.Mtim.Nsec}, Links: st.Nlink,
		}
		if d.IsDir() {
			e.Size, e.Links = 0, 0 // of the file system
		} else if first, ok := seen[st.Ino]; ok {
			e.Same = first
		} else {
			seen[st.Ino] = e.Path
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			e.Target = strconv.QuoteToASCII(target)
		case unix.S_IFREG:
			if err := e.content(path); err != nil {
				return err
			}
		}
		e.Xattrs, err = attributes(path)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func (e *frozenEntry) content(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		if os.Geteuid() != 0 && e.Mode == "100000" {
			return nil // nobody but root may read it
		}
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	e.SHA256 = hex.EncodeToString(h.Sum(nil))
	for off := int64(0); off < e.Size; {
		data, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		if err != nil {
			return err
		}
		if off, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE); err != nil {
			return err
		}
		e.Data += off - data
	}
	return nil
}

// attributes returns a file's extended attributes but those that the system
// makes of itself.
func attributes(path string) (map[string]string, error) {
	list, value := make([]byte, 64<<10), make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, list)
	if err != nil {
		return nil, err
	}
	attrs := make(map[string]string)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if name == "" || strings.HasPrefix(name, "security.") {
			continue
		}
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, err
		}
		attrs[name] = strconv.QuoteToASCII(string(value[:n]))
	}
	if len(attrs) == 0 {
		return nil, nil
	}
	return attrs, nil
}

func sameEntries(t *testing.T, what string, got, want []frozenEntry) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			t.Errorf("%s: %d entries, want %d", what, len(got), len(want))
			return
		}
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("%s: %+v\nwant %+v", what, got[i], want[i])
		}
	}
}
