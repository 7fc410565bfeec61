package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/mem"
	"garret/store/pack"
)

// A tree for tests: a page is JSON, a root is the hexadecimal ID of one.

type testEntry struct {
	Name []byte
	Dir  string     // a directory: its page
	Data []testPart // a file
}

type testPart struct {
	ID     string // empty: a hole
	Length uint64
}

// testDir is a directory to be stored: of files' parts (nil: a hole of 1,000
// bytes) and of directories.
type testDir map[string]any // [][]byte or testDir

func (d testDir) store(t testing.TB, s *Session) string {
	t.Helper()
	put := func(kind index.Kind, data []byte) string {
		id := s.ID(kind, data)
		if _, err := s.Put(t.Context(), kind, id, data); err != nil {
			t.Fatal(err)
		}
		return id.String()
	}
	var page []testEntry
	var names []string
	for name := range d {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		e := testEntry{Name: []byte(name)}
		switch v := d[name].(type) {
		case testDir:
			e.Dir = v.store(t, s)
		case [][]byte:
			for _, part := range v {
				if part == nil {
					e.Data = append(e.Data, testPart{Length: 1000})
				} else {
					e.Data = append(e.Data, testPart{put(index.Data, part), uint64(len(part))})
				}
			}
		}
		page = append(page, e)
	}
	data, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	return put(index.Tree, data)
}

