package snapshot

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"testing"

	"garret/fs/source"
	"garret/fs/tree"
)

// touched is a file to which something happens at some read.
type touched struct {
	file
	reads int
	at    int // which read, 0 the first; -1 every one
	do    func() error
}

func (f *touched) ReadAt(p []byte, off int64) (int, error) {
	now := f.at < 0 || f.reads == f.at
	f.reads++
	if now {
		if err := f.do(); err != nil {
			return 0, err
		}
	}
	return f.file.ReadAt(p, off)
}

// touch has do called at a read of the file called name.
func (b *bench) touch(name string, at int, do func() error) {
	b.o.openFile = func(opened string, open func() (file, error)) (file, error) {
		f, err := open()
		if err == nil && opened == name {
			f = &touched{file: f, at: at, do: do}
		}
		return f, err
	}
}

func appendTo(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(data)
	return err
}

// A file to which something happens while it is read is kept as read, with the
// length that was read, and the user is told. Nothing of it is believed at the
// next run.
func TestFilesChangeWhileRead(t *testing.T) {
	const large, bound = 5_000_000, 4_000_000
	for _, c := range []struct {
		name   string
		size   int
		at     int
		do     func(path string) error
		reason error
	}{
		{"large grows", large, 1, func(p string) error { return appendTo(p, noise(2, 3000)) }, ErrChanged},
		{"large shrinks", large, 2, func(p string) error { return os.Truncate(p, 3_500_000) }, ErrChanged},
		{"large shrinks to what was read", large, 3, func(p string) error { return os.Truncate(p, 1000) }, ErrChanged},
		{"large vanishes", large, 1, os.Remove, ErrVanished},
		{"large is overwritten", large, 1, func(p string) error {
			f, err := os.OpenFile(p, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt([]byte("x"), 4_000_000)
			return err
		}, ErrChanged},
		{"large becomes unreadable", large, 2, func(string) error { return syscall.EIO }, ErrTruncated},
		{"small grows at every read", 1000, -1, func(p string) error { return appendTo(p, noise(3, 10)) }, ErrChanged},
		{"small shrinks at every read", 1000, -1, func(p string) error {
			s, err := os.Stat(p)
			if err == nil {
				err = os.Truncate(p, s.Size()-10)
			}
			return err
		}, ErrChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.write("a", []byte("before"))
			b.write("f", noise(1, c.size))
			b.write("z", []byte("behind"))
			b.o.Workers, b.o.maxReread = 1, bound
			b.touch("f", c.at, func() error { return c.do(b.path("f")) })
			r := b.run()
			b.warned(b.path("f"), c.reason)
			v := b.tree(r)
			got := content(t, v, "f")
			if e := resolve(t, v, "f"); e.Size != uint64(len(got)) {
				t.Errorf("recorded %d bytes, stored %d", e.Size, len(got))
			}
			if c.reason == ErrVanished && len(got) != c.size {
				t.Errorf("%d bytes, want %d", len(got), c.size)
			}
			if whole := noise(1, c.size); c.reason != ErrChanged && !bytes.HasPrefix(whole, got) {
				t.Error("the content is not the file's")
			}
			if r.Warnings != 1 || !slices.Contains(b.items, "C f") || string(content(t, v, "z")) != "behind" {
				t.Errorf("%+v, %q", r, b.items)
			}
			if _, err := os.Stat(b.path("f")); err == nil && c.reason == ErrChanged {
				b.o.openFile = nil
				b.parent(r)
				if r := b.run(); r.Stats.FilesRead != 1 {
					t.Errorf("the next run believes it: %+v", r.Stats)
				}
				b.same(b.tree(b.run()))
			}
		})
	}
}

