package store

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/index"
	"garret/keys"
	"garret/store/backend/mem"
	"garret/store/codec"
)

// beyondTest is a repository of three snapshots of a tree that changes, with
// many packs and frames, and what each needs.
type beyondTest struct {
	b     *mem.Backend
	r     *Repository
	snaps []*Snapshot
	trees []testDir
	needs [][]need // of each snapshot, in the order of its tree
	rows  []indexRow
	blobs []blob
}

// need is a blob that a snapshot needs, and where in it.
type need struct {
	id             index.ID
	path           string
	offset, length uint64
	directory      bool
	below          int // a directory: how many needs that follow are only known by it
}

type indexRow struct {
	id index.ID
	at index.Location
}

// randomTree is a directory of random files, some of which share parts.
func randomTree(rnd *rand.Rand, parts [][]byte, depth int) testDir {
	d := testDir{}
	for i := range 4 + rnd.IntN(3) {
		var file [][]byte
		for range 1 + rnd.IntN(1+rnd.IntN(8)) {
			if part := parts[rnd.IntN(len(parts))]; rnd.IntN(12) > 0 {
				file = append(file, part)
			} else {
				file = append(file, nil)
			}
		}
		d[fmt.Sprintf("file %d %x%s", i, rnd.Uint64(), strings.Repeat(" long", 140))] = file // so that trees take more than a pack
	}
	if depth > 0 {
		for i := range 3 {
			d[fmt.Sprint("dir", i)] = randomTree(rnd, parts, depth-1)
		}
	}
	return d
}

// change returns the tree as it is a day later: most of it is the same.
func change(rnd *rand.Rand, d testDir, parts [][]byte) testDir {
	c := testDir{}
	for name, what := range d {
		sub, isDir := what.(testDir)
		switch {
		case rnd.IntN(20) == 0: // deleted
		case isDir && rnd.IntN(2) == 0:
			c[name] = change(rnd, sub, parts)
		default:
			c[name] = what
		}
	}
	c[fmt.Sprintf("new %x", rnd.Uint64())] = [][]byte{parts[rnd.IntN(len(parts))]}
	return c
}

func newBeyondTest(t *testing.T, rnd *rand.Rand) *beyondTest {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", "/dev/null/none")
	f := &beyondTest{b: mem.New()}
	if _, err := Init(t.Context(), f.b, InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: map[string]int{"min": 1}, Compression: codec.Method{}, Parity: DefaultParity,
		Passphrase: testPass, KDF: cheapKDF, PackSize: minPackSize * 4, FrameSize: 8 << 10,
	}); err != nil {
		t.Fatal(err)
	}
	f.r = openTestRepository(t, f.b)
	var parts [][]byte
	for i := range 120 {
		parts = append(parts, noise(rnd.Uint64(), []int{1 + rnd.IntN(300), 3000, 9000, 30 << 10}[i%4]))
	}
	tree := randomTree(rnd, parts, 3)
	for i := range 3 {
		f.trees = append(f.trees, tree)
		f.snaps = append(f.snaps, snapshotOf(t, f.r, fmt.Sprint("host", i), tree))
		tree = change(rnd, tree, parts)
	}
	f.learn(t)
	return f
}

// learn reads index and trees, while they are whole.
func (f *beyondTest) learn(t *testing.T) {
	t.Helper()
	rd, err := f.r.NewReader(t.Context(), 8<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	for _, seg := range rd.set.Segments() {
		for id, at := range seg.Rows() {
			f.rows = append(f.rows, indexRow{id, at})
			data, err := rd.Blob(t.Context(), at.Kind, id)
			if err != nil {
				t.Fatal(err)
			}
			f.blobs = append(f.blobs, blob{at.Kind, id, bytes.Clone(data)})
		}
	}
	parse := func(s string) (id index.ID) {
		if n, err := hex.Decode(id[:], []byte(s)); err != nil || n != len(id) {
			t.Fatalf("%q is no id", s)
		}
		return id
	}
	for _, s := range f.snaps {
		details, err := f.r.Details(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		var needs []need
		var directory func(path, hash string)
		directory = func(path, hash string) {
			mine := len(needs)
			needs = append(needs, need{id: parse(hash), path: path, directory: true})
			data, err := rd.Blob(t.Context(), index.Tree, parse(hash))
			if err != nil {
				t.Fatal(err)
			}
			var page []testEntry
			if err := json.Unmarshal(data, &page); err != nil {
				t.Fatal(err)
			}
			for _, e := range page {
				name := strings.TrimPrefix(path+"/"+string(e.Name), "/")
				if e.Dir != "" {
					directory(name, e.Dir)
				}
				at := uint64(0)
				for _, part := range e.Data {
					if part.ID != "" {
						needs = append(needs, need{id: parse(part.ID), path: name, offset: at, length: part.Length})
					}
					at += part.Length
				}
			}
			needs[mine].below = len(needs) - mine - 1
		}
		directory("", string(details.Root))
		f.needs = append(f.needs, needs)
	}
}

// lost returns the blobs all of whose frames have other bytes in d, or none.
func (f *beyondTest) lost(t *testing.T, d *mem.Backend) map[index.ID]bool {
	t.Helper()
	now, was := make(map[index.PackID][]byte), make(map[index.PackID][]byte)
	for _, name := range objects(t, f.b, dirPacks) {
		id, err := index.ParsePackID(base(name))
		if err != nil {
			t.Fatal(err)
		}
		was[id] = read(t, f.b, name)
		if _, err := d.Size(t.Context(), name); err == nil {
			now[id] = read(t, d, name)
		}
	}
	lost, found := make(map[index.ID]bool), make(map[index.ID]bool)
	for _, row := range f.rows {
		from, to := int(row.at.Offset), int(row.at.Offset)+int(row.at.Length)
		if data := now[row.at.Pack]; len(data) >= to && bytes.Equal(data[from:to], was[row.at.Pack][from:to]) {
			found[row.id] = true
		} else {
			lost[row.id] = true
		}
	}
	for id := range found {
		delete(lost, id)
	}
	return lost
}

// affected says what snapshots have lost with these blobs, line by line as
// checked.losses does.
func (f *beyondTest) affected(lost map[index.ID]bool) (lines []string) {
	for i, needs := range f.needs {
		var open need // a range that may become longer
		flush := func() {
			if open.length > 0 {
				lines = append(lines, fmt.Sprintf("%s %s %d+%d", f.snaps[i].ID.Short(), open.path, open.offset, open.length))
			}
			open = need{}
		}
		for j := 0; j < len(needs); j++ {
			n := needs[j]
			if !lost[n.id] {
				continue
			}
			if !n.directory && open.path == n.path && open.length > 0 && open.offset+open.length == n.offset {
				open.length += n.length
				continue
			}
			if flush(); n.directory {
				lines = append(lines, fmt.Sprintf("%s %s 0+0", f.snaps[i].ID.Short(), n.path))
				j += n.below // what it listed is not known any more
			} else {
				open = n
			}
		}
		flush()
	}
	slices.Sort(lines)
	return lines
}