// walkTest is a Walker over such trees, in the order that fs/reach has.
func walkTest(ctx context.Context, b Blobs, root []byte, seen func(index.ID) bool, visit func(Use) error) error {
	parse := func(s string) (id index.ID) {
		hex.Decode(id[:], []byte(s))
		return id
	}
	var walk func(path string, id index.ID) error
	walk = func(path string, id index.ID) error {
		if seen(id) {
			return nil
		}
		u := Use{Kind: index.Tree, ID: id, Path: path}
		if err := visit(u); err != nil {
			return err
		}
		var page []testEntry
		data, err := b.Blob(ctx, index.Tree, id)
		if err == nil {
			err = json.Unmarshal(data, &page)
		}
		if err != nil {
			u.Err = fmt.Errorf("/%s: %w", path, err)
			return visit(u)
		}
		below := func(e testEntry) string { return strings.TrimPrefix(path+"/"+string(e.Name), "/") }
		for _, e := range page { // files first
			off := uint64(0)
			for _, p := range e.Data {
				if p.ID != "" {
					if err := visit(Use{Kind: index.Data, ID: parse(p.ID), Path: below(e), Offset: off, Length: p.Length}); err != nil {
						return err
					}
				}
				off += p.Length
			}
		}
		for _, e := range page {
			if e.Dir != "" {
				if err := walk(below(e), parse(e.Dir)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return walk("", parse(string(root)))
}

// noise returns n bytes that do not compress well and differ by seed.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.UintN(200))
	}
	return b
}

// snapshotOf stores a tree as a session of its own.
func snapshotOf(t testing.TB, r *Repository, host string, d testDir) *Snapshot {
	t.Helper()
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	return commitTree(t, s, host, d)
}

func commitTree(t testing.TB, s *Session, host string, d testDir) *Snapshot {
	t.Helper()
	root := d.store(t, s)
	snap := &Snapshot{Time: time.Now(), Host: host}
	if err := s.Commit(t.Context(), snap, &Details{Root: []byte(root)}); err != nil {
		t.Fatal(err)
	}
	return snap
}

// checked is what a check has found.
type checked struct {
	*CheckResult
	problems []Problem
}

// on is the repository with another backend.
func on(r *Repository, b backend.Backend) *Repository {
	return &Repository{backend: b, config: r.config, keys: r.keys, cache: r.cache, heads: make(map[SnapshotID]snapshotHead)}
}

func check(t testing.TB, r *Repository, readData bool) checked {
	t.Helper()
	var c checked
	var busy sync.Mutex
	o := CheckOptions{ReadData: readData, Walk: walkTest, Progress: new(CheckProgress), Report: func(p Problem) {
		if !busy.TryLock() {
			t.Error("two problems are reported at once")
			return
		}
		defer busy.Unlock()
		c.problems = append(c.problems, p)
	}}
	var err error
	if c.CheckResult, err = r.Check(t.Context(), o); err != nil {
		t.Fatalf("check: %v", err)
	}
	c.consistent(t)
	return c
}

func checkNoKey(t testing.TB, b backend.Backend) checked {
	t.Helper()
	var c checked
	var err error
	c.CheckResult, err = CheckNoKey(t.Context(), b, CheckOptions{Report: func(p Problem) { c.problems = append(c.problems, p) }})
	if err != nil {
		t.Fatalf("check without a key: %v", err)
	}
	c.consistent(t)
	return c
}

func (c checked) consistent(t testing.TB) {
	t.Helper()
	count := make(map[Severity]int)
	for _, p := range c.problems {
		count[p.Severity]++
	}
	if c.Notes != count[Note] || c.Repairable != count[Repairable] || c.Lost != count[Lost] || len(c.problems) != c.Notes+c.Problems() {
		t.Errorf("%d, %d and %d problems are counted, %v were reported", c.Notes, c.Repairable, c.Lost, count)
	}
	if len(c.Verified) == 0 || len(c.NotVerified) == 0 {
		t.Error("it does not say what it verified")
	}
	for _, p := range c.problems {
		if p.Err == nil || (p.Object == "" && p.Snapshot == (SnapshotID{})) || strings.Contains(p.String(), "\n") {
			t.Errorf("a problem does not say what is wrong with what: %q", p)
		}
	}
}

// about returns the problems whose line contains text.
func (c checked) about(text string) (found []Problem) {
	for _, p := range c.problems {
		if strings.Contains(p.String(), text) {
			found = append(found, p)
		}
	}
	return found
}

// losses returns what was reported as lost, as "snapshot path offset+length".
func (c checked) losses() (lines []string) {
	for _, p := range c.problems {
		if p.Path != nil {
			lines = append(lines, fmt.Sprintf("%s %s %d+%d", p.Snapshot.Short(), p.Path, p.Offset, p.Length))
		}
	}
	slices.Sort(lines)
	return lines
}

func (c checked) dump(t testing.TB) {
	t.Helper()
	for _, p := range c.problems {
		t.Logf("  %s", p)
	}
}

func (c checked) wantLosses(t testing.TB, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := c.losses(); !slices.Equal(got, want) {
		t.Errorf("lost:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		c.dump(t)
	}
}

// objects lists the names below a folder.
func objects(t testing.TB, b backend.Backend, folder string) (names []string) {
	t.Helper()
	entries, err := backend.List(t.Context(), b, folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}

// packsOf lists the packs of one kind, by their headers.
func packsOf(t testing.TB, b backend.Backend, kind index.Kind) (names []string) {
	t.Helper()
	for _, name := range objects(t, b, dirPacks) {
		if h, err := pack.ParseHeader(read(t, b, name)); err == nil && h.Kind == kind {
			names = append(names, name)
		}
	}
	return names
}

func read(t testing.TB, b backend.Backend, name string) []byte {
	t.Helper()
	data, err := backend.ReadAll(t.Context(), b, name, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t testing.TB, b backend.Backend, name string, data []byte) {
	t.Helper()
	if err := b.Put(t.Context(), name, data); err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, b backend.Backend, name string) {
	t.Helper()
	if err := b.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

// forget removes a snapshot, as Repository.RemoveSnapshot does.
func forget(t testing.TB, b backend.Backend, id SnapshotID) {
	t.Helper()
	if err := deleteBoth(t.Context(), b, snapshotName(id)); err != nil {
		t.Fatal(err)
	}
}

// where returns the place of a blob, of which there must be one copy.
func where(t testing.TB, r *Repository, kind index.Kind, data []byte) (at index.Location) {
	t.Helper()
	rd, err := r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	id := r.keys.Hasher(kind == index.Tree).Sum(data)
	n := 0
	rd.set.Lookup(id, func(l index.Location) bool {
		at = l
		n++
		return true
	})
	if n != 1 {
		t.Fatalf("the blob has %d copies", n)
	}
	return at
}

// checkRepository is a repository with two snapshots that share a directory.
// Every large part is a frame of its own; a pack holds about eight.
func checkRepository(t testing.TB) (b *mem.Backend, r *Repository, snaps []*Snapshot, parts [][]byte) {
	t.Helper()
	b = mem.New()
	r = newTestRepository(t, b)
	for i := range 20 {
		parts = append(parts, noise(uint64(i), 40<<10))
	}
	for i, host := range []string{"one", "two"} {
		snaps = append(snaps, snapshotOf(t, r, host, treeOf(host, parts, 14+i)))
	}
	return b, r, snaps, parts
}

// treeOf is the tree of one host, with a directory that occurs twice and that
// all hosts share, and a part of its own.
func treeOf(host string, parts [][]byte, own int) testDir {
	shared := testDir{
		"long":  parts[:12],
		"hole":  [][]byte{parts[12], nil, parts[13]},
		"small": [][]byte{[]byte("a"), []byte("b")},
	}
	return testDir{
		"home": testDir{"shared": shared, "copy\xff": shared, "own": [][]byte{[]byte("of " + host)}},
		"etc":  testDir{host: [][]byte{parts[own]}, "empty": testDir{}},
	}
}

// same reports whether two backends hold the same objects.
func same(t testing.TB, a, b backend.Backend) bool {
	t.Helper()
	names := objects(t, a, "")
	if !slices.Equal(names, objects(t, b, "")) {
		return false
	}
	return !slices.ContainsFunc(names, func(name string) bool { return !bytes.Equal(read(t, a, name), read(t, b, name)) })
}
