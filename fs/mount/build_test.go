package mount

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"garret/fs/tree"
	"garret/fs/tree/treetest"
	"garret/fs/view"
	"garret/index"
)

// item is an entry of a tree to build, and what the mount must then show.
type item struct {
	tree.Node
	pieces   []piece
	children []*item
}

// piece is a part of a file: data, or a hole.
type piece struct {
	data []byte
	hole uint64
}

func (p piece) length() uint64 { return uint64(len(p.data)) + p.hole }

var someTime = tree.Time{Sec: 1700000000, Nsec: 123456789}

func dir(name string, children ...*item) *item {
	return &item{Node: tree.Node{Name: name, Type: tree.Directory, Mode: 0o755, ModTime: someTime}, children: children}
}

// text is a file small enough to stand in its node.
func text(name, content string) *item {
	return &item{Node: tree.Node{Name: name, Type: tree.Regular, Mode: 0o644, ModTime: someTime, Size: uint64(len(content)),
		Content: tree.Content{Inline: []byte(content)}}}
}

func file(name string, pieces ...piece) *item {
	return &item{Node: tree.Node{Name: name, Type: tree.Regular, Mode: 0o644, ModTime: someTime}, pieces: pieces}
}

func special(name string, t tree.Type, rdev uint64, target string) *item {
	return &item{Node: tree.Node{Name: name, Type: t, Mode: 0o600, ModTime: someTime, Rdev: rdev, Target: target}}
}

func symlink(name, target string) *item { return special(name, tree.Symlink, 0, target) }

// with changes an item's node.
func (i *item) with(change func(n *tree.Node)) *item {
	change(&i.Node)
	return i
}

// born gives an item a birth time.
func (i *item) born() *item {
	return i.with(func(n *tree.Node) { n.BirthTime = someTime })
}

// hardLink makes an item a member of a hard-link group.
func (i *item) hardLink(inode, links uint64) *item {
	return i.with(func(n *tree.Node) { n.Inode, n.Links = inode, links })
}

// content returns all bytes of a file; only for files that fit in memory.
func (i *item) content() []byte {
	if len(i.pieces) == 0 {
		return i.Content.Inline
	}
	var b bytes.Buffer
	for _, p := range i.pieces {
		b.Write(p.data)
		b.Write(make([]byte, p.hole))
	}
	return b.Bytes()
}

// dataBytes returns how many bytes of a file are not holes.
func (i *item) dataBytes() uint64 {
	sum := uint64(len(i.Content.Inline))
	for _, p := range i.pieces {
		sum += uint64(len(p.data))
	}
	return sum
}

