package snapshot

import (
	"bytes"
	"context"
	"net"
	"os"
	"reflect"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/chunking"
	"garret/fs/tree"
	"garret/index"
)

// sizes around every border that content has.
func sizes() []int {
	p := testParams
	var all []int
	for _, n := range []int{0, 1, tree.MaxInline, p.Min, p.Avg, p.Max, 2 * p.Max, 3*p.Max + 7, 300 * p.Avg} {
		for _, d := range []int{-1, 0, 1} {
			if n+d >= 0 {
				all = append(all, n+d)
			}
		}
	}
	return all
}

// Whatever is in a directory is in the snapshot, as it is.
func TestEverything(t *testing.T) {
	b := newBench(t)
	for i, n := range sizes() {
		b.write("sizes/"+nameOf(i), noise(uint64(i), n))
	}
	b.write("odd/\xff\xfe \n'", []byte("bytes"))
	b.write("odd/"+strings.Repeat("n", 255), []byte("long"))
	b.write("odd/zeros", make([]byte, 5*testParams.Max))
	b.must(os.MkdirAll(b.path("empty/dir/in/dir"), 0o700))
	b.must(os.Symlink("sizes", b.path("link")))
	b.must(os.Symlink("/nowhere/"+strings.Repeat("x", 3000), b.path("dangling")))
	b.must(os.Link(b.path("odd/zeros"), b.path("zeros too")))
	b.must(os.Chmod(b.path("odd/zeros"), 0o7000&07777|os.ModeSetuid|os.ModeSticky|0o611))
	fifo(t, b.path("fifo"))
	l, err := net.Listen("unix", b.path("socket"))
	b.must(err)
	defer l.Close()
	b.must(unix.Setxattr(b.path("odd"), "user.dir", []byte("d"), 0))
	b.must(unix.Setxattr(b.path("odd/zeros"), "user.file", []byte("f"), 0))
	b.must(unix.Setxattr(b.path("sizes/f0000"), "user.empty", []byte("e"), 0))
	if b.root() {
		b.must(unix.Mknod(b.path("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		b.must(unix.Mknod(b.path("disk"), unix.S_IFBLK|0o660, int(unix.Mkdev(254, 77))))
		b.must(os.Lchown(b.path("link"), 12345, 54321))
		b.must(unix.Lsetxattr(b.path("fifo"), "trusted.fifo", []byte("t"), 0))
	}

	r := b.run()
	b.noWarnings()
	v := b.tree(r)
	b.same(v)
	for path, name := range map[string]string{"odd": "user.dir", "odd/zeros": "user.file", "zeros too": "user.file", "sizes/f0000": "user.empty"} {
		if x := resolve(t, v, path).Xattrs; len(x) != 1 || x[0].Name != name {
			t.Errorf("%s: attributes %v, want %s", path, x, name)
		}
	}
	a, _ := resolve(t, v, "odd/zeros").HardLink()
	c, linked := resolve(t, v, "zeros too").HardLink()
	if !linked || a != c {
		t.Errorf("the two names are not one file: %v %v", a, c)
	}
	if got := resolve(t, v, "odd/zeros"); b.root() && got.User != "root" || got.BirthTime.IsZero() {
		t.Errorf("user %q, born %v", got.User, got.BirthTime)
	}
	s := r.Stats
	if s.Files != uint64(len(sizes())+4) || s.Linked != 1 || s.New+s.Linked != s.Files || s.Unmodified != 0 || s.Dirs != 7 {
		t.Errorf("%+v", s)
	}
	if s.BytesTotal != r.Root.Dir.Bytes || s.Files+s.Dirs-1+s.Others != r.Root.Dir.Total {
		t.Errorf("%+v does not fit %+v", s, r.Root.Dir)
	}
	if st := b.store.Stats(); s.BlobsAdded != uint64(st.Puts) || s.BytesAdded != uint64(st.Bytes) {
		t.Errorf("%+v, the store got %+v", s, st)
	}
	if len(r.Devices) != 1 || string(r.Devices[0].Mount) != b.dir || r.Devices[0].Newest.IsZero() {
		t.Errorf("devices %+v", r.Devices)
	}
}

// The result and the order of what is stored do not depend on the number of
// readers.
func TestOrderIsTheWalks(t *testing.T) {
	b := newBench(t)
	for i := range 200 {
		b.write("d"+nameOf(i%7)+"/"+nameOf(i), noise(uint64(i), i*i*2))
	}
	var first []index.ID
	var root *tree.Node
	for workers := 1; workers <= 8; workers *= 2 {
		rec := &recorder{Store: b.store}
		b.o.Store, b.o.Workers = rec, workers
		r := b.run()
		if first == nil {
			first, root = rec.order, r.Root
			continue
		}
		if !slices.Equal(first, rec.order) || !reflect.DeepEqual(root, r.Root) {
			t.Errorf("%d readers store in another order, or something else", workers)
		}
	}
	if len(first) < 200 {
		t.Fatalf("only %d blobs", len(first))
	}
}

type recorder struct {
	Store
	order []index.ID
}

func (r *recorder) Put(ctx context.Context, kind index.Kind, id index.ID, data []byte) (bool, error) {
	r.order = append(r.order, id)
	return r.Store.Put(ctx, kind, id, data)
}

func (r *recorder) PutPart(ctx context.Context, id index.ID, data []byte) (bool, error) {
	return r.Put(ctx, index.Data, id, data)
}

// parts counts the pieces that are stored as parts of a large file.
type parts struct {
	Store
	bytes int
}

func (p *parts) PutPart(ctx context.Context, id index.ID, data []byte) (bool, error) {
	p.bytes += len(data)
	return p.Store.PutPart(ctx, id, data)
}

// What belongs to a large file is stored as a part of one, and nothing else.
func TestPartsOfLargeFiles(t *testing.T) {
	b := newBench(t)
	b.write("below", noise(1, tree.LargeFile-1))
	b.write("large", noise(2, tree.LargeFile+1))
	b.write("small", noise(3, 5000))
	p := &parts{Store: b.store}
	b.o.Store = p
	b.run()
	if p.bytes != tree.LargeFile+1 {
		t.Errorf("%d bytes are stored as parts of a large file, want %d", p.bytes, tree.LargeFile+1)
	}
}

func TestSparse(t *testing.T) {
	const page = 64 << 10
	b := newBench(t)
	make := func(name string, size int64, at ...int64) {
		f, err := os.Create(b.path(name))
		b.must(err)
		defer f.Close()
		for _, off := range at {
			_, err = f.WriteAt(noise(uint64(off), page), off)
			b.must(err)
		}
		b.must(f.Truncate(size))
	}
	make("hole", 10*page)
	make("middle", 10*page, 4*page)
	make("ends", 10*page, 0, 9*page)
	make("small end", page+5, 0)
	make("huge", 5<<40, 5<<39) // five terabytes, of which 64 KiB are there
	var at []int64
	for i := range int64(150) { // more parts than stand in a node
		at = append(at, 2*page*i)
	}
	make("many", 300*page, at...)
	r := b.run()
	b.noWarnings()
	v := b.tree(r)
	for name, want := range map[string][]uint64{ // lengths of hole, data, hole, …
		"hole": {10 * page}, "middle": {4 * page, page, 5 * page}, "ends": {0, page, 8 * page, page},
		"huge": {5 << 39, page, 5<<39 - page},
	} {
		var got []uint64
		hole := true
		got = append(got, 0)
		for _, p := range resolve(t, v, name).Content.Parts {
			if p.IsHole() != hole {
				hole = !hole
				got = append(got, 0)
			}
			got[len(got)-1] += p.Length
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: holes and data of %d, want %d", name, got, want)
		}
	}
	for _, name := range []string{"hole", "middle", "ends", "small end", "many"} {
		b.sameEntry(v, name)
	}
	if e := resolve(t, v, "many"); e.Content.Pages.Level == 0 && e.Content.Pages.Parts < 300 {
		t.Errorf("content list %+v", e.Content)
	}
	if r.Stats.BytesRead != 155*page {
		t.Errorf("%d bytes read: holes are read too", r.Stats.BytesRead)
	}
	b.parent(r)
	if r := b.run(); r.Stats.FilesRead != 0 || !reflect.DeepEqual(resolve(t, b.tree(r), "many").Content, resolve(t, v, "many").Content) {
		t.Errorf("the unchanged content list: %+v", r.Stats)
	}
}

// An inode with several names is read once.
func TestHardLinks(t *testing.T) {
	b := newBench(t)
	data := noise(1, 500_000)
	b.write("a/first", data)
	b.write("small", []byte("inline"))
	for _, name := range []string{"a/second", "b", "c"} {
		b.must(os.Link(b.path("a/first"), b.path(name)))
	}
	b.must(os.Link(b.path("small"), b.path("tiny")))
	b.must(os.Symlink("x", b.path("link")))
	b.must(unix.Linkat(unix.AT_FDCWD, b.path("link"), unix.AT_FDCWD, b.path("link2"), 0))
	fifo(t, b.path("p"))
	b.must(os.Link(b.path("p"), b.path("q")))
	r := b.run()
	b.noWarnings()
	v := b.tree(r)
	b.same(v)
	if r.Stats.FilesRead != 2 || r.Stats.BytesRead != 500_006 || r.Stats.Linked != 4 {
		t.Errorf("%+v", r.Stats)
	}
	for _, pair := range [][2]string{{"link", "link2"}, {"p", "q"}} {
		one, ok := resolve(t, v, pair[0]).HardLink()
		other, _ := resolve(t, v, pair[1]).HardLink()
		if !ok || one != other {
			t.Errorf("%v are not one", pair)
		}
	}
	if !slices.Contains(b.items, "h c") || !slices.Contains(b.items, "A a/first") {
		t.Errorf("%q", b.items)
	}
	b.parent(r)
	if r := b.run(); r.Stats.FilesRead != 0 {
		t.Errorf("unchanged: %+v", r.Stats)
	}
}

// What one name of a file shares is forgotten with its last name.
func TestLinksAreForgotten(t *testing.T) {
	b := newBench(t)
	for i := range 50 {
		b.write(nameOf(i), noise(uint64(i), 1000))
		b.must(os.Link(b.path(nameOf(i)), b.path(nameOf(i)+"b")))
	}
	l := &links{}
	for range 2 {
		for i := range 50 {
			for _, name := range []string{nameOf(i), nameOf(i) + "b"} {
				e := &entry{}
				b.must(statPath(b.path(name), e))
				l.meet(e)
				if (e.how == fromLink) != strings.HasSuffix(name, "b") {
					t.Fatalf("%s: %d", name, e.how)
				}
				if e.how != fromLink {
					l.fill(e.link, &tree.Node{Content: tree.Content{Parts: make([]tree.Part, 100)}})
				}
				if e.forget != nil {
					l.forgotten(e.forget)
				}
			}
		}
		if len(l.byInode) != 0 || l.bytes.Load() != 0 {
			t.Errorf("%d links of %d bytes are kept", len(l.byInode), l.bytes.Load())
		}
	}
}

// Memory does not grow with a file's size, nor with a directory's.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	b := newBench(t)
	f, err := os.Create(b.path("big"))
	b.must(err)
	chunk := bytes.Repeat(noise(1, 1<<16), 16)
	for range 96 {
		_, err = f.Write(chunk)
		b.must(err)
	}
	f.Close()
	for i := range 8000 {
		b.must(os.WriteFile(b.path("many-"+nameOf(i)), nil, 0o600))
	}
	b.o.Store, b.o.Item, b.o.openFile = forgetful{b.store}, nil, nil
	b.o.Chunker = testChunker(t, chunking.Default())
	heap := func() int64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return int64(sample[0].Value.Uint64())
	}
	runtime.GC()
	before, most := heap(), int64(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.run()
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(time.Millisecond):
			most = max(most, heap()-before)
		}
	}
	t.Logf("heap grew by at most %d MiB", most>>20)
	if most > ringBudget+24<<20 {
		t.Errorf("heap grew by %d MiB", most>>20)
	}
}

