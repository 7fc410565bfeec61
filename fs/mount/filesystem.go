package mount

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/view"
)

const (
	// forever is how long the kernel may keep what lies in a snapshot.
	forever = 365 * 24 * time.Hour

	// topTimeout is how long it may keep what stands above the snapshots, if
	// Options.Interval is not shorter.
	topTimeout = time.Second
)

// Statuses that go-fuse has no names for.
const (
	statusStale       = fuse.Status(syscall.ESTALE)
	statusNoData      = fuse.Status(syscall.ENXIO)
	statusNameTooLong = fuse.Status(syscall.ENAMETOOLONG)
	statusUnsupported = fuse.Status(syscall.EOPNOTSUPP)
	statusNotTTY      = fuse.Status(syscall.ENOTTY)
)

// fileSystem answers the kernel's requests. Either an archive is mounted: list
// and trees are set; or one tree: single is set.
type fileSystem struct {
	readOnly // answers what is not answered here

	list     *lister
	trees    *trees
	versions *versionsView // with Options.Versions; else nil
	single   *openTree

	fixed      families // of a single tree
	topTimeout time.Duration
	options    Options
	log        *slog.Logger
	owner      fuse.Owner // of what stands above the trees
	ctx        context.Context
	end        context.CancelFunc

	connection *connection // set before the first request but INIT

	recent recentEntries
	pusher pusher
	walks  walks
	damage damageLog
	health *health
}

var _ fuse.RawFileSystem = (*fileSystem)(nil)

// newFileSystem returns one whose context ends with end.
func newFileSystem(ctx context.Context, o Options, end context.CancelFunc) *fileSystem {
	return &fileSystem{
		readOnly:   readOnly{fuse.NewDefaultRawFileSystem()},
		topTimeout: min(topTimeout, o.Interval),
		options:    o,
		log:        o.Log,
		owner:      fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())},
		ctx:        ctx,
		end:        end,
		health:     &health{check: o.Reachable, log: o.Log, ctx: ctx},
	}
}

// String names the file system for go-fuse.
func (f *fileSystem) String() string { return fsSubtype }

// close ends what was started on behalf of requests and waits for it.
func (f *fileSystem) close() {
	f.end()
	if f.list != nil {
		f.list.wait()
		f.trees.wait()
	}
	f.health.wait()
}

// isTop reports whether the node stands above the trees.
func (f *fileSystem) isTop(id uint64) bool {
	number, _ := splitTree(id)
	return number == 0 && f.single == nil && f.versions == nil
}

// reachable reports whether the archive can be reached at all.
func (f *fileSystem) reachable() bool { return f.health.reachable() }

// tree returns the tree that a node is in, and the node's position there.
func (f *fileSystem) tree(ctx context.Context, id uint64) (*openTree, uint64, fuse.Status) {
	number, position := splitTree(id)
	if t := f.single; t != nil {
		if id == t.rootNode {
			return t, t.root.Pos, fuse.OK
		}
		if number != t.number || !t.holds(position) {
			return nil, 0, statusStale
		}
		return t, position, fuse.OK
	}
	s := f.list.catalog().byNumber[number]
	if s == nil {
		return nil, 0, statusStale
	}
	t, err := f.trees.get(ctx, s)
	if err != nil {
		return nil, 0, f.openFailed(ctx, s, err)
	}
	if !t.holds(position) {
		return nil, 0, statusStale
	}
	return t, position, fuse.OK
}

// entry returns the entry that a node ID stands for. What is wrong with it is
// logged, unless the context has ended: then nobody has met it.
func (f *fileSystem) entry(ctx context.Context, id uint64) (*openTree, view.Entry, fuse.Status) {
	t, position, status := f.tree(ctx, id)
	if !status.Ok() {
		return nil, view.Entry{}, status
	}
	if position == t.root.Pos {
		return t, t.root, fuse.OK
	}
	if e, ok := f.recent.get(id); ok {
		return t, e, fuse.OK
	}
	e, err := t.At(ctx, position)
	if err != nil {
		return nil, view.Entry{}, f.entryFailed(ctx, t, position, err)
	}
	f.recent.put(id, e)
	return t, e, fuse.OK
}

// families returns which extended attributes may occur in the mount.
func (f *fileSystem) families() families {
	if f.single != nil {
		return f.fixed
	}
	return f.list.catalog().families
}

// StatFs answers from memory.
func (f *fileSystem) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	const blockSize = 4096
	out.Bsize, out.Frsize = blockSize, blockSize
	out.Blocks = (f.options.StoredBytes() + blockSize - 1) / blockSize
	out.NameLen = 255
	if f.single != nil {
		out.Files = f.single.root.Dir.Total + 1
	}
	return fuse.OK
}
