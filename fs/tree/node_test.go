package tree_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"garret/fs/tree"
	"garret/index"
)

func id(b byte) index.ID { return index.ID(bytes.Repeat([]byte{b}, 32)) }

// fullFile has every field that a regular file can have.
func fullFile() *tree.Node {
	return &tree.Node{
		Name: "caf\xe9 \xff", Type: tree.Regular, Mode: 06755, UID: math.MaxUint32, GID: 1000, User: "ana", Group: "staff",
		ModTime: tree.Time{Sec: -1, Nsec: 999999999}, ChangeTime: tree.Time{Sec: 1 << 40, Nsec: 1}, BirthTime: tree.Time{Sec: 7}, AccessTime: tree.Time{Nsec: 3},
		Inode: math.MaxUint64, Links: 3, Device: 2, Flags: 0x80000,
		Xattrs: []tree.Xattr{{Name: "security.capability", Value: []byte{1, 0, 2}}, {Name: "user.empty"}},
		Size:   300, Content: tree.Content{Parts: []tree.Part{{ID: id(1), Length: 100}, {Length: 150}, {ID: id(2), Length: 50}}},
		Digest: bytes.Repeat([]byte{9}, 32),
	}
}

func goodNodes() map[string]*tree.Node {
	return map[string]*tree.Node{
		"empty file":      {Name: "a", Type: tree.Regular},
		"full":            fullFile(),
		"inline":          {Name: "i", Type: tree.Regular, Size: 128, Content: tree.Content{Inline: bytes.Repeat([]byte{0}, 128)}},
		"one hole":        {Name: "h", Type: tree.Regular, Size: tree.MaxSize, Content: tree.Content{Parts: []tree.Part{{Length: tree.MaxSize}}}},
		"pages":           {Name: "p", Type: tree.Regular, Size: 1 << 43, Content: tree.Content{Pages: tree.Pages{ID: id(3), Level: 2, Parts: 1 << 20, Holes: 4096}}},
		"symlink":         {Name: "l", Type: tree.Symlink, Mode: 0777, Target: "../\xff", Xattrs: []tree.Xattr{{Name: "security.selinux", Value: []byte("x\x00")}}},
		"block device":    {Name: "sda", Type: tree.BlockDevice, Rdev: 0x800},
		"char device":     {Name: "null", Type: tree.CharDevice, Rdev: math.MaxUint64, Links: 2},
		"fifo":            {Name: "f", Type: tree.FIFO},
		"empty directory": {Name: "d", Type: tree.Directory, Mode: 01777},
		"directory":       {Name: "d", Type: tree.Directory, Dir: tree.Dir{ID: id(4), Level: 1, Entries: 70000, Subdirs: 2, Total: tree.MaxTotal, Bytes: tree.MaxSize}},
		"root":            {Type: tree.Directory, Mode: 0755},
		"longest name":    {Name: strings.Repeat("n", tree.MaxName), Type: tree.FIFO},
	}
}

func TestNodeRoundTrip(t *testing.T) {
	for name, n := range goodNodes() {
		b := tree.AppendNode([]byte("before"), n)
		got, err := tree.ParseNode(b[len("before"):])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, n) {
			t.Errorf("%s: wrote %+v\nread %+v", name, n, got)
		}
	}
}

// Trees that were stored must stay readable: this encoding may gain fields but
// never change.
func TestNodeFrozen(t *testing.T) {
	want := "0a06636166e920ff1001" + "18ac02" + "28ed1b" + "30ffffffff0f" + "38e807" + "4203616e61" + "4a057374616666" + "5001" + "58ff93ebdc03" +
		"60808080808040" + "6801" + "70ffffffffffffffffff01" +
		"7a24" + "0a20" + strings.Repeat("01", 32) + "1064" + "7a03" + "109601" + "7a24" + "0a20" + strings.Repeat("02", 32) + "1032" +
		"800103" + "88010e" + "a00103" + "a80102" +
		"c2011a" + "0a13" + hex.EncodeToString([]byte("security.capability")) + "1203010002" + "c2010c" + "0a0a" + hex.EncodeToString([]byte("user.empty")) +
		"c801808020" + "e20120" + strings.Repeat("09", 32)
	if got := hex.EncodeToString(tree.AppendNode(nil, fullFile())); got != want {
		t.Errorf("wrote\n%s, want\n%s", got, want)
	}
}

