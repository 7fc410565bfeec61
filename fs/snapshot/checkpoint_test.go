package snapshot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"garret/fs/tree"
	"garret/fs/view"
	"garret/index"
)

// stopAfter closes Stop when so many data blobs have been stored.
func (b *bench) stopAfter(blobs int) {
	stop := make(chan struct{})
	b.o.Stop = stop
	b.o.Store = slow{b.store, func(kind index.Kind) {
		if kind == index.Data {
			if blobs--; blobs == 0 {
				close(stop)
			}
		}
	}, 0}
}

// goOn makes a run that nothing hinders.
func (b *bench) goOn() *Result {
	b.t.Helper()
	b.o.Stop, b.o.Store = nil, b.store
	return b.run()
}

// prefixes checks that all files of a partial snapshot are the source's, or the
// beginning of one and called so. It returns the unfinished one's path and size.
func (b *bench) prefixes(r *Result) (unfinished string, size uint64) {
	b.t.Helper()
	v := b.tree(r)
	for _, path := range paths(b.t, v) {
		e := resolve(b.t, v, path)
		if e.Type != tree.Regular {
			continue
		}
		name, cut := strings.CutSuffix(path, Unfinished)
		want, err := os.ReadFile(b.path(name))
		b.must(err)
		got := content(b.t, v, path)
		if cut {
			if unfinished != "" || len(got) == 0 || len(got) > len(want) || !bytes.HasPrefix(want, got) {
				b.t.Errorf("%s: %d bytes that are not the first of %d", path, len(got), len(want))
			}
			unfinished, size = path, uint64(len(got))
		} else if !bytes.Equal(got, want) {
			b.t.Errorf("%s is not whole", path)
		}
	}
	if r.Unfinished != unfinished || !r.Partial {
		b.t.Errorf("the result tells of %q, partial %t; there is %q", r.Unfinished, r.Partial, unfinished)
	}
	if unfinished != "" && r.UnfinishedSource != b.path(strings.TrimSuffix(unfinished, Unfinished)) {
		b.t.Errorf("its source is %q", r.UnfinishedSource)
	}
	return unfinished, size
}

// A disk image that takes days is not begun again from its start each time that
// the run is interrupted: not a byte that is stored is read again.
func TestResumeInFile(t *testing.T) {
	for i, size := range []int{5_000_000, (tree.MaxNodeParts + 200) * 2 * testParams.Avg, 5_000_000} { // in the node, and on pages
		b := newBench(t)
		b.write("a", noise(1, 3000))
		image := noise(2, size)
		if i == 2 {
			copy(image, "\x7fELF") // what is left of it is cut finely as well
		}
		b.write("image", image)
		b.write("image.txt", noise(3, 300))
		b.write("z/last", noise(4, 100_000))
		blobs := size / testParams.Avg / 5
		if i == 2 {
			blobs = size / testParams.Programs / 5
		}
		b.stopAfter(blobs)
		r := b.run()
		path, had := b.prefixes(r)
		if path != "image"+Unfinished || had < uint64(size/10) {
			t.Fatalf("%q, %d bytes", path, had)
		}
		b.parent(r).Partial = true
		b.stopAfter(blobs)
		r = b.run() // interrupted in the same file once more
		path, more := b.prefixes(r)
		if path != "image"+Unfinished || more <= had || r.Stats.BytesRead > more-had+4<<10 {
			t.Fatalf("%q: %d bytes, then %d; read %d", path, had, more, r.Stats.BytesRead)
		}
		b.parent(r).Partial = true
		b.o.Progress = &Progress{}
		r = b.goOn()
		b.noWarnings()
		b.same(b.tree(r))
		if rest := r.Stats.BytesTotal - more - 3000; r.Stats.BytesRead != rest || r.Partial || r.Unfinished != "" {
			t.Errorf("read %d bytes, %d were missing; %+v", r.Stats.BytesRead, rest, r)
		}
		if n := b.o.Progress.Bytes.Load(); n != r.Stats.BytesTotal {
			t.Errorf("progress: %d of %d", n, r.Stats.BytesTotal)
		}
		// As if there had been no interruption.
		whole := newBench(t)
		whole.dir, whole.o.Sources, whole.o.Root = b.dir, b.o.Sources, b.o.Root
		if w := whole.run(); w.Root.Dir != r.Root.Dir {
			t.Errorf("size %d: an interrupted run makes another tree", size)
		}
	}
}

