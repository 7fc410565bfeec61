package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"garret/chunking"
	"garret/keys"
	"garret/store"
	"garret/store/backend"
	"garret/store/backend/local"
	"garret/store/codec"
)

// faultSource makes some files of bytes that are never zero, by a seed. What
// is zero in a restored one was lost.
func faultSource(t *testing.T, seed uint64, dir string, sizes ...int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for i, size := range sizes {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(1 + rnd.UintN(255))
		}
		path := filepath.Join(dir, fmt.Sprint("dir", i%3), fmt.Sprintf("file %d-%d", seed%1000, i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// newFaultUser makes a repository whose packs hold 1 MiB, and small frames.
func newFaultUser(t *testing.T) *user {
	t.Helper()
	u := newUser(t, memoryDir(t))
	b, err := local.Create(u.repo)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := store.Init(t.Context(), b, store.InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: chunking.Params{Algorithm: chunking.FastCDC, Min: 8 << 10, Avg: 32 << 10, Max: 128 << 10},
		Compression: codec.Default, Passphrase: keys.Passphrase(testPassphrase), KDF: cheapKDF, Parity: store.DefaultParity,
		PackSize: 1 << 20, FrameSize: 32 << 10,
	}); err != nil {
		t.Fatal(err)
	}
	return u
}

// readFiles reads all files below a directory, by their names in it, but for
// temporary ones: those of a write that was killed are removed when nobody can
// be at it any more, a day later.
func readFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), backend.TempPrefix) {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil {
			all[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func writeFiles(t *testing.T, dir string, all map[string][]byte) {
	t.Helper()
	for name, data := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// lostRange is a range of a file that check says is lost, or that a restored
// file shows.
type lostRange struct {
	path           string
	offset, length int
}

// lostByCheck returns what a check that reads everything says is lost of a
// snapshot.
func (u *user) lostByCheck(id string, code int) (ranges []lostRange) {
	u.Helper()
	cmd := u.command("check", "--json", "--read-data")
	out, err := cmd.Output()
	if got := cmd.ProcessState.ExitCode(); got != code {
		u.Fatalf("check: %v, exit code %d, want %d\n%s", err, got, code, out)
	}
	for line := range bytes.Lines(out) {
		var p struct {
			Snapshot, Severity, Path string
			Offset, Length           int
		}
		if err := json.Unmarshal(line, &p); err != nil {
			u.Fatal(err)
		}
		if p.Snapshot == id && p.Severity == "lost" && p.Length > 0 {
			ranges = append(ranges, lostRange{p.Path, p.Offset, p.Length})
		}
	}
	return joined(ranges)
}

// joined sorts ranges and makes one of those that touch.
func joined(ranges []lostRange) (all []lostRange) {
	slices.SortFunc(ranges, func(a, b lostRange) int {
		if a.path != b.path {
			return strings.Compare(a.path, b.path)
		}
		return a.offset - b.offset
	})
	for _, r := range ranges {
		if n := len(all); n > 0 && all[n-1].path == r.path && all[n-1].offset+all[n-1].length == r.offset {
			all[n-1].length += r.length
		} else {
			all = append(all, r)
		}
	}
	return all
}

// lostByRestore restores a snapshot and returns which of its bytes are zeros.
// All others must be those of the source.
func (u *user) lostByRestore(id string, source map[string][]byte) (ranges []lostRange) {
	u.Helper()
	dir := filepath.Join(u.TempDir(), "restored")
	cmd := u.command("restore", "--quiet", "--damaged", "zero", id, dir)
	if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != exitDamaged {
		u.Fatalf("restore: %v: %s", err, out)
	}
	for name, want := range source {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(got) != len(want) {
			u.Errorf("%s: %d bytes of %d, %v", name, len(got), len(want), err)
			continue
		}
		for i := 0; i < len(got); i++ {
			if got[i] == want[i] {
				continue
			}
			from := i
			for i < len(got) && got[i] == 0 {
				i++
			}
			if from == i {
				u.Fatalf("%s: byte %d is wrong", name, from)
			}
			ranges = append(ranges, lostRange{name, from, i - from})
		}
	}
	return joined(ranges)
}

// Half a pack is zeros, another is gone with its parity. What check names is
// what a restore leaves as zeros, to the byte; all the rest comes back right. A
// snapshot of the unchanged source then reads what is missing and no more, and
// heals the older ones.
func TestLostAndFound(t *testing.T) {
	u := newFaultUser(t)
	source := t.TempDir()
	faultSource(t, 3, source, 2<<20, 1<<20, 300<<10, 90<<10, 30<<10, 5000, 2000, 900, 200)
	ids := []string{u.snapshot("--root", source, source).ID}
	sources := []map[string][]byte{readFiles(t, source)}
	second := []int{2 << 20, 80 << 10, 3000}
	faultSource(t, 4, source, second...)
	ids = append(ids, u.snapshot("--root", source, source).ID)
	sources = append(sources, readFiles(t, source))

	packs, err := find(u.repo, "data")
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	rnd.Shuffle(len(packs), func(i, j int) { packs[i], packs[j] = packs[j], packs[i] })
	packs = slices.DeleteFunc(packs, func(name string) bool {
		info, err := os.Stat(name)
		return err != nil || info.Size() < 500<<10
	})
	data, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	from := rnd.IntN(len(data) / 2)
	clear(data[from:][:len(data)/2])
	if err := os.WriteFile(packs[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{packs[1], strings.Replace(packs[1], "/packs/", "/parity/", 1)} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}

	// It returns how much the last snapshot lost, and what the files have that lost it.
	wantLost := func(when string) (bytes, inFiles int) {
		t.Helper()
		for i, id := range ids {
			byCheck, byRestore := u.lostByCheck(id, exitDamaged), u.lostByRestore(id, sources[i])
			if !slices.Equal(byCheck, byRestore) || len(byCheck) == 0 && i > 0 {
				t.Errorf("%s, snapshot %d: check says\n  %v\nand a restored tree shows\n  %v", when, i, byCheck, byRestore)
			}
			bytes, inFiles = 0, 0
			for j, r := range byCheck { // by path
				bytes += r.length
				if j == 0 || r.path != byCheck[j-1].path {
					inFiles += len(sources[i][r.path])
				}
			}
		}
		return bytes, inFiles
	}
	lost, inFiles := wantLost("before the repair")
	cmd := u.command("repair", "--yes")
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exitDamaged {
		t.Fatalf("repair: %v: %s", err, out)
	}
	if after, _ := wantLost("after the repair"); after != lost {
		t.Errorf("%d bytes were lost before the repair, %d after it", lost, after)
	}

	again := u.snapshot("--root", source, source)
	// Files are read from beginning to end; those of the second snapshot also when
	// they were written too shortly before it.
	most := inFiles
	for _, size := range second {
		most += size
	}
	if read := int(again.Totals.BytesRead); read < lost || read > most {
		t.Errorf("the next snapshot reads %d bytes, of which %d were lost; files that lost some, and new ones, have %d", read, lost, most)
	}
	if added := int(again.Totals.BytesAdded); added < lost || added > lost+100<<10 {
		t.Errorf("the next snapshot stores %d bytes, of which %d were lost", added, lost)
	}
	for i, id := range append(ids, again.ID) {
		if left := u.lostByCheck(id, 0); len(left) > 0 {
			t.Errorf("snapshot %d: %v are lost after the next snapshot", i, left)
		}
		if left := u.lostByRestore(id, sources[min(i, 1)]); len(left) > 0 {
			t.Errorf("snapshot %d: %v are zeros after the next snapshot", i, left)
		}
	}
	if out, err := exec.Command("diff", "-r", source, restoredLatest(u)).CombinedOutput(); err != nil {
		t.Errorf("diff: %v: %s", err, out)
	}
}

func restoredLatest(u *user) string {
	u.Helper()
	dir := filepath.Join(u.TempDir(), "restored")
	u.restore("latest", dir)
	return dir
}
