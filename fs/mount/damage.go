package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/tree"
	"garret/fs/view"
)

// damageLog remembers which losses have been logged: a reader tries the same
// range several times, and the log shall hold a line for each loss.
type damageLog struct {
	mu   sync.Mutex
	seen map[loss]struct{}
}

// loss names a place that cannot be read.
type loss struct {
	snapshot string
	position uint64
	offset   uint64
	what     string
}

const maxLosses = 4096

// first reports whether the loss is met for the first time, or was forgotten.
func (d *damageLog) first(l loss) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.seen[l]; ok {
		return false
	}
	if d.seen == nil || len(d.seen) >= maxLosses {
		d.seen = map[loss]struct{}{}
	}
	d.seen[l] = struct{}{}
	return true
}

// openFailed returns the status for a snapshot that could not be opened.
func (f *fileSystem) openFailed(ctx context.Context, s *listed, err error) fuse.Status {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return fuse.EINTR
	}
	if !f.reachable() {
		return fuse.EIO
	}
	if f.damage.first(loss{snapshot: s.name, what: "snapshot"}) {
		f.log.Error("a snapshot cannot be opened", "snapshot", s.name, "err", err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return statusStale // most likely it was removed after it was listed
	}
	return fuse.EIO
}

// entryFailed returns the status for a position that could not be found: a
// page above it is lost, or it comes from a file handle that never was right.
func (f *fileSystem) entryFailed(ctx context.Context, t *openTree, position uint64, err error) fuse.Status {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return fuse.EINTR
	}
	if err == fs.ErrNotExist { // as it is; a loader's, wrapped, is a loss
		return statusStale
	}
	if f.reachable() && f.damage.first(loss{t.name, position, 0, "entry"}) {
		f.log.Error("an entry cannot be found", "snapshot", t.name, "position", position, "err", err)
	}
	return fuse.EIO
}

// failed returns the status for something of an entry that could not be read.
func (f *fileSystem) failed(ctx context.Context, t *openTree, e view.Entry, what string, err error) fuse.Status {
	if ctx.Err() != nil {
		return fuse.EINTR
	}
	if f.reachable() && f.damage.first(loss{t.name, e.Pos, 0, what}) {
		f.logLoss(ctx, t, e, fmt.Sprintf("a %s cannot be read", what), err)
	}
	return fuse.EIO
}

// readFailed returns the status for a range of a file that could not be read,
// after logging which parts of it are lost.
func (f *fileSystem) readFailed(ctx context.Context, t *openTree, e view.Entry, offset, length uint64, err error) fuse.Status {
	if ctx.Err() != nil {
		return fuse.EINTR
	}
	if !f.reachable() {
		return fuse.EIO
	}
	found := false
	listErr := t.Parts(ctx, e, offset, func(start uint64, p tree.Part) bool {
		if start >= offset+length {
			return false
		}
		if p.IsHole() {
			return true
		}
		partErr := t.probe(ctx, e, max(start, offset))
		if ctx.Err() != nil {
			return false
		}
		if partErr != nil {
			found = true
			f.lost(ctx, t, e, start, p.Length, partErr)
		}
		return true
	})
	if ctx.Err() != nil {
		return fuse.EINTR
	}
	if !found {
		if listErr != nil {
			err = listErr
		}
		f.lost(ctx, t, e, offset, min(length, e.Size-min(offset, e.Size)), err)
	}
	return fuse.EIO
}

// probe tries to read a byte.
func (t *openTree) probe(ctx context.Context, e view.Entry, offset uint64) error {
	var b [1]byte
	if _, err := t.ReadAt(ctx, e, b[:], int64(offset)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (f *fileSystem) lost(ctx context.Context, t *openTree, e view.Entry, offset, length uint64, err error) {
	if f.damage.first(loss{t.name, e.Pos, offset, "content"}) {
		f.logLoss(ctx, t, e, "a part of a file cannot be read", err, "from", offset, "to", offset+length)
	}
}

func (f *fileSystem) logLoss(ctx context.Context, t *openTree, e view.Entry, message string, err error, more ...any) {
	path, pathErr := t.Path(ctx, e)
	if pathErr != nil {
		path = fmt.Sprintf("%s (position %d)", e.Name, e.Pos)
	}
	args := append([]any{"file", path, "snapshot", t.name}, more...)
	f.log.Log(context.Background(), slog.LevelError, message, append(args, "err", err)...)
}
