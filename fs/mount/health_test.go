package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"garret/fs/tree/treetest"
	"garret/fs/view"
	"garret/index"
)

// cutOff is a store that can be out of reach.
type cutOff struct {
	*treetest.Store
	gone *atomic.Bool
}

var errGone = errors.New("no such disk")

func (c cutOff) Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error) {
	if c.gone.Load() {
		return nil, fmt.Errorf("blob: %w", errGone)
	}
	return c.Store.Blob(ctx, kind, id)
}

// While the repository is away, what is not cached gives EIO, the snapshots
// stay, and the log has one line; when it is back, everything can be read
// again, and the log has another.
func TestUnreachable(t *testing.T) {
	var gone atomic.Bool
	root := dir("")
	for i := range 40 {
		root.children = append(root.children, dir(fmt.Sprintf("d%d", i), file("f", piece{data: noise(uint64(i), 9000)})))
	}
	store := treetest.New()
	build(t, store, root)
	opened := view.New(cutOff{store, &gone}, &root.Node, view.Options{})
	a := &away{memArchive: &memArchive{list: []Snapshot{dated("aa", 0)}, trees: map[string]*view.Tree{dated("aa", 0).ID: opened}}}
	check := func(context.Context) error {
		if gone.Load() {
			return errGone
		}
		return nil
	}
	for _, versions := range []bool{false, true} {
		log := newLogBuffer()
		mnt, _ := mountArchive(t, a, Options{Versions: versions, Log: log.logger(), Reachable: check})
		path, last := mnt+"/latest", ""
		if versions {
			path, last = mnt, "/2026-11-22T13-00-00Z"
		}
		if _, err := os.ReadFile(path + "/d0/f" + last); err != nil {
			t.Fatal(err)
		}
		gone.Store(true)
		a.change(func() { a.err = errGone })
		for i := 1; i < 40; i++ {
			if _, err := os.ReadFile(fmt.Sprintf("%s/d%d/f%s", path, i, last)); unwrapErrno(err) != unix.EIO {
				t.Fatalf("d%d: %v, want EIO", i, err)
			}
		}
		if got := len(names(t, mnt)); got == 0 {
			t.Error("the snapshots are gone with their repository")
		}
		if lines := log.take(); len(lines) != 1 || !strings.Contains(lines[0], "cannot be reached") || !strings.Contains(lines[0], "no such disk") {
			t.Errorf("log: %q", lines)
		}
		gone.Store(false)
		a.change(func() { a.err = nil })
		eventually(t, "the repository again", func() bool {
			for i := range 40 {
				if _, err := os.ReadFile(fmt.Sprintf("%s/d%d/f%s", path, i, last)); err != nil {
					return false
				}
			}
			return true
		})
		var lines []string
		eventually(t, "a line in the log", func() bool {
			lines = append(lines, log.take()...)
			return len(lines) > 0
		})
		if len(lines) != 1 || !strings.Contains(lines[0], "again") {
			t.Errorf("log: %q", lines)
		}
	}
}

// A repository on a server that has gone silent is out of reach too: reading
// fails after a while, and the mount ends.
func TestSilent(t *testing.T) {
	var gone atomic.Bool
	root := dir("", file("f", piece{data: noise(1, 9000)}))
	store := treetest.New()
	build(t, store, root)
	opened := view.New(cutOff{store, &gone}, &root.Node, view.Options{})
	silence := make(chan struct{})
	defer close(silence)
	log := newLogBuffer()
	mnt := t.TempDir()
	s, err := MountTree(mnt, opened, opened.Root(), Options{Log: log.logger(), Reachable: func(context.Context) error {
		<-silence // not even the end of the context
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	names(t, mnt)
	gone.Store(true)
	if _, err := os.ReadFile(mnt + "/f"); unwrapErrno(err) != unix.EIO {
		t.Errorf("%v, want EIO", err)
	}
	if err := s.Unmount(); err != nil {
		t.Error(err)
	}
	if lines := log.take(); len(lines) != 1 || !strings.Contains(lines[0], "cannot be reached") {
		t.Errorf("log: %q", lines)
	}
}
