package mount

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/fs/tree/treetest"
	"garret/fs/view"
	"garret/index"
)

// hanging is a store whose server has gone silent.
type hanging struct {
	*treetest.Store
	asked chan struct{}
}

func (h *hanging) Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error) {
	if kind == index.Tree {
		return h.Store.Blob(ctx, kind, id)
	}
	h.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

// A reader that waits for a store that does not answer can be killed, and the
// mount ended.
func TestHangingStore(t *testing.T) {
	root := dir("", file("f", piece{data: noise(1, 300000)}))
	store := &hanging{treetest.New(), make(chan struct{}, 100)}
	build(t, store.Store, root)
	opened := view.New(store, &root.Node, view.Options{})
	mnt, _, log := mountLogged(t, opened)
	cmd := helper("visitor", mnt+"/f")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-store.asked
	cmd.Process.Kill()
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(interruptGrace + 10*time.Second):
		t.Fatal("the reader cannot be killed")
	}
	if lines := log.take(); len(lines) != 0 {
		t.Errorf("logged as damage: %q", lines)
	}
}

// mountLogged mounts a tree and returns what the mount logs, too.
func mountLogged(t *testing.T, opened *view.Tree) (mnt string, s *Server, log *logBuffer) {
	t.Helper()
	log = newLogBuffer()
	mnt = t.TempDir()
	s, err := MountTree(mnt, opened, opened.Root(), Options{Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)
	return mnt, s, log
}

// Blobs that are lost cost the ranges that they held and nothing else, and the
// log says so once for each.
func TestLostBlob(t *testing.T) {
	const size = 300000
	damaged := file("damaged")
	for i := range 5 {
		damaged.pieces = append(damaged.pieces, piece{data: noise(uint64(i), size)})
	}
	root := dir("", dir("sub", damaged, text("neighbour", "sound")))
	opened, store := newTree(t, root)
	store.Lose(index.Data, damaged.partID(2))
	log := newLogBuffer()
	mnt := t.TempDir()
	s, err := MountTree(mnt, opened, opened.Root(), Options{FSName: "snapshot", Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, s)

	f, err := os.Open(mnt + "/sub/damaged")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := damaged.content()
	const page = 4096
	buf := make([]byte, page)
	for off := 0; off < len(want); off += page {
		n, err := f.ReadAt(buf, int64(off))
		touches := off+page > 2*size && off < 3*size
		if touches {
			if unwrapErrno(err) != unix.EIO {
				t.Fatalf("reading at %d: %d, %v; want EIO", off, n, err)
			}
		} else if !bytes.Equal(buf[:n], want[off:min(off+page, len(want))]) {
			t.Fatalf("reading at %d: %d, %v; want data", off, n, err)
		}
	}
	if got, err := os.ReadFile(mnt + "/sub/neighbour"); err != nil || string(got) != "sound" {
		t.Errorf("%q, %v", got, err)
	}
	lines := log.take()
	if len(lines) != 1 {
		t.Fatalf("%d log lines: %q", len(lines), lines)
	}
	for _, part := range []string{"file=sub/damaged", "snapshot=snapshot", fmt.Sprintf("from=%d", 2*size), fmt.Sprintf("to=%d", 3*size), "level=ERROR"} {
		if !strings.Contains(lines[0], part) {
			t.Errorf("log %q lacks %s", lines[0], part)
		}
	}
}

// absent is a store whose errors say that something does not exist, as those of
// a store of files would.
type absent struct{ *treetest.Store }

func (a absent) Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error) {
	b, err := a.Store.Blob(ctx, kind, id)
	if err != nil {
		err = fmt.Errorf("pack: %w", fs.ErrNotExist)
	}
	return b, err
}

// A lost page of a directory costs its entries; the rest stays readable.
func TestLostPage(t *testing.T) {
	lost := dir("lost", text("a", "b"))
	root := dir("", lost, dir("sound", text("f", "content")))
	store := treetest.New()
	build(t, store, root)
	opened := view.New(absent{store}, &root.Node, view.Options{})
	store.Lose(index.Tree, lost.Dir.ID)
	mnt, _, log := mountLogged(t, opened)
	if _, err := os.ReadDir(mnt + "/lost"); unwrapErrno(err) != unix.EIO {
		t.Errorf("listing: %v", err)
	}
	if _, err := os.Stat(mnt + "/lost/a"); unwrapErrno(err) != unix.EIO {
		t.Errorf("looking up: %v", err)
	}
	if got, err := os.ReadFile(mnt + "/sound/f"); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
	if lines := log.take(); len(lines) != 1 || !strings.Contains(lines[0], "file=lost") {
		t.Errorf("log: %q", lines)
	}
	build(t, store, lost) // healed: nothing has to be remounted
	if got, err := os.ReadFile(mnt + "/lost/a"); err != nil || string(got) != "b" {
		t.Errorf("after healing: %q, %v", got, err)
	}
}