// A later version may add fields; this one must read its nodes.
func TestUnknownFields(t *testing.T) {
	n := fullFile()
	b := tree.AppendNode(nil, n)
	b = append(b, 0xf8, 0x07, 5)                         // field 127, varint
	b = append(b, 0xf2, 0x07, 2, 'h', 'i')               // field 126, bytes
	b = append(b, 0xe9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8)    // field 125, 64 bits
	b = append(b, 0xe5, 0x07, 1, 2, 3, 4)                // field 124, 32 bits
	b = append(b, 0xdb, 0x07, 0xd0, 0x07, 1, 0xdc, 0x07) // field 123, a group
	got, err := tree.ParseNode(b)
	if err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNodeRefused(t *testing.T) {
	dir := tree.Dir{ID: id(1), Entries: 2, Subdirs: 1, Total: 3}
	with := func(f func(*tree.Node)) *tree.Node { n := fullFile(); f(n); return n }
	withDir := func(f func(*tree.Dir)) *tree.Node {
		d := dir
		f(&d)
		return &tree.Node{Name: "d", Type: tree.Directory, Dir: d}
	}
	for name, n := range map[string]*tree.Node{
		"dot":                   with(func(n *tree.Node) { n.Name = "." }),
		"dot dot":               with(func(n *tree.Node) { n.Name = ".." }),
		"slash":                 with(func(n *tree.Node) { n.Name = "a/b" }),
		"NUL":                   with(func(n *tree.Node) { n.Name = "a\x00" }),
		"long name":             with(func(n *tree.Node) { n.Name = strings.Repeat("x", tree.MaxName+1) }),
		"no type":               with(func(n *tree.Node) { n.Type = 0 }),
		"type too high":         with(func(n *tree.Node) { n.Type = tree.FIFO + 1 }),
		"mode":                  with(func(n *tree.Node) { n.Mode = 010000 }),
		"nanoseconds":           with(func(n *tree.Node) { n.BirthTime.Nsec = 1e9 }),
		"rdev":                  with(func(n *tree.Node) { n.Rdev = 1 }),
		"target":                with(func(n *tree.Node) { n.Target = "x" }),
		"no target":             {Name: "l", Type: tree.Symlink},
		"target with NUL":       {Name: "l", Type: tree.Symlink, Target: "a\x00b"},
		"long target":           {Name: "l", Type: tree.Symlink, Target: strings.Repeat("x", tree.MaxTarget+1)},
		"user with NUL":         with(func(n *tree.Node) { n.User = "\x00" }),
		"xattr twice":           with(func(n *tree.Node) { n.Xattrs[1].Name = n.Xattrs[0].Name }),
		"xattr without name":    with(func(n *tree.Node) { n.Xattrs[0].Name = "" }),
		"size":                  with(func(n *tree.Node) { n.Size++ }),
		"empty part":            with(func(n *tree.Node) { n.Content.Parts[1].Length = 0 }),
		"part as long as frame": {Name: "x", Type: tree.Regular, Size: tree.MaxBlob, Content: tree.Content{Parts: []tree.Part{{ID: id(1), Length: tree.MaxBlob}}}},
		"sum wraps":             {Name: "x", Type: tree.Regular, Size: 8, Content: tree.Content{Parts: []tree.Part{{Length: tree.MaxSize}, {Length: tree.MaxSize}, {Length: 10}}}},
		"two contents":          with(func(n *tree.Node) { n.Content.Pages = tree.Pages{ID: id(3), Parts: 1} }),
		"inline too long":       {Name: "x", Type: tree.Regular, Size: 129, Content: tree.Content{Inline: make([]byte, 129)}},
		"no content":            {Name: "x", Type: tree.Regular, Size: 1},
		"pages without blob":    {Name: "x", Type: tree.Regular, Size: 9, Content: tree.Content{Pages: tree.Pages{Parts: 1}}},
		"pages level":           {Name: "x", Type: tree.Regular, Size: 9, Content: tree.Content{Pages: tree.Pages{ID: id(1), Parts: 1, Level: tree.MaxLevel + 1}}},
		"pages parts":           {Name: "x", Type: tree.Regular, Size: 9, Content: tree.Content{Pages: tree.Pages{ID: id(1), Parts: 10}}},
		"pages holes":           {Name: "x", Type: tree.Regular, Size: 9, Content: tree.Content{Pages: tree.Pages{ID: id(1), Parts: 1, Holes: 10}}},
		"content of a fifo":     {Name: "x", Type: tree.FIFO, Size: 1, Content: tree.Content{Inline: []byte{1}}},
		"entries of a file":     {Name: "x", Type: tree.Regular, Dir: dir},
		"digest":                with(func(n *tree.Node) { n.Digest = make([]byte, tree.MaxDigest+1) }),
		"dir level":             withDir(func(d *tree.Dir) { d.Level = tree.MaxLevel + 1 }),
		"dir without blob":      withDir(func(d *tree.Dir) { d.ID = index.ID{} }),
		"dir without entries":   withDir(func(d *tree.Dir) { *d = tree.Dir{ID: id(1)} }),
		"subdirs":               withDir(func(d *tree.Dir) { d.Subdirs = 3 }),
		"total too small":       withDir(func(d *tree.Dir) { d.Total = 1 }),
		"total without subdirs": withDir(func(d *tree.Dir) { d.Subdirs = 0 }),
		"total too large":       withDir(func(d *tree.Dir) { d.Total = tree.MaxTotal + 1 }),
		"bytes":                 withDir(func(d *tree.Dir) { d.Bytes = 1 << 63 }),
	} {
		if _, err := tree.ParseNode(tree.AppendNode(nil, n)); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%s: parsed, error %v", name, err)
		}
		if err := n.Validate(); !errors.Is(err, tree.ErrInvalid) {
			t.Errorf("%s: validated, error %v", name, err)
		}
	}
}

