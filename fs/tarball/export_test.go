package tarball

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/index"
)

const chunk = 4096

func build(t testing.TB, children ...treetest.Spec) *stored {
	t.Helper()
	s := &stored{Store: treetest.New()}
	var err error
	if s.root, err = s.Build(treetest.Dir("", children...), chunk); err != nil {
		t.Fatal(err)
	}
	return s
}

func with(s treetest.Spec, change func(n *tree.Node)) treetest.Spec {
	change(&s.Node)
	return s
}

// read reads an archive with Go's reader, which shares no code with the writer.
func read(t testing.TB, archive []byte) (headers []*tar.Header, contents map[string]string) {
	t.Helper()
	contents = make(map[string]string)
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return headers, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, h)
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%q: %v", h.Name, err)
		}
		contents[h.Name] = string(data)
	}
}

// What does not fit into the fields of 1988 comes through all the same.
func TestHeaders(t *testing.T) {
	long := strings.Repeat("long/", 300)
	for _, c := range []struct {
		name   string
		change func(n *tree.Node)
		check  func(h *tar.Header) bool
	}{
		{"plain", func(n *tree.Node) { n.Mode = 0o4751 }, func(h *tar.Header) bool { return h.Mode == 0o4751 && h.Typeflag == tar.TypeReg }},
		{"\xff\xfe not UTF-8", func(n *tree.Node) {}, func(h *tar.Header) bool { return h.PAXRecords["hdrcharset"] == "BINARY" }},
		{"new\nline = %", func(n *tree.Node) {}, func(h *tar.Header) bool { return true }},
		{strings.Repeat("n", 100), func(n *tree.Node) {}, func(h *tar.Header) bool { return h.PAXRecords["path"] == "" }},
		{strings.Repeat("n", 101), func(n *tree.Node) {}, func(h *tar.Header) bool { return h.PAXRecords["path"] != "" }},
		{"octal", func(n *tree.Node) { n.UID, n.GID = 1<<21-1, 1<<21-1 }, func(h *tar.Header) bool { return h.Uid == 1<<21-1 && h.PAXRecords["uid"] == "" }},
		{"not octal", func(n *tree.Node) { n.UID, n.GID = 1<<32-2, 1<<21 }, func(h *tar.Header) bool { return h.Uid == 1<<32-2 && h.Gid == 1<<21 }},
		{"owner", func(n *tree.Node) { n.User, n.Group = "Jürgen", "g\xff" }, func(h *tar.Header) bool { return h.Uname == "Jürgen" && h.Gname == "g\xff" }},
		{"1969", func(n *tree.Node) { n.ModTime = tree.Time{Sec: -1, Nsec: 999999999} }, func(h *tar.Header) bool { return h.ModTime.Equal(time.Unix(0, -1)) }},
		{"1906", func(n *tree.Node) { n.ModTime = tree.Time{Sec: -2000000000, Nsec: 1} }, func(h *tar.Header) bool { return h.ModTime.Equal(time.Unix(-2000000000, 1)) }},
		{"9999", func(n *tree.Node) { n.ModTime = tree.Time{Sec: 253402300799} }, func(h *tar.Header) bool { return h.ModTime.Unix() == 253402300799 }},
		{"read", func(n *tree.Node) { n.AccessTime = tree.Time{Sec: 5, Nsec: 120} }, func(h *tar.Header) bool { return h.AccessTime.Equal(time.Unix(5, 120)) }},
		{"xattr", func(n *tree.Node) {
			n.Xattrs = []tree.Xattr{{Name: "user.%=\n\xff", Value: []byte("\x00\n=")}, {Name: "user.empty"}}
		}, func(h *tar.Header) bool {
			v, ok := h.PAXRecords["SCHILY.xattr.user.empty"]
			return h.PAXRecords["SCHILY.xattr.user.%25%3D\n\xff"] == "\x00\n=" && ok && v == ""
		}},
		{"acl", func(n *tree.Node) {
			n.Xattrs = []tree.Xattr{{Name: "system.posix_acl_access", Value: []byte("\x02\x00\x00\x00" +
				"\x01\x00\x07\x00\xff\xff\xff\xff\x02\x00\x05\x00\xe8\x03\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x05\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff")}}
		}, func(h *tar.Header) bool {
			return h.PAXRecords["SCHILY.acl.access"] == "user::rwx\nuser:1000:r-x\ngroup::r--\nmask::r-x\nother::---\n" &&
				!strings.Contains(fmt.Sprint(h.PAXRecords), "posix_acl")
		}},
		{"no acl", func(n *tree.Node) {
			n.Xattrs = []tree.Xattr{{Name: "system.posix_acl_access", Value: []byte("\x03\x00\x00\x00")}}
		},
			func(h *tar.Header) bool {
				return h.PAXRecords["SCHILY.xattr.system.posix_acl_access"] == "\x03\x00\x00\x00"
			}},
		{"link", func(n *tree.Node) { n.Type, n.Target = tree.Symlink, long+"\xff" }, func(h *tar.Header) bool { return h.Typeflag == tar.TypeSymlink && h.Linkname == long+"\xff" }},
		{"fifo", func(n *tree.Node) { n.Type = tree.FIFO }, func(h *tar.Header) bool { return h.Typeflag == tar.TypeFifo }},
		{"disk", func(n *tree.Node) { n.Type, n.Rdev = tree.BlockDevice, 259<<8|0xff|0xfff00<<12 }, func(h *tar.Header) bool {
			return h.Typeflag == tar.TypeBlock && h.Devmajor == 259 && h.Devminor == 1<<20-1
		}},
	} {
		var b bytes.Buffer
		s := build(t, with(treetest.Spec{Node: tree.Node{Name: c.name, Type: tree.Regular, Links: 1}}, c.change))
		if _, warnings := s.export(t, &b, ""); len(warnings) > 0 {
			t.Errorf("%q: %v", c.name, warnings)
		}
		headers, _ := read(t, b.Bytes())
		if len(headers) != 1 || headers[0].Name != c.name || !c.check(headers[0]) {
			t.Errorf("%q: %+v", c.name, headers)
		}
		if b.Len()%blockSize != 0 || !bytes.Equal(b.Bytes()[b.Len()-2*blockSize:], make([]byte, 2*blockSize)) {
			t.Errorf("%q: no end", c.name)
		}
	}
}

