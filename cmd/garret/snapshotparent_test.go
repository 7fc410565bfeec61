package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"garret/fs/snapshot"
	"garret/store"
)

// history makes snapshots, oldest first, of "host root rest… [partial]".
func history(t *testing.T, lines ...string) (snaps []*store.Snapshot) {
	t.Helper()
	for i, line := range lines {
		words := strings.Fields(line)
		s := &store.Snapshot{ID: store.SnapshotID{byte(i)}, Time: time.Unix(int64(i), 0), Host: words[0]}
		if words, s.Partial = words[1:], words[len(words)-1] == "partial"; s.Partial {
			words = words[:len(words)-1]
		}
		s.Sources = bytesOf(words)
		snaps = append(snaps, s)
	}
	return snaps
}

// The parent is of this host and these sources, whatever was stored between;
// with a root the directory that it is now matters less than what lies below.
func TestLineage(t *testing.T) {
	gone := "/nonexistent/mount"
	snaps := history(t,
		"a /home",                     // 0
		"a /usr/.",                    // 1
		"a /etc/.",                    // 2
		"b /home",                     // 3
		"a /home partial",             // 4
		"a "+gone+"/./x partial",      // 5
		"a / /home",                   // 6
		"a /mnt/1/./x",                // 7
		"a /mnt/2/./x",                // 8
		"a /usr/. partial",            // 9
		"a /mnt/3/./x /mnt/3/./y",     // 10
		"a "+t.TempDir()+"/. partial", // 11
	)
	for _, c := range []struct {
		host, sources        string
		parents, checkpoints []byte
	}{
		{"a", "/home", []byte{4, 0}, []byte{4}},
		{"b", "/home", []byte{3}, nil},
		{"c", "/home", nil, nil},
		{"a", "/usr", nil, nil},
		{"a", "/usr/.", []byte{9, 1, 11, 2}, []byte{9}},
		{"a", "/etc/.", []byte{2, 11, 9, 1}, nil},
		{"a", "/mnt/4/./x", []byte{8, 7, 5}, []byte{5}},
		{"a", "/mnt/2/./x", []byte{8, 7, 5}, []byte{5}},
		{"a", "/mnt/4/./x /mnt/4/./y", []byte{10}, nil},
		{"a", "/mnt/4/./y", nil, nil},
	} {
		l := newLineage(snaps, c.host, strings.Fields(c.sources))
		ids := func(list []*store.Snapshot) (all []byte) {
			for _, s := range list {
				all = append(all, s.ID[0])
			}
			return all
		}
		if got := ids(l.parents); !slices.Equal(got, c.parents) {
			t.Errorf("%s %s: parents %v, want %v", c.host, c.sources, got, c.parents)
		}
		if got := ids(l.checkpoints); !slices.Equal(got, c.checkpoints) {
			t.Errorf("%s %s: checkpoints %v, want %v", c.host, c.sources, got, c.checkpoints)
		}
	}
}

func TestRooted(t *testing.T) {
	for _, c := range []struct{ root, source, want string }{
		{"", "/a/b", "/a/b"},
		{"/a", "/a/b", "/a/./b"},
		{"/a/", "/a", "/a/."},
		{"/", "/a/b", "/./a/b"},
		{"/", "/", "/."},
		{"/a", "files-from:/list", "/a/./files-from:/list"},
		{"/a", "/ab", ""},
		{"/a/b", "/a", ""},
	} {
		got, err := rooted(c.root, []string{c.source})
		if c.want == "" {
			if !errors.Is(err, snapshot.ErrOutsideRoot) {
				t.Errorf("%s below %s: %q, %v", c.source, c.root, got, err)
			}
			continue
		}
		if err != nil || got[0] != c.want {
			t.Errorf("%s below %s: %q, %v; want %s", c.source, c.root, got, err, c.want)
		}
		root, rest, ok := unrooted(bytesOf(got))
		if ok != (c.root != "") || ok && (root+"/"+strings.TrimSuffix(rest[0], "/") != strings.TrimSuffix(strings.Replace(c.want, "/./", "/", 1), ".")) {
			t.Errorf("%s is taken apart as %q and %q, %t", c.want, root, rest, ok)
		}
	}
}

func TestSnapshotFlagValues(t *testing.T) {
	for text, want := range map[string]byteSize{"1": 1, "4096": 4096, "10k": 10 << 10, "1.5M": 3 << 19, "2GiB": 2 << 30, "3TB": 3 << 40, "1e3": 0,
		"": 0, "0": 0, "-1": 0, "K": 0, "1KM": 0, "8E": 0, "0x10": 0, "1.5.1": 0, "Inf": 0} {
		var b byteSize
		if err := b.UnmarshalText([]byte(text)); (err == nil) != (want > 0) || b != want {
			t.Errorf("%q: %d, %v", text, b, err)
		}
	}
	for text, want := range map[string]snapshot.Detection{"ctime,size,inode": 0, "inode,ctime,size": 0, "size,mtime": snapshot.MtimeSize, "rechunk": snapshot.Rechunk} {
		d := changeDetection(99)
		if err := d.UnmarshalText([]byte(text)); err != nil || d != changeDetection(want) {
			t.Errorf("%q: %d, %v", text, d, err)
		}
	}
	for in, want := range map[string]string{`/a\040b\134\011`: "/a b\\\t", `\04`: `\04`, `/\999`: `/\999`, "": ""} {
		if got := unescapeOctal(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