// The beginning of a file is good only for the same file, and while its blobs
// are there.
func TestResumeOnlyWhatIsTheSame(t *testing.T) {
	const size = 5_000_000
	for _, c := range []struct {
		name   string
		change func(b *bench, v *view.Tree)
	}{
		{"appended to", func(b *bench, _ *view.Tree) { b.must(appendTo(b.path("image"), []byte("more"))) }},
		{"overwritten", func(b *bench, _ *view.Tree) { b.write("image", noise(7, size)) }},
		{"cut", func(b *bench, _ *view.Tree) { b.must(os.Truncate(b.path("image"), 100_000)) }},
		{"another file", func(b *bench, _ *view.Tree) {
			b.must(os.Rename(b.path("image"), b.path("old")))
			b.write("image", noise(8, size))
		}},
		{"larger, with the time that it had", func(b *bench, _ *view.Tree) { // whose size nobody knows any more
			b.o.Detection = MtimeSize
			info, err := os.Stat(b.path("image"))
			b.must(err)
			b.write("image", noise(7, size+1))
			b.must(os.Chtimes(b.path("image"), time.Time{}, info.ModTime()))
		}},
		{"a blob is lost", func(b *bench, v *view.Tree) {
			b.store.Lose(index.Data, resolve(b.t, v, "image"+Unfinished).Content.Parts[3].ID)
		}},
		{"changed when it is opened", func(b *bench, _ *view.Tree) {
			b.o.openFile = func(name string, open func() (file, error)) (file, error) {
				if name == "image" {
					b.must(appendTo(b.path("image"), []byte("more")))
				}
				return open()
			}
		}},
		{"changed while the rest is read", func(b *bench, _ *view.Tree) {
			b.touch("image", 1, func() error { return appendTo(b.path("image"), []byte("more")) })
		}},
		{"of a whole snapshot", func(b *bench, _ *view.Tree) { b.o.Parent.Partial = false }},
		{"every file is read", func(b *bench, _ *view.Tree) { b.o.Detection = AlwaysRead }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.write("image", noise(2, size))
			b.stopAfter(60)
			r := b.run()
			if path, _ := b.prefixes(r); path == "" {
				t.Fatal("nothing is unfinished")
			}
			b.parent(r).Partial = true
			c.change(b, b.tree(r))
			r = b.goOn()
			b.noWarnings()
			if st, err := os.Stat(b.path("image")); err != nil || r.Stats.BytesRead < uint64(st.Size()) {
				t.Errorf("read %d bytes: not all of it", r.Stats.BytesRead)
			}
			b.same(b.tree(r))
		})
	}
}

// fickle is a tree that cannot be read any more after so many loads.
type fickle struct {
	tree.Loader
	left int
}

func (f *fickle) Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error) {
	if f.left--; f.left < 0 {
		return nil, errors.New("the disk is gone")
	}
	return f.Loader.Blob(ctx, kind, id)
}

// A partial snapshot that cannot be read half-way through makes work, and loses
// nothing, at whatever moment that happens.
func TestResumeFromDamage(t *testing.T) {
	b := newBench(t)
	b.write("image", noise(2, (tree.MaxNodeParts+200)*2*testParams.Avg))
	b.stopAfter(tree.MaxNodeParts + 250)
	r := b.run()
	v := b.tree(r)
	image := resolve(t, v, "image"+Unfinished)
	if image.Content.Pages == (tree.Pages{}) {
		t.Fatal("the content list is not on pages")
	}
	for left := range 8 {
		b.parent(r).Partial = true
		b.o.Parent.Tree = view.New(&fickle{b.store, left}, r.Root, view.Options{})
		before, open := len(b.warnings), descriptors(t)
		again := b.goOn()
		b.same(b.tree(again))
		for _, w := range b.warnings {
			if !w.Notice {
				t.Errorf("after %d loads: %v (%d before)", left, w, before)
			}
		}
		if n := descriptors(t); n != open {
			t.Errorf("after %d loads: %d descriptors, %d before", left, n, open)
		}
	}
}