// forgetful keeps nothing.
type forgetful struct{ Store }

func (forgetful) Put(context.Context, index.Kind, index.ID, []byte) (bool, error) { return true, nil }

// A program is cut finely, read at once, in pieces or from a pipe.
func TestPrograms(t *testing.T) {
	b := newBench(t)
	for name, size := range map[string]int{"small": testParams.Max - 1, "large": 1 << 20} {
		data := noise(5, size)
		copy(data, "\x7fELF")
		b.write(name, data)
	}
	r := b.run()
	b.noWarnings()
	v := b.tree(r)
	for _, name := range []string{"small", "large"} {
		data := content(t, v, name)
		var want, got []int
		for rest := data; len(rest) > 0; rest = rest[want[len(want)-1]:] {
			want = append(want, b.o.Chunker.For(data).Cut(rest))
		}
		b.must(v.Parts(t.Context(), resolve(t, v, name), 0, func(_ uint64, p tree.Part) bool {
			got = append(got, int(p.Length))
			return true
		}))
		if !slices.Equal(got, want) {
			t.Errorf("%s is cut into %v, not %v", name, got, want)
		}
		before := b.store.Len(index.Data)
		if _, err := RunReader(t.Context(), b.o, name, bytes.NewReader(data)); err != nil || b.store.Len(index.Data) != before {
			t.Errorf("%s from a pipe: %d new blobs, %v", name, b.store.Len(index.Data)-before, err)
		}
	}
}
