package source

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func open(t testing.TB, path string) *Dir {
	t.Helper()
	d, err := NewHandles(16).OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func list(n *Names) (all []string) {
	for i := range n.Len() {
		all = append(all, n.Name(i).String())
	}
	return all
}

// Names are whatever bytes they are, in the order of bytes: a snapshot whose
// order differed from the tree's could not be searched.
func TestReadNamesSortsBytes(t *testing.T) {
	dir := t.TempDir()
	want := []string{" ", "-", "A", "B", "a", "a.b", "a0", "ab", "\xff\xfe", "é", "e\u0301", strings.Repeat("x", 255)}
	for _, name := range want {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	names, err := open(t, dir).ReadNames()
	if err != nil {
		t.Fatal(err)
	}
	if got := list(names); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, name := range want {
		if !names.Find(name) {
			t.Errorf("%q is not found", name)
		}
	}
	for _, name := range []string{"", "a.", "zz", "\xff\xff"} {
		if names.Find(name) {
			t.Errorf("%q is found", name)
		}
	}
}

func TestReadNamesOfManyEntries(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 5000 { // several getdents calls
		name := fmt.Sprintf("a rather long file name so that one buffer is not enough %d", i)
		want = append(want, name)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	names, err := open(t, dir).ReadNames()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(list(names), want) {
		t.Error("names differ")
	}
}

// dirent makes a linux_dirent64 record.
func dirent(name string, dtype byte) []byte {
	size := (19 + len(name) + 1 + 7) &^ 7
	b := make([]byte, size)
	binary.NativeEndian.PutUint16(b[16:], uint16(size))
	b[18] = dtype
	copy(b[19:], name)
	return b
}

func TestDirents(t *testing.T) {
	n := &Names{}
	var raw []byte
	for _, d := range []struct {
		name string
		typ  byte
	}{{".", unix.DT_DIR}, {"b", unix.DT_SOCK}, {"..", unix.DT_DIR}, {"a", unix.DT_REG}, {"b", unix.DT_SOCK},
		{"a/b", unix.DT_REG}, {"", unix.DT_REG}} {
		raw = append(raw, dirent(d.name, d.typ)...)
	}
	if err := n.add(raw); err != nil {
		t.Fatal(err)
	}
	n.sort()
	if got := list(n); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q: dots, repeated and impossible names must go", got)
	}
	if n.Socket(0) || !n.Socket(1) {
		t.Error("the socket is not told from the file")
	}
	bad := dirent("x", unix.DT_REG)
	binary.NativeEndian.PutUint16(bad[16:], 4000)
	if err := n.add(bad); err == nil {
		t.Error("a record longer than the buffer is accepted")
	}
}

func FuzzDirents(f *testing.F) {
	f.Add([]byte{})
	f.Add(append(dirent("name", unix.DT_REG), dirent("other", unix.DT_DIR)...))
	f.Add(dirent("x", unix.DT_REG)[:20])
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := &Names{}
		_ = n.add(raw) // names before the damage count
		n.sort()
		all := list(n)
		if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
			t.Errorf("not strictly ascending: %q", all)
		}
		for _, name := range all {
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
				t.Errorf("impossible name %q", name)
			}
		}
	})
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "a\x00b": "a", "\xff": "\xff"} {
		if got := NewName(in).String(); got != want {
			t.Errorf("NewName(%q) = %q, want %q", in, got, want)
		}
	}
	if (Name{}).String() != "" {
		t.Error("the zero Name is not empty")
	}
}

func BenchmarkSortMillionNames(b *testing.B) {
	base := &Names{}
	for i := range 1_000_000 {
		if err := base.add(dirent(fmt.Sprintf("IMG_%08d.jpeg", uint32(i)*2654435761), unix.DT_REG)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		n := &Names{arena: base.arena, order: slices.Clone(base.order)}
		n.sort()
	}
	b.ReportMetric(float64(cap(base.arena)+4*cap(base.order))/float64(base.Len()), "B/name")
}
