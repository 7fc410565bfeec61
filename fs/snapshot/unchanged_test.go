package snapshot

import (
	"bytes"
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"garret/fs/source"
	"garret/fs/tree"
	"garret/fs/view"
	"garret/index"
)

// The rule by which a file's times are believed. A mistake to one side loses a
// change, to the other reads everything again.
func TestYoung(t *testing.T) {
	started := time.Unix(1_700_000_000, 500_000_000)
	at := func(d time.Duration) tree.Time { return tree.TimeOf(started.Add(d)) }
	const ms = time.Millisecond
	old := at(-time.Hour)
	whole := tree.Time{Sec: started.Unix() - 1} // 1.5 s before
	local, nfs, fat := source.Classify("ext4"), source.Classify("nfs4"), source.Classify("vfat")
	for _, c := range []struct {
		name         string
		fs           source.FileSystem
		network      bool // said the parent
		mtime, ctime tree.Time
		newest       tree.Time
		young        bool
	}{
		{"long before", local, false, old, old, old, false},
		{"one tick before", local, false, at(-20 * ms), at(-20 * ms), old, false},
		{"within a tick before", local, false, old, at(-20*ms + 1), old, true},
		{"content within a tick before", local, false, at(-20*ms + 1), old, old, true},
		{"at the start", local, false, at(0), at(0), old, true},
		{"after it", local, false, old, at(time.Second), old, true},
		{"modified in the future", local, false, at(time.Hour), old, old, true},
		{"the newest of a local file system", local, false, old, old, old, false},
		{"two seconds before, network", nfs, false, at(-2000 * ms), at(-2000 * ms), tree.Time{}, false},
		{"less, network", nfs, false, old, at(-2000*ms + 1), tree.Time{}, true},
		{"less, FAT", fat, false, at(-2000*ms + 1), old, tree.Time{}, true},
		{"less, network for the parent", local, true, old, at(-2000*ms + 1), tree.Time{}, true},
		{"the newest, network", nfs, true, at(-time.Hour), at(-time.Hour), old, true},
		{"modified at the newest, network", nfs, true, old, at(-2 * time.Hour), old, true},
		{"older than the newest, network", nfs, true, at(-2 * time.Hour), at(-2 * time.Hour), old, false},
		{"newer than the newest, network", nfs, true, at(-time.Minute), at(-time.Minute), old, false},
		{"whole seconds", local, false, old, whole, old, true},
		{"whole seconds, long before", local, false, old, tree.Time{Sec: whole.Sec - 1}, old, false},
		{"modification time of whole seconds", local, false, whole, at(-time.Second), old, false},
	} {
		st := &source.Stat{ModTime: c.mtime, ChangeTime: c.ctime}
		p := &Parent{Started: started, Devices: []Device{{}, {Network: c.network, Newest: c.newest}}}
		if got := CtimeSizeInode.young(st, &device{system: c.fs}, &tree.Node{Device: 1}, p); got != c.young {
			t.Errorf("%s: young %t, want %t", c.name, got, c.young)
		}
	}
	// A device that the parent does not tell of.
	st := &source.Stat{ModTime: old, ChangeTime: old}
	if CtimeSizeInode.young(st, &device{system: nfs}, &tree.Node{Device: 7}, &Parent{Started: started}) {
		t.Error("without devices everything is young")
	}
}

func TestUnchangedNeedsEverythingTheSame(t *testing.T) {
	started := time.Now()
	old := tree.TimeOf(started.Add(-time.Hour))
	p := &Parent{Started: started}
	for _, c := range []struct {
		name   string
		change func(st *source.Stat, n *tree.Node)
		how    Detection
		want   bool
	}{
		{"nothing", func(*source.Stat, *tree.Node) {}, 0, true},
		{"nothing", func(*source.Stat, *tree.Node) {}, AlwaysRead, false},
		{"nothing", func(*source.Stat, *tree.Node) {}, Rechunk, false},
		{"type", func(_ *source.Stat, n *tree.Node) { n.Type = tree.FIFO }, MtimeSize, false},
		{"size", func(st *source.Stat, _ *tree.Node) { st.Size++ }, MtimeSize, false},
		{"mtime", func(st *source.Stat, _ *tree.Node) { st.ModTime.Nsec ^= 1 }, 0, false},
		{"mtime", func(st *source.Stat, _ *tree.Node) { st.ModTime.Nsec ^= 1 }, MtimeSize, false},
		{"ctime", func(st *source.Stat, _ *tree.Node) { st.ChangeTime.Nsec ^= 1 }, 0, false},
		{"ctime", func(st *source.Stat, _ *tree.Node) { st.ChangeTime.Nsec ^= 1 }, MtimeSizeInode, true},
		{"young ctime", func(st *source.Stat, _ *tree.Node) { st.ChangeTime = tree.TimeOf(started) }, MtimeSizeInode, true},
		{"inode", func(st *source.Stat, _ *tree.Node) { st.Ino++ }, 0, false},
		{"inode", func(st *source.Stat, _ *tree.Node) { st.Ino++ }, MtimeSizeInode, false},
		{"inode", func(st *source.Stat, _ *tree.Node) { st.Ino++ }, MtimeSize, true},
	} {
		st := &source.Stat{Ino: 5, Size: 9, ModTime: old, ChangeTime: old}
		n := &tree.Node{Type: tree.Regular, Inode: 5, Size: 9, ModTime: old, ChangeTime: old}
		c.change(st, n)
		if got := c.how.unchanged(st, &device{}, n, p); got != c.want {
			t.Errorf("%s differs, detection %d: unchanged %t", c.name, c.how, got)
		}
	}
}

