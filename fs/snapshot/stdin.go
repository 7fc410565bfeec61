package snapshot

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"garret/chunking"
	"garret/fs/source"
	"garret/fs/tree"
	"garret/index"
)

// RunReader stores what in delivers as one file at a path of the snapshot
// (slashes between its elements), a program's output for instance. Of the
// options Store, Chunker, Started, Item and Progress count; file and
// directories belong to the caller and have the time of the start. Its errors
// are those of in, too: half a stream is no backup.
func RunReader(ctx context.Context, o Options, path string, in io.Reader) (*Result, error) {
	if o.Started.IsZero() {
		o.Started = time.Now()
	}
	names := strings.Split(strings.Trim(path, "/"), "/")
	for _, name := range names {
		if !tree.ValidName(name) {
			return nil, fmt.Errorf("%q is not a path of a snapshot", path)
		}
	}
	a := newAssembler(&o, "/", &links{}, nil, nil)
	accounts := source.SystemAccounts()
	dev := &device{mount: "/", system: source.FileSystem{Type: "stream"}}
	entryOf := func(name string, t tree.Type, mode uint16) *entry {
		e := &entry{device: dev, how: fromNobody}
		now := tree.TimeOf(o.Started)
		uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
		e.node = tree.Node{Name: name, Type: t, Mode: mode, UID: uid, GID: gid,
			User: accounts.User(uid), Group: accounts.Group(gid), ModTime: now, ChangeTime: now, Links: 1}
		return e
	}
	a.enter(entryOf("", tree.Directory, 0o755))
	for _, name := range names[:len(names)-1] {
		a.enter(entryOf(name, tree.Directory, 0o755))
	}
	e := entryOf(names[len(names)-1], tree.Regular, 0o600)
	if err := a.readAll(ctx, e, in); err != nil {
		return nil, err
	}
	if err := a.done(ctx, e, Stdin); err != nil {
		return nil, err
	}
	for a.depth > 0 {
		if err := a.leave(ctx); err != nil {
			return nil, err
		}
	}
	return a.result(a.root, a.stats), nil
}

// readAll stores a stream as the content of e.
func (a *assembler) readAll(ctx context.Context, e *entry, in io.Reader) error {
	failed := error(nil)
	buffered := bufio.NewReaderSize(in, 64<<10)
	head, _ := buffered.Peek(chunking.HeadSize) // the error comes again
	err := a.o.Chunker.For(head).Split(buffered, make([]byte, 2*a.o.Chunker.Params().Max), func(chunk []byte) error {
		e.node.Size += uint64(len(chunk))
		a.stats.BytesRead += uint64(len(chunk))
		if p := a.o.Progress; p != nil {
			p.BytesRead.Add(uint64(len(chunk)))
		}
		id := a.o.Store.ID(index.Data, chunk)
		if failed = a.putData(ctx, e.node.Size >= tree.LargeFile, id, chunk); failed == nil {
			failed = a.content.Add(ctx, tree.Part{ID: id, Length: uint64(len(chunk))})
		}
		if failed == nil {
			failed = ctx.Err()
		}
		return failed
	})
	switch {
	case failed != nil:
		return a.storeError(e.node.Name, failed)
	case err != nil:
		return fmt.Errorf("read %s: %w", e.node.Name, err)
	}
	e.node.Content, err = a.content.Finish(ctx)
	return a.storeError(e.node.Name, err)
}
