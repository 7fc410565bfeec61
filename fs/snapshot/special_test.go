package snapshot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"garret/fs/tree"
)

// With ReadSpecial a FIFO is what its writer delivers, and so is a link to it;
// what links to something else is a link.
func TestReadSpecial(t *testing.T) {
	b := newBench(t)
	fifo(t, b.path("p"))
	fifo(t, b.path("q"))
	b.write("f", []byte("file"))
	b.must(os.MkdirAll(b.path("d"), 0o700))
	b.must(os.Rename(b.path("q"), b.path("d/q")))
	for name, target := range map[string]string{"l": "d/q", "lf": "f", "ld": "d", "none": "nowhere"} {
		b.must(os.Symlink(target, b.path(name)))
	}
	b.o.Filter = func(path string, _ *tree.Node) Verdict {
		if path == "d" {
			return Prune
		}
		return Include
	}
	want := map[string][]byte{"p": noise(1, 2_000_000), "d/q": noise(2, 100)}
	b.o.ReadSpecial = true
	for range 2 {
		for name, data := range want {
			go func() {
				f, err := os.OpenFile(b.path(name), os.O_WRONLY, 0)
				if err == nil {
					for part := range slices.Chunk(data, 50_000) {
						_, _ = f.Write(part)
					}
					f.Close()
				}
			}()
		}
		r := b.run()
		b.noWarnings()
		v := b.tree(r)
		if !bytes.Equal(content(t, v, "p"), want["p"]) || !bytes.Equal(content(t, v, "l"), want["d/q"]) {
			t.Error("not what was written")
		}
		for name, typ := range map[string]tree.Type{"p": tree.Regular, "l": tree.Regular, "lf": tree.Symlink, "ld": tree.Symlink, "none": tree.Symlink} {
			if e := resolve(t, v, name); e.Type != typ || e.Links != 1 {
				t.Errorf("%s: %+v", name, e.Node)
			}
		}
		if r.Stats.FilesRead < 2 || r.Stats.Unmodified > 1 {
			t.Errorf("%+v", r.Stats)
		}
		b.parent(r) // nothing tells whether the next writer has the same
	}
}

// A FIFO that nobody writes to is waited for, which is told, until the run is
// stopped.
func TestReadSpecialWaits(t *testing.T) {
	b := newBench(t)
	fifo(t, b.path("p"))
	b.o.ReadSpecial, b.o.waitingAfter = true, 200*time.Millisecond
	told := make(chan Warning, 1)
	b.o.Warn = func(w Warning) { told <- w }
	for _, stop := range []bool{true, false} {
		end := make(chan struct{})
		ctx, cancel := context.WithCancel(context.Background())
		b.o.Stop = end
		go func() {
			select {
			case w := <-told:
				if !errors.Is(w.Err, ErrWaiting) || !w.Notice || w.Path != b.path("p") {
					t.Errorf("told %v", w)
				}
			case <-time.After(10 * time.Second):
				t.Error("that it waits is not told")
			}
			if stop {
				close(end)
			} else {
				cancel()
			}
		}()
		r, err := Run(ctx, b.o)
		if stop && (err != nil || !r.Partial) || !stop && !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", r, err)
		}
		cancel()
	}
}