func TestResumeSparse(t *testing.T) {
	b := newBench(t)
	f, err := os.Create(b.path("image"))
	b.must(err)
	const page = 64 << 10
	for i := range int64(100) {
		_, err := f.WriteAt(noise(uint64(i), page), i*3*page)
		b.must(err)
	}
	b.must(f.Truncate(400 * page))
	b.must(f.Close())
	b.stopAfter(120)
	r := b.run()
	_, had := b.prefixes(r)
	b.parent(r).Partial = true
	r = b.goOn()
	b.same(b.tree(r))
	if had == 0 || r.Stats.BytesRead == 0 || r.Stats.BytesRead > 100*page-had/3+page {
		t.Errorf("had %d, read %d", had, r.Stats.BytesRead)
	}
	var holes uint64
	b.must(b.tree(r).Parts(context.Background(), resolve(t, b.tree(r), "image"), 0, func(_ uint64, p tree.Part) bool {
		if p.IsHole() {
			holes += p.Length
		}
		return true
	}))
	if holes != 300*page {
		t.Errorf("%d bytes of holes", holes)
	}
}

// A name that leaves no room for the mark is left out of a partial snapshot.
func TestUnfinishedLongName(t *testing.T) {
	b := newBench(t)
	long := strings.Repeat("n", 255)
	b.write("a", []byte("a"))
	b.write(long, noise(2, 5_000_000))
	b.stopAfter(60)
	r := b.run()
	if got := paths(t, b.tree(r)); !slices.Equal(got, []string{"", "a"}) || r.Unfinished != "" {
		t.Errorf("%q, %q", got, r.Unfinished)
	}
	b.parent(r).Partial = true
	b.same(b.tree(b.goOn()))
}

// While a run goes on, what it has stored so far is a sound tree from time to
// time, in directories and files alike, and the run is none the worse for it.
func TestCheckpoints(t *testing.T) {
	b := newBench(t)
	for i := range 100 {
		b.write("d"+nameOf(i%5)+"/"+nameOf(i), noise(uint64(i), 2000))
	}
	b.write("e/large", noise(9, 3_000_000))
	b.write("large", noise(10, 3_000_000))
	b.o.Filter = func(path string, n *tree.Node) Verdict {
		if path == "excluded" || strings.HasPrefix(path, "d"+nameOf(3)) {
			return Exclude
		}
		return Include
	}
	b.write("excluded/x", []byte("x"))
	want := b.run()
	b.store = newBench(t).store
	b.o.Store = slow{b.store, func(index.Kind) {}, 100 * time.Microsecond}
	var all []*Result
	b.o.CheckpointEvery = 2 * time.Millisecond
	b.o.Checkpoint = func(_ context.Context, r *Result) error {
		all = append(all, r)
		return nil
	}
	r := b.run()
	if r.Partial || r.Root.Dir != want.Root.Dir {
		t.Error("checkpoints change the tree")
	}
	inFile, last := 0, uint64(0)
	for i, c := range all {
		if c.Unfinished != "" {
			inFile++
		}
		if i%(1+len(all)/20) == 0 {
			b.prefixes(c)
		}
		if c.Root.Dir.Bytes < last || c.Root.Dir.Bytes != c.Stats.BytesTotal {
			t.Errorf("%d bytes after %d; counted %d", c.Root.Dir.Bytes, last, c.Stats.BytesTotal)
		}
		last = c.Root.Dir.Bytes
		if c.Stats.Files+c.Stats.Dirs-1 != c.Root.Dir.Total {
			t.Errorf("%+v, %+v", c.Stats, c.Root.Dir)
		}
	}
	if len(all) < 5 || inFile == 0 {
		t.Fatalf("%d checkpoints, %d in a file", len(all), inFile)
	}
	// The next run goes on from any of them.
	for _, c := range []*Result{all[0], all[len(all)/2], all[len(all)-1]} {
		b.o.Checkpoint = nil
		b.parent(c).Partial = true
		r := b.goOn()
		if r.Root.Dir != want.Root.Dir || r.Stats.BytesRead+c.Stats.BytesTotal != want.Stats.BytesRead {
			t.Errorf("from %d bytes: read %d of %d", c.Stats.BytesTotal, r.Stats.BytesRead, want.Stats.BytesRead)
		}
	}
	failed := errors.New("lost")
	b.o.Parent, b.o.CheckpointEvery = nil, time.Millisecond
	b.o.Checkpoint = func(context.Context, *Result) error { return failed }
	b.o.Store = slow{b.store, func(index.Kind) {}, 100 * time.Microsecond}
	if _, err := Run(context.Background(), b.o); !errors.Is(err, failed) {
		t.Errorf("a checkpoint that fails: %v", err)
	}
}