// build stores a tree and fills in the nodes' contents.
func build(t testing.TB, store *treetest.Store, root *item) {
	t.Helper()
	ctx := context.Background()
	if len(root.pieces) > 0 {
		cb := tree.NewContentBuilder(store)
		for _, p := range root.pieces {
			part := tree.Part{Length: p.length()}
			if p.data != nil {
				part.ID = store.PutData(p.data)
			}
			if err := cb.Add(ctx, part); err != nil {
				t.Fatal(err)
			}
			root.Size += part.Length
		}
		var err error
		if root.Content, err = cb.Finish(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if root.Type != tree.Directory {
		return
	}
	slices.SortFunc(root.children, func(a, b *item) int { return strings.Compare(a.Name, b.Name) })
	db := tree.NewDirBuilder(store)
	for _, c := range root.children {
		build(t, store, c)
		if err := db.Add(ctx, &c.Node); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if root.Dir, err = db.Finish(ctx); err != nil {
		t.Fatal(err)
	}
}

// newTree builds a tree in a store of its own.
func newTree(t testing.TB, root *item) (*view.Tree, *treetest.Store) {
	t.Helper()
	store := treetest.New()
	build(t, store, root)
	return openStored(store, root), store
}

func openStored(store *treetest.Store, root *item) *view.Tree {
	return view.New(inMemory{store}, &root.Node, view.Options{})
}

// inMemory is a store that has everything in memory, as a reader of a repository
// has what its frames hold: so files are handed to the kernel unasked. What it
// has lent turns to rubbish when it is given back, as a frame's memory does when
// it is used for another.
type inMemory struct{ *treetest.Store }

func (m inMemory) Borrow(ctx context.Context, kind index.Kind, id index.ID) ([]byte, func(), error) {
	data, err := m.Blob(ctx, kind, id)
	lent := bytes.Clone(data)
	return lent, func() {
		for i := range lent {
			lent[i] ^= 0xdb
		}
	}, err
}

func (m inMemory) BorrowCached(kind index.Kind, id index.ID) ([]byte, func(), bool) {
	data, giveBack, err := m.Borrow(context.Background(), kind, id)
	return data, giveBack, err == nil
}

var _ tree.Lender = inMemory{}

// partID returns the blob of the i-th part of a file that has its parts in
// its node.
func (i *item) partID(part int) index.ID { return i.Content.Parts[part].ID }

// noise returns bytes that depend on the seed only.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 1})
	source.Read(b)
	return b
}

// uglyTree holds an example of everything that a file system can bring along.
func uglyTree() *item {
	const device = 0xfff<<8 | 0xff | 0xfff00<<12 // major 4095, minor 1048575, as Mkdev makes it
	manyParts := file("many parts")
	for i := range 1500 {
		p := piece{data: noise(uint64(i), 700+i%13)}
		if i%7 == 3 {
			p = piece{hole: uint64(4096 + i)}
		}
		manyParts.pieces = append(manyParts.pieces, p)
	}
	deep := dir("deep")
	for i, d := 0, deep; i < 100; i++ {
		child := dir("deeper")
		d.children = []*item{child, text("leaf", "at every level")}
		d = child
	}
	at := func(i *item, sec int64, nsec uint32) *item {
		return i.with(func(n *tree.Node) {
			n.ModTime = tree.Time{Sec: sec, Nsec: nsec}
			n.ChangeTime = tree.Time{Sec: sec + 1, Nsec: nsec}
			n.AccessTime = tree.Time{Sec: sec - 1, Nsec: nsec}
			n.BirthTime = tree.Time{Sec: sec - 2, Nsec: nsec}
		})
	}
	owned := func(i *item, mode uint16, uid, gid uint32) *item {
		return i.with(func(n *tree.Node) { n.Mode, n.UID, n.GID = mode, uid, gid })
	}
	return owned(dir("",
		dir("names",
			text("\xff\xfe not UTF-8 \x80", "1"),
			text("new\nline", "2"),
			text("tab\t and \"quotes\" and \\", "3"),
			text(strings.Repeat("n", 255), "4"),
			text("é composed", "5"), text("é decomposed", "6"),
			text("-rf", "7"), text(" ", "8"), text("...", "9"), text("\x01", "10"),
		),
		dir("modes",
			owned(text("setuid", "#!"), 0o4755, 0, 0),
			owned(text("none", "secret"), 0, 1000, 1001),
			owned(dir("sticky", text("x", "")), 0o1777, 65534, 4294967294),
			owned(text("setgid", ""), 0o2711, 4294967294, 12),
		),
		dir("times",
			at(text("1901", ""), -2147483649, 1),
			at(text("1969", ""), -1, 999999999),
			at(dir("2038"), 2147483648, 500),
			at(symlink("2400", "x"), 13569465600, 7),
		),
		dir("special",
			special("null", tree.CharDevice, 1<<8|3, ""),
			special("disk", tree.BlockDevice, device, ""),
			special("fifo", tree.FIFO, 0, ""),
			symlink("dangling", "/no/where/\xff"),
			symlink("to directory", "../names"),
			symlink("long", strings.Repeat("l/", 2047)),
		),
		dir("links",
			text("first", "linked").hardLink(77, 4),
			dir("below", text("second", "linked").hardLink(77, 4)),
			text("third", "linked").hardLink(77, 4),
			text("other device", "elsewhere").hardLink(77, 2).with(func(n *tree.Node) { n.Device = 1 }),
			symlink("symlink", "first").hardLink(1<<63+5, 2),
			symlink("symlink too", "first").hardLink(1<<63+5, 2),
			special("fifo", tree.FIFO, 0, "").hardLink(79, 3),
		),
		dir("sizes",
			text("empty", ""), text("one", "1"), text("inline", strings.Repeat("i", tree.MaxInline)),
			file("4095", piece{data: noise(1, 4095)}),
			file("4096", piece{data: noise(2, 4096)}),
			file("4097", piece{data: noise(3, 4097)}),
			file("3 MiB", piece{data: noise(4, 1<<20)}, piece{data: noise(5, 1<<20)}, piece{data: noise(6, 1<<20)}),
			file("odd parts", piece{data: noise(7, 1)}, piece{data: noise(8, 65537)}, piece{data: noise(9, 3)}, piece{data: noise(10, 300001)}),
			manyParts,
		),
		dir("holes",
			file("hole first", piece{hole: 1 << 20}, piece{data: noise(11, 5000)}),
			file("hole last", piece{data: noise(12, 8192)}, piece{hole: 3<<20 + 1}),
			file("hole between", piece{data: noise(13, 4096)}, piece{hole: 1 << 16}, piece{data: noise(14, 10)}),
			file("only hole", piece{hole: 5 << 20}),
			file("128 KiB", piece{hole: 128 << 10}), file("128 KiB and 1", piece{hole: 128<<10 + 1}).born(),
			file("4 MiB", piece{hole: 4 << 20}).born(), file("4 MiB and 1", piece{hole: 4<<20 + 1}).born(),
			file("huge", piece{data: noise(15, 4096)}, piece{hole: 1<<43 - 8192}, piece{data: noise(16, 4096)}),
		),
		dir("xattrs",
			text("user", "x").with(func(n *tree.Node) {
				n.Xattrs = []tree.Xattr{
					{Name: "user.binary", Value: []byte{0, 1, 255, '\n'}},
					{Name: "user.empty", Value: []byte{}},
					{Name: "user.large", Value: noise(17, 60000)},
					{Name: "user.\xff", Value: []byte("name that is not UTF-8")},
				}
			}),
			dir("acl").with(func(n *tree.Node) {
				n.Xattrs = []tree.Xattr{{Name: "system.posix_acl_access", Value: aclFor(1000, 5)}, {Name: "system.posix_acl_default", Value: aclFor(7, 4)}}
			}),
			text("capability", "x").with(func(n *tree.Node) {
				n.Xattrs = []tree.Xattr{{Name: "security.capability", Value: append([]byte{1, 0, 0, 2, 0, 32, 0, 0}, make([]byte, 12)...)}}
			}),
			symlink("trusted", "x").with(func(n *tree.Node) {
				n.Xattrs = []tree.Xattr{{Name: "trusted.overlay.opaque", Value: []byte("y")}}
			}),
		),
		dir("empty directory"),
		deep,
	), 0o711, 3, 4)
}

// aclFor returns a POSIX ACL as its xattr holds it (linux/posix_acl_xattr.h),
// that gives one user the permissions.
func aclFor(user uint32, permissions byte) []byte {
	acl := []byte{2, 0, 0, 0}
	for _, e := range []struct {
		tag, permissions byte
		id               uint32
	}{{1, 7, ^uint32(0)}, {2, permissions, user}, {4, 5, ^uint32(0)}, {16, 7, ^uint32(0)}, {32, 0, ^uint32(0)}} {
		acl = append(acl, e.tag, 0, e.permissions, 0, byte(e.id), byte(e.id>>8), byte(e.id>>16), byte(e.id>>24))
	}
	return acl
}

// dated returns a snapshot that was made some hours after another.
func dated(id string, hours int) Snapshot {
	return Snapshot{ID: strings.Repeat(id, 32/len(id)), Host: "host", Label: "label",
		Time: time.Date(2026, 11, 22, 13, 0, 0, 5, time.UTC).Add(time.Duration(hours) * time.Hour)}
}