func TestNewer(t *testing.T) {
	a, b := tree.Time{Sec: 10}, tree.Time{Sec: 20}
	if newer(a, &tree.Node{ChangeTime: b, ModTime: tree.Time{Sec: 99}}) != b {
		t.Error("a modification time in the future hides the newest change")
	}
	if newer(b, &tree.Node{ChangeTime: a}) != b || newer(a, &tree.Node{ModTime: b}) != b {
		t.Error("not the newest")
	}
}

// A tree that has not changed is stored again without a file being opened; of
// one that has, exactly the changed files are.
func TestOnlyChangedFilesAreOpened(t *testing.T) {
	b := newBench(t)
	for i := range 600 { // more than a cursor loads at once
		b.write("many/"+nameOf(i), noise(uint64(i), i*17))
	}
	b.write("a/inline", []byte("inline"))
	b.write("a/large", noise(7, 2_000_000))
	b.write("b/empty", nil)
	b.write("z", noise(8, 100_000))
	first := b.run()
	puts := b.store.Stats().Puts
	b.parent(first)

	r := b.run()
	b.noWarnings()
	if r.Stats.FilesRead != 0 || len(b.opened) != 0 || r.Stats.Unmodified != 604 || r.Stats.BytesRead != 0 {
		t.Errorf("unchanged: %+v, opened %q", r.Stats, b.opened)
	}
	if r.Root.Dir != first.Root.Dir || b.store.Stats().Puts != puts || r.Stats.BlobsAdded != 0 {
		t.Errorf("unchanged: another tree, %+v", r.Stats)
	}

	b.write("many/"+nameOf(300), []byte("changed, to another length than it had"))
	b.write("many/"+nameOf(599), bytes.Repeat([]byte{1}, 599*17)) // of the same length
	b.write("many/new", []byte("new"))
	b.must(os.Rename(b.path("z"), b.path("y")))
	b.must(os.Remove(b.path("b/empty")))
	b.must(os.Chmod(b.path("a/large"), 0o600))
	r = b.run()
	b.noWarnings()
	want := []string{nameOf(300), nameOf(599), "large", "new", "y"}
	slices.Sort(b.opened)
	if !slices.Equal(b.opened, want) || r.Stats.FilesRead != 5 || r.Stats.Modified != 3 || r.Stats.New != 2 || r.Stats.Unmodified != 599 {
		t.Errorf("opened %q, want %q; %+v", b.opened, want, r.Stats)
	}
	b.same(b.tree(r))
	for _, item := range []string{"M many/" + nameOf(300), "A many/new", "U many/" + nameOf(301), "M a/large", "A y", "d many"} {
		if !slices.Contains(b.items, item) {
			t.Errorf("%q is not told", item)
		}
	}
}

// The times of files that were written just before, or while, the parent ran
// prove nothing.
func TestYoungFilesAreReadAgain(t *testing.T) {
	b := newBench(t)
	b.write("f", noise(1, 1000))
	r := b.run()
	written := resolve(t, b.tree(r), "f").ChangeTime.Time()
	b.parent(r).Started = written.Add(19 * time.Millisecond)
	if r := b.run(); r.Stats.FilesRead != 1 || r.Stats.Same != 1 || !slices.Contains(b.items, "U f") {
		t.Errorf("written 19 ms before the parent's run: %+v", r.Stats)
	}
	b.o.Parent.Started = written.Add(2 * time.Second) // enough where seconds are kept only, too
	if r := b.run(); r.Stats.FilesRead != 0 || r.Stats.Unmodified != 1 {
		t.Errorf("written 2 s before the parent's run: %+v", r.Stats)
	}
}