// A file that changes while it is read is read once more, whatever of it has been
// sent on: what is stored then is one state of it. At the next run it counts.
func TestFilesAreReadAgain(t *testing.T) {
	const size = 5_000_000
	for _, c := range []struct {
		name string
		at   int
		do   func(path string) error
		want int // size
	}{
		{"grows at once", 0, func(p string) error { return appendTo(p, noise(2, 3000)) }, size + 3000},
		{"grows", 2, func(p string) error { return appendTo(p, noise(2, 3000)) }, size + 3000},
		{"shrinks", 3, func(p string) error { return os.Truncate(p, 1_500_000) }, 1_500_000},
		{"shrinks to one chunk", 3, func(p string) error { return os.Truncate(p, 1000) }, 1000},
		{"shrinks to nothing", 3, func(p string) error { return os.Truncate(p, 0) }, 0},
		{"its beginning is overwritten", 4, func(p string) error {
			f, err := os.OpenFile(p, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteAt(noise(5, 100_000), 0)
			return err
		}, size},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.write("a", []byte("before"))
			b.write("f", noise(1, size))
			b.write("z", noise(4, 200_000))
			b.o.Progress = &Progress{}
			b.touch("f", c.at, func() error { return c.do(b.path("f")) })
			r := b.run()
			b.noWarnings()
			b.same(b.tree(r))
			if e := resolve(t, b.tree(r), "f"); e.Size != uint64(c.want) || r.Stats.Changed != 0 {
				t.Errorf("%d bytes, want %d; %+v", e.Size, c.want, r.Stats)
			}
			if r.Stats.BytesRead <= r.Stats.BytesTotal || b.o.Progress.Bytes.Load() != r.Stats.BytesTotal {
				t.Errorf("read %d of %d bytes, progress tells %d", r.Stats.BytesRead, r.Stats.BytesTotal, b.o.Progress.Bytes.Load())
			}
		})
	}
	b := newBench(t)
	b.write("f", noise(1, size))
	reads := 0
	b.touch("f", -1, func() error { reads++; return appendTo(b.path("f"), []byte("x")) })
	r := b.run()
	b.warned(b.path("f"), ErrChanged)
	if r.Stats.Changed != 1 || r.Stats.Reasons[WasChanged] != 1 || r.Stats.BytesRead < 2*size || r.Stats.BytesRead > 3*size {
		t.Errorf("a file that changes all the time: %+v", r.Stats)
	}
}

// A change between the walk and the opening of a small file is not worth a
// word: what is stored is one state of it, with that state's metadata.
func TestSmallFileChangedBeforeItIsRead(t *testing.T) {
	b := newBench(t)
	b.write("f", []byte("short"))
	data := noise(1, 2000)
	b.touch("f", 0, func() error { return os.WriteFile(b.path("f"), data, 0o600) })
	r := b.run()
	b.noWarnings()
	b.same(b.tree(r))
}