// A record's length counts its own digits; one that is off by one makes the
// archive unreadable from there on.
func TestRecordLengths(t *testing.T) {
	for n := range 1200 {
		var r records
		r.add("k", strings.Repeat("v", n))
		if length, _, _ := strings.Cut(string(r), " "); length != fmt.Sprint(len(r)) {
			t.Fatalf("%s for %d bytes", length, len(r))
		}
	}
}

func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7+i>>8) | 1
	}
	return string(b)
}

// Files come out as they are, at the bounds of blocks, with and without holes.
func TestContents(t *testing.T) {
	zeros := string(make([]byte, 3*chunk))
	want := map[string]string{
		"between": noise(chunk) + zeros + noise(chunk), "end": noise(chunk) + zeros, "start": zeros + noise(100), "only": zeros,
		"often": strings.Repeat(noise(chunk)+zeros, 300),
	}
	for _, n := range []int{0, 1, tree.MaxInline, tree.MaxInline + 1, 511, 512, 513, chunk, chunk + 1, 300*chunk + 7} {
		want[fmt.Sprint(n)] = noise(n)
	}
	var specs []treetest.Spec
	var size uint64
	for name, data := range want {
		specs = append(specs, treetest.File(name, data))
		size += uint64(len(data))
	}
	s := build(t, treetest.Dir("a", treetest.Dir("b", specs...), treetest.File("other", "x")))
	var b bytes.Buffer
	stats, _ := s.export(t, &b, "a/b")
	headers, got := read(t, b.Bytes())
	if stats.Entries != uint64(len(want)+1) || stats.Bytes != size || len(headers) != len(want)+1 || headers[0].Name != "a/b/" {
		t.Errorf("%+v, %d headers", stats, len(headers))
	}
	for name, data := range want {
		if got["a/b/"+name] != data {
			t.Errorf("%s: %d bytes, want %d", name, len(got["a/b/"+name]), len(data))
		}
	}
	if b.Len() > 4*chunk*len(want)+chunk*1000 {
		t.Errorf("%d bytes: holes are in the archive", b.Len())
	}
}

