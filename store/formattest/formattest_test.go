// Package formattest proves FORMAT.md: a reader written from that page alone,
// which shares no code with garret, opens repositories that garret has made.
//
//	open_test.go     objects, config, key slots, signatures
//	seal_test.go     suites, sealed objects, sessions
//	history_test.go  snapshots and leases
//	blobs_test.go    index segments, packs, frames
//	tree_test.go     directories and files
//	cut_test.go      the chunker
//	parity_test.go   parity
//
// Where this test fails, a program of another version or another author can
// no longer read what is written now: either the change is an accident, or
// FORMAT.md and the versions in the objects have to change with it.
package formattest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"garret/chunking"
	"garret/fs/snapshot"
	"garret/fs/tree"
	"garret/keys"
	"garret/store"
	"garret/store/backend/local"
	"garret/store/codec"
)

// Importing anything of garret's, the reader would prove nothing.
func TestReaderSharesNothing(t *testing.T) {
	allowed := []string{
		"golang.org/x/crypto/argon2", "golang.org/x/crypto/chacha20poly1305",
		"github.com/klauspost/compress/zstd", "google.golang.org/protobuf/encoding/protowire",
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if name == "formattest_test.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			standard := !strings.Contains(strings.Split(path, "/")[0], ".") && !strings.HasPrefix(path, "garret/")
			if !standard && !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// source writes a small tree of all that the format has forms for: files that
// stand in their nodes, of one blob, of many, of so many that their list has
// pages, with holes; a directory of many pages; a name that is not UTF-8.
func source(t *testing.T) (dir string, files map[string][]byte) {
	t.Helper()
	dir = t.TempDir()
	rnd := rand.NewChaCha8([32]byte{7})
	random := func(n int) []byte {
		b := make([]byte, n)
		rnd.Read(b)
		return b
	}
	files = map[string][]byte{
		"empty":        {},
		"inline":       []byte("a hundred and twenty-eight bytes at most"),
		"one":          random(129),
		"text":         bytes.Repeat([]byte("all work and no play "), 4000),
		"many":         random(300 << 10),
		"pages":        random(3 << 19),
		"zeros":        make([]byte, 100<<10),
		"a/b/c/deep":   []byte("deep"),
		"latin1 \xe9":  random(5000),
		"sparse":       append(append(random(8192), make([]byte, 1<<20)...), random(4096)...),
		"a/b/the same": nil,
	}
	files["a/b/the same"] = files["many"]
	program := append([]byte("\x7fELF"), random(20_000)...)
	for i := range 20_000 { // calls of 16 functions
		program = append(program, "\x48\x8b\x44\x24\x18\x90\xe8"...)
		program = binary.LittleEndian.AppendUint32(program, uint32(i*i%16*1000-len(program)))
	}
	files["program"] = program
	for i := range 2000 {
		files[fmt.Sprintf("large/%04d", i)] = []byte(strconv.Itoa(i))
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if name == "sparse" {
			sparse(t, path, data, 8192, 8192+1<<20)
		} else if err := os.WriteFile(path, data, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("inline", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "nothing in it"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, files
}

// sparse writes data but for what lies from start to end.
func sparse(t *testing.T, path string, data []byte, start, end int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{0, end} {
		part := data[at:]
		if at < start {
			part = data[:start]
		}
		if _, err := f.WriteAt(part, at); err != nil {
			t.Fatal(err)
		}
	}
}

const passphrase = "correct horse"

// kdf keeps the test fast; the parameters stand in the slot.
func kdf(s keys.Suite) (string, keys.KDFParams) {
	if s == keys.SuiteNone {
		return "", keys.KDFParams{KDF: keys.KDFNone}
	}
	return passphrase, keys.KDFParams{KDF: keys.KDFArgon2id, Time: 1, Memory: 64, Threads: 1}
}

// write makes a repository with one snapshot of dir, as cmd does, and returns
// it still open, with a reader's lease.
func write(t *testing.T, dir string, suite keys.Suite, compression string, chunker chunking.Params) (path string) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(t.TempDir(), "repo")
	b, err := local.Create(path)
	must(err)
	method, err := codec.ParseMethod(compression)
	must(err)
	pass, params := kdf(suite)
	_, err = store.Init(ctx, b, store.InitOptions{
		Suite: suite, Chunker: chunker, Compression: method, Label: "first", Passphrase: keys.Passphrase(pass),
		KDF: params, FrameSize: 32 << 10, PackSize: 512 << 10, Parity: parityPercent,
	})
	must(err)
	locked, err := store.Open(ctx, b)
	must(err)
	repo, err := locked.Unlock(keys.Passphrase(pass))
	must(err)
	t.Cleanup(func() { repo.Close() })
	s, err := repo.NewSession(ctx)
	must(err)
	gear, cut := repo.ChunkerKeys()
	c, err := chunking.New(chunker, gear, cut)
	must(err)
	started := time.Now()
	res, err := snapshot.Run(ctx, snapshot.Options{Store: s, Chunker: c, Sources: []string{dir}, Root: dir, Started: started})
	must(err)
	devices, err := json.Marshal(res.Devices)
	must(err)
	must(s.Commit(ctx, &store.Snapshot{
		Time: started.UTC(), Host: "host", User: "user", Label: "label", Sequence: 1, Sources: [][]byte{[]byte(dir)},
		XattrFamilies: []string{}, Totals: store.Totals{Files: res.Stats.Files},
	}, &store.Details{
		Root: tree.AppendNode(nil, res.Root), Devices: devices,
		Warnings: []store.Warning{{Path: []byte("p\xff"), Reason: "reason"}},
	}))
	must(s.Close(ctx))
	rd, err := repo.NewReader(ctx, 0)
	must(err)
	t.Cleanup(func() { rd.Close(t.Context()) })
	return path
}

// A stranger with the passphrase and FORMAT.md reads every file.
func TestReadsWhatGarretWrote(t *testing.T) {
	dir, files := source(t)
	small := chunking.Params{Algorithm: chunking.FastCDC, Min: 2 << 10, Avg: 8 << 10, Max: 32 << 10, Programs: 4 << 10}
	for _, c := range []struct {
		suite       keys.Suite
		compression string
		chunker     chunking.Params
	}{
		{keys.SuiteAES256GCM, "auto", small},
		{keys.SuiteChaCha20Poly1305, "zlib,1", chunking.Params{Algorithm: chunking.Fixed, Min: 4096, Avg: 4096, Max: 4096}},
		{keys.SuiteNone, "none", chunking.Default()},
	} {
		t.Run(c.suite.String(), func(t *testing.T) {
			path := write(t, dir, c.suite, c.compression, c.chunker)
			pass, _ := kdf(c.suite)
			if c.suite != keys.SuiteNone {
				if _, err := open(path, "wrong"); err == nil {
					t.Error("it opens with a wrong passphrase")
				}
			}
			r, err := open(path, pass)
			if err != nil {
				t.Fatal(err)
			}
			checkHistory(t, r, dir)
			checkPacks(t, r)
			checkFiles(t, r, files)
		})
	}
}

func checkHistory(t *testing.T, r *reader, dir string) {
	t.Helper()
	snaps, err := r.snapshots()
	if err != nil || len(snaps) != 1 {
		t.Fatal(snaps, err)
	}
	s := snaps[0]
	if s.Host != "host" || s.Label != "label" || s.Sequence != 1 || string(s.Sources[0]) != dir || s.Time.IsZero() || s.Duration <= 0 {
		t.Errorf("snapshot %+v", s)
	}
	if d := s.details; len(d.Devices) == 0 || d.Devices[0].Newest.Sec == 0 || string(d.Warnings[0].Path) != "p\xff" {
		t.Errorf("details %+v", d)
	}
	leases, err := r.leases()
	if err != nil || len(leases) != 1 || leases[0].Kind != "reader" || leases[0].PID != os.Getpid() {
		t.Errorf("leases %+v, %v", leases, err)
	}
}

// checkPacks reads the index, and every pack without it.
func checkPacks(t *testing.T, r *reader) {
	t.Helper()
	if err := r.index(); err != nil {
		t.Fatal(err)
	}
	names, err := r.list("packs")
	if err != nil || len(names) != len(r.packs) || len(names) < 2 {
		t.Fatalf("%d packs, %d are indexed: %v", len(names), len(r.packs), err)
	}
	for _, name := range names {
		if err := r.pack(name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	segments, err := r.list("index")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, segments...) {
		of := byte('p')
		if strings.HasPrefix(name, "index/") {
			of = 'i'
		}
		if err := r.parity(of, name, parityPercent); err != nil {
			t.Errorf("parity of %s: %v", name, err)
		}
	}
}

const parityPercent = 7

// checkFiles walks from the root to each file.
func checkFiles(t *testing.T, r *reader, files map[string][]byte) {
	t.Helper()
	snaps, err := r.snapshots()
	if err != nil {
		t.Fatal(err)
	}
	root, err := parse(snaps[0].details.Root)
	if err != nil || root.uint(nodeType) != typeDirectory || len(root.bytes(nodeName)) != 0 {
		t.Fatal(root, err)
	}
	sparse, paged := false, false
	for name, want := range files {
		if strings.HasPrefix(name, "large/") && !strings.HasSuffix(name, "77") {
			continue // each walk decodes all of the directory
		}
		node, err := r.resolve(root, name)
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if node.uint(nodeMode) != 0o640 && name != "sparse" || protoTime(node) == 0 {
			t.Errorf("%q has mode %#o and time %d", name, node.uint(nodeMode), protoTime(node))
		}
		got, err := r.content(node)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q of %d bytes does not come back: %v", name, len(want), err)
		}
		parts, err := r.parts(node)
		if err != nil {
			t.Fatal(err)
		}
		holes := slices.ContainsFunc(parts, func(p part) bool { return p.id == nil })
		sparse = sparse || holes
		paged = paged || node.bytes(nodePages) != nil
		if holes || len(parts) == 0 {
			continue
		}
		var lengths []uint64
		for _, p := range parts {
			lengths = append(lengths, p.length)
		}
		if cuts := r.cuts(want); !slices.Equal(lengths, cuts) {
			t.Errorf("%q is cut into %v, not %v", name, lengths, cuts)
		}
	}
	if !sparse {
		t.Log("the file system keeps no holes: their form was not read")
	}
	if !paged && r.config.Chunker.Max < 256<<10 {
		t.Error("no content list has pages")
	}
	large, err := r.resolve(root, "large")
	if err != nil {
		t.Fatal(err)
	}
	if ref, err := parse(large.bytes(nodeDir)); err != nil || ref.uint(2) == 0 {
		t.Errorf("the large directory has one page: %v", err)
	}
	link, err := r.resolve(root, "link")
	if err != nil || link.uint(nodeType) != typeSymlink || string(link.bytes(nodeTarget)) != "inline" {
		t.Errorf("the symlink is %+v, %v", link, err)
	}
	empty, err := r.resolve(root, "nothing in it")
	if err != nil {
		t.Fatal(err)
	}
	if nodes, err := r.children(empty); err != nil || len(nodes) != 0 {
		t.Errorf("an empty directory holds %v, %v", nodes, err)
	}
}

// protoTime is a node's modification time, a zigzag number of seconds.
func protoTime(n message) int64 {
	v := n.uint(nodeModTime)
	return int64(v>>1) ^ -int64(v&1)
}