// What cannot be read at all is left out, and told.
func TestUnreadable(t *testing.T) {
	denied := &fs.PathError{Op: "open", Err: syscall.EACCES}
	for _, c := range []struct {
		name string
		set  func(b *bench)
		want error
	}{
		{"open", func(b *bench) {
			b.o.openFile = func(string, func() (file, error)) (file, error) { return nil, denied }
		}, syscall.EACCES},
		{"gone", func(b *bench) {
			b.o.openFile = func(_ string, open func() (file, error)) (file, error) {
				os.Remove(b.path("f"))
				return open()
			}
		}, fs.ErrNotExist},
		{"read", func(b *bench) { b.touch("f", -1, func() error { return syscall.EIO }) }, syscall.EIO},
		{"now a FIFO", func(b *bench) {
			b.o.openFile = func(_ string, open func() (file, error)) (file, error) {
				os.Remove(b.path("f"))
				fifo(b.t, b.path("f"))
				return open()
			}
		}, ErrNotRegular},
		{"now a link", func(b *bench) {
			b.o.openFile = func(_ string, open func() (file, error)) (file, error) {
				os.Remove(b.path("f"))
				b.must(os.Symlink("/etc/passwd", b.path("f")))
				return open()
			}
		}, syscall.ELOOP},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.write("f", noise(1, 1000))
			b.must(os.MkdirAll(b.path("d"), 0o700))
			c.set(b)
			r := b.run()
			b.warned(b.path("f"), c.want)
			if got := paths(t, b.tree(r)); !slices.Equal(got, []string{"", "d"}) {
				t.Errorf("stored %q", got)
			}
			if r.Stats.Errors != 1 || !slices.Contains(b.items, "E f") {
				t.Errorf("%+v %q", r.Stats, b.items)
			}
		})
	}
	t.Run("both names", func(t *testing.T) {
		b := newBench(t)
		b.write("f", noise(1, 1000))
		b.must(os.Link(b.path("f"), b.path("g")))
		b.o.openFile = func(string, func() (file, error)) (file, error) { return nil, denied }
		if r := b.run(); r.Warnings != 2 || r.Root.Dir.Entries != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// What vanishes between the listing of its directory and the look at it is told:
// nothing that was there is left out without a word.
func TestVanishes(t *testing.T) {
	b := newBench(t)
	b.write("a", []byte("a"))
	b.write("d/in", []byte("in"))
	b.write("f", []byte("f"))
	b.o.Filter = func(path string, _ *tree.Node) Verdict {
		if path == "a" {
			b.must(os.RemoveAll(b.path("d")))
			b.must(os.Remove(b.path("f")))
		}
		return Include
	}
	r := b.run()
	if len(b.warnings) != 2 || !errors.Is(b.warnings[0].Err, ErrGone) || b.warnings[1].Path != b.path("f") || b.warnings[1].Notice {
		t.Errorf("warnings %v", b.warnings)
	}
	if !slices.Contains(b.items, "E d") || !slices.Contains(b.items, "E f") || r.Stats.Errors != 2 || r.Stats.Reasons[HasVanished] != 2 {
		t.Errorf("%q, %+v", b.items, r.Stats)
	}
	if got := paths(t, b.tree(r)); !slices.Equal(got, []string{"", "a"}) {
		t.Errorf("stored %q", got)
	}
}

// One name of a file that is replaced, or cannot be read, must not take the
// others with it.
func TestFirstNameIsReplaced(t *testing.T) {
	for _, size := range []int{100, 1000, 1_000_000} {
		for _, unreadable := range []bool{false, true} {
			b := newBench(t)
			old, other := noise(1, size), noise(2, size)
			b.write("f", old)
			b.must(os.Link(b.path("f"), b.path("g")))
			b.must(os.Link(b.path("f"), b.path("h")))
			opened := 0
			b.o.openFile = func(_ string, open func() (file, error)) (file, error) {
				if opened++; opened == 1 {
					if unreadable {
						return nil, syscall.EIO
					}
					b.write("new", other)
					b.must(os.Rename(b.path("new"), b.path("f")))
				}
				return open()
			}
			v := b.tree(b.run())
			if !unreadable {
				b.noWarnings()
				if !bytes.Equal(content(t, v, "f"), other) {
					t.Error("f is not what it was replaced by")
				}
			}
			for _, name := range []string{"g", "h"} {
				if !bytes.Equal(content(t, v, name), old) {
					t.Errorf("size %d: %s has content of another file", size, name)
				}
			}
		}
	}
}

// endless is a pseudo file: it says that it is empty, and never ends.
type endless struct{ file }

func (endless) ReadAt(p []byte, off int64) (int, error) { return len(p), nil }

func TestPseudoFileEnds(t *testing.T) {
	b := newBench(t)
	b.write("f", []byte("x"))
	d, err := source.NewHandles(1).OpenRoot(b.dir)
	b.must(err)
	f, err := d.OpenFile(source.NewName("f"))
	b.must(err)
	b.o.openFile = func(string, func() (file, error)) (file, error) { return endless{f}, nil }
	e := &entry{pieces: make(chan piece, 10), from: d, name: source.NewName("f"),
		device: &device{system: source.Classify("proc")}}
	b.must(f.Stat(&e.stat))
	r := newReader(&b.o, nil, nil, 0)
	go r.file(context.Background(), e)
	for p := range e.pieces {
		if p.last {
			break
		}
		r.ring.release(p.release)
	}
	if e.node.Size != maxPseudo || !errors.Is(e.changed, ErrEndless) {
		t.Errorf("%d bytes, %v", e.node.Size, e.changed)
	}
}