func TestNodeMalformed(t *testing.T) {
	good := tree.AppendNode(nil, fullFile())
	for i := 1; i < len(good); i++ {
		// A prefix can be a whole node only where a field ends, and then some
		// total does not fit or a later field is just absent: never a panic.
		if n, err := tree.ParseNode(good[:i]); err == nil && n.Validate() != nil {
			t.Fatalf("prefix of %d bytes gave an invalid node", i)
		}
	}
	for name, b := range map[string]string{
		"tag cut":           "0a08636166e9207220581001ff",
		"length beyond end": "0aff01",
		"field 0":           "0001",
		"name after mode":   "1001" + "28a403" + "0a0161",
		"type after size":   "0a0161" + "1800" + "1006",
		"two names":         "0a0161" + "0a0162" + "1006",
		"short blob id":     "0a0161" + "1001" + "1801" + "7a05" + "0a011f" + "1001",
		"uid of 33 bits":    "0a0161" + "1006" + "308080808010",
		"type of 9 bits":    "0a0161" + "108602",
		"mode of 17 bits":   "0a0161" + "1006" + "28a48304",
	} {
		raw, err := hex.DecodeString(b)
		if err != nil {
			t.Fatal(name, err)
		}
		if n, err := tree.ParseNode(raw); !errors.Is(err, tree.ErrInvalid) || n != nil {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
	if _, err := tree.ParseNode(make([]byte, tree.MaxNode+1)); !errors.Is(err, tree.ErrInvalid) {
		t.Error("a node above the limit was parsed:", err)
	}
}

// The caller may use the buffer again.
func TestParseNodeCopies(t *testing.T) {
	b := tree.AppendNode(nil, fullFile())
	n, err := tree.ParseNode(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if !reflect.DeepEqual(n, fullFile()) {
		t.Error("node changed with the buffer")
	}
}

func TestAllocated(t *testing.T) {
	nodes := goodNodes()
	for name, want := range map[string]uint64{"empty file": 0, "full": 150, "inline": 128, "one hole": 0, "pages": 1<<43 - 4096} {
		if got := nodes[name].Allocated(); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestTime(t *testing.T) {
	for _, want := range []tree.Time{{}, {Sec: -1, Nsec: 1}, {Sec: 1 << 36, Nsec: 999999999}} {
		if got := tree.TimeOf(want.Time()); got != want {
			t.Errorf("%v became %v", want, got)
		}
	}
	early, late := tree.TimeOf(time.Unix(-5, 1)), tree.TimeOf(time.Unix(-5, 2))
	if early.Compare(late) != -1 || late.Compare(early) != 1 || early.Compare(early) != 0 {
		t.Error("order of instants")
	}
}

func FuzzParseNode(f *testing.F) {
	for _, n := range goodNodes() {
		f.Add(tree.AppendNode(nil, n))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := tree.ParseNode(b)
		if err != nil {
			if n != nil || !errors.Is(err, tree.ErrInvalid) {
				t.Fatalf("%v with %v", n, err)
			}
			return
		}
		enc := tree.AppendNode(nil, n)
		again, err := tree.ParseNode(enc)
		if err != nil || !reflect.DeepEqual(again, n) {
			t.Fatalf("%+v written and read: %+v, %v", n, again, err)
		}
	})
}

func BenchmarkAppendNode(b *testing.B) {
	n, buf := typicalFile(1), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = tree.AppendNode(buf[:0], n)
	}
	b.ReportMetric(float64(len(buf)), "B/node")
}

func BenchmarkParseNode(b *testing.B) {
	buf := tree.AppendNode(nil, typicalFile(1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tree.ParseNode(buf); err != nil {
			b.Fatal(err)
		}
	}
}