// Names of one file are one file, also when its first name is not selected.
func TestHardLinks(t *testing.T) {
	link := func(n *tree.Node) { n.Inode, n.Links = 5, 3 }
	s := build(t, with(treetest.File("a", "data"), link), with(treetest.File("b", "data"), link), with(treetest.File("c", "data"), link))
	var b bytes.Buffer
	stats, _ := s.export(t, &b, "", "pp:a")
	headers, got := read(t, b.Bytes())
	if len(headers) != 2 || headers[1].Typeflag != tar.TypeLink || headers[1].Linkname != "b" || got["b"] != "data" || stats.Links != 1 {
		t.Errorf("%+v, %v, %+v", headers, got, stats)
	}
}

// What is lost is zeros and is told of; everything else is there, and the
// archive is whole.
func TestLost(t *testing.T) {
	data := noise(3*chunk + 5)
	s := build(t, treetest.File("damaged", data), treetest.File("whole", "rest"))
	s.Lose(index.Data, s.ID(index.Data, []byte(data[chunk:2*chunk])))
	var b bytes.Buffer
	stats, warnings := s.export(t, &b, "")
	var lost *LostError
	if !errors.As(warnings["damaged"], &lost) || lost.Bytes != chunk || len(lost.Ranges) != 1 || lost.Ranges[0] != (Range{chunk, chunk}) ||
		!errors.Is(lost, treetest.ErrLost) || stats.Lost != chunk {
		t.Errorf("%v, %+v", warnings, stats)
	}
	_, got := read(t, b.Bytes())
	if got["damaged"] != data[:chunk]+string(make([]byte, chunk))+data[2*chunk:] || got["whole"] != "rest" {
		t.Error("the rest is not there")
	}
}

// A directory, or a list of parts, that cannot be read takes nothing else away.
func TestLostPages(t *testing.T) {
	sparse := strings.Repeat(noise(chunk)+string(make([]byte, chunk)), 400)
	s := build(t, treetest.Dir("gone", treetest.File("x", "y")), treetest.File("listed", sparse), treetest.File("whole", "rest"))
	v := s.view()
	gone, _ := v.Resolve(t.Context(), "gone")
	listed, _ := v.Resolve(t.Context(), "listed")
	s.Lose(index.Tree, gone.Dir.ID)
	s.Lose(index.Tree, listed.Content.Pages.ID)
	var b bytes.Buffer
	_, warnings := s.export(t, &b, "")
	var file *LostError
	var dir *LostEntriesError
	if len(warnings) != 2 || !errors.As(warnings["listed"], &file) || file.Bytes != uint64(len(sparse)) ||
		!errors.As(warnings["gone"], &dir) || dir.Entries != 1 {
		t.Errorf("%v", warnings)
	}
	headers, got := read(t, b.Bytes())
	if len(headers) != 3 || got["whole"] != "rest" || got["listed"] != string(make([]byte, len(sparse))) {
		t.Errorf("%d headers", len(headers))
	}
}

// A file of ever so many holes does not make a map that programs refuse, or
// that fills the memory: the smallest holes go, and no data.
func TestManyRegions(t *testing.T) {
	var r regions
	const pieces = 100000
	at := uint64(0)
	for i := range uint64(pieces) {
		r.add(at, 4096)
		at += 4096 + 4096*(1+i%16)
		if len(r.list) > maxRegions {
			t.Fatal("too many")
		}
	}
	if r.size() < pieces*4096 || r.size() >= at || len(r.sparseMap(at)) > 1<<20 || len(r.list) < maxRegions/32 {
		t.Errorf("%d regions of %d bytes", len(r.list), r.size())
	}
}

// 5 TiB without data are written in an instant.
func TestHuge(t *testing.T) {
	s := build(t)
	b := tree.NewDirBuilder(s)
	n := &tree.Node{Name: "huge", Type: tree.Regular, Links: 1, Size: 5 << 40, Content: tree.Content{Parts: []tree.Part{{Length: 5 << 40}}}}
	if err := b.Add(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.root.Dir, err = b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s.export(t, &out, "")
	if out.Len() > 10*blockSize {
		t.Errorf("%d bytes", out.Len())
	}
	h, err := tar.NewReader(&out).Next()
	if err != nil || h.Size != 5<<40 || h.Name != "huge" {
		t.Errorf("%+v, %v", h, err)
	}
}