// What the repository has lost, or is about to delete, is stored again from
// the source, though the file has not changed.
func TestLostContentIsReadAgain(t *testing.T) {
	b := newBench(t)
	b.write("lost", noise(1, 300_000))
	b.write("kept", noise(2, 300_000))
	b.write("inline", []byte("inline"))
	b.write("paged", noise(3, 300*testParams.Avg*2))
	r := b.run()
	v := b.tree(r)
	paged := resolve(t, v, "paged")
	if paged.Content.Pages == (tree.Pages{}) {
		t.Fatal("the content list is not on pages")
	}
	parts := resolve(t, v, "lost").Content.Parts
	b.store.Lose(index.Data, parts[len(parts)-1].ID)
	b.parent(r)
	r = b.run()
	if !slices.Equal(b.opened, []string{"lost"}) || r.Stats.BlobsAdded != 1 {
		t.Errorf("opened %q, %d blobs added", b.opened, r.Stats.BlobsAdded)
	}
	b.same(b.tree(r))

	var last index.ID
	b.must(v.Parts(context.Background(), paged, 0, func(_ uint64, p tree.Part) bool {
		last = p.ID
		return true
	}))
	b.store.Lose(index.Data, last)
	r = b.run()
	if !slices.Equal(b.opened, []string{"paged"}) || r.Stats.BlobsAdded != 1 {
		t.Errorf("paged: opened %q, %d blobs added", b.opened, r.Stats.BlobsAdded)
	}
	b.same(b.tree(r))

	// A page of the list that may not be relied on is stored again, unread.
	b.o.Store = without{b.store, paged.Content.Pages.ID}
	b.o.Parent.Tree = v
	r = b.run()
	if len(b.opened) != 0 || r.Stats.BlobsAdded != 1 {
		t.Errorf("page: opened %q, %d blobs added", b.opened, r.Stats.BlobsAdded)
	}
}

// without does not rely on one blob.
type without struct {
	Store
	id index.ID
}

func (w without) Has(kind index.Kind, id index.ID) bool { return id != w.id && w.Store.Has(kind, id) }

func (w without) Put(ctx context.Context, kind index.Kind, id index.ID, data []byte) (bool, error) {
	added, err := w.Store.Put(ctx, kind, id, data)
	return added || id == w.id, err
}

func (w without) PutPart(ctx context.Context, id index.ID, data []byte) (bool, error) {
	return w.Put(ctx, index.Data, id, data)
}

// A parent whose tree is damaged costs time, not a backup.
func TestDamagedParent(t *testing.T) {
	b := newBench(t)
	b.write("a/f", noise(1, 1000))
	b.write("b/f", noise(2, 1000))
	r := b.run()
	lost := resolve(t, b.tree(r), "a").Dir.ID
	b.parent(r)
	b.o.Parent.Tree = view.New(b.store, r.Root, view.Options{})
	b.store.Lose(index.Tree, lost)
	r = b.run()
	if r.Stats.FilesRead != 1 || r.Stats.Unmodified != 1 || r.Warnings != 0 {
		t.Errorf("%+v", r)
	}
	b.warned(b.path("a/f"), ErrParentTree)
	b.same(b.tree(r))
}

// After a run that was stopped, what it did not reach is looked up in the
// complete snapshot before it.
func TestOlderParent(t *testing.T) {
	b := newBench(t)
	for i := range 500 {
		b.write(nameOf(i), noise(uint64(i), 500))
	}
	complete := b.parent(b.run())
	stop := make(chan struct{})
	b.o.Stop = stop
	item := b.o.Item
	b.o.Item = func(i Item) {
		if item(i); i.Path == nameOf(200) {
			close(stop)
		}
	}
	b.write(nameOf(0), []byte("changed"))
	r := b.run()
	if !r.Partial {
		t.Fatal("not partial")
	}
	if n := r.Root.Dir.Entries; n < 201 || n > 499 {
		t.Fatalf("%d entries", n)
	}
	b.o.Stop, b.o.Item = nil, item
	b.parent(r).Older = complete
	r = b.run()
	if r.Partial || r.Stats.FilesRead != 0 || r.Root.Dir.Entries != 500 {
		t.Errorf("%+v", r)
	}
	b.same(b.tree(r))
}
