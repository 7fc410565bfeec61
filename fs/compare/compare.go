// Package compare says how two directory trees of this machine differ: a
// source and its restored or mounted copy. It shares no code with what makes
// those copies, so that it does not repeat their mistakes.
package compare

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Kind says in what two entries differ.
type Kind string

// What can differ.
const (
	Missing    Kind = "missing"    // in the second tree
	Extra      Kind = "extra"      // only in the second tree
	Type       Kind = "type"       // file, directory, symlink, …
	Content    Kind = "content"    // a byte of a file
	Size       Kind = "size"       // of a file
	Mode       Kind = "mode"       // permissions, setuid, setgid, sticky
	Owner      Kind = "owner"      // user or group number
	ModTime    Kind = "mtime"      // in nanoseconds
	Target     Kind = "target"     // of a symlink
	Device     Kind = "device"     // number of a device
	Xattrs     Kind = "xattrs"     // one extended attribute
	Flags      Kind = "flags"      // inode flags that chattr(1) sets: InodeFlags
	HardLinks  Kind = "hard links" // which names are the same file
	LinkCount  Kind = "link count"
	Holes      Kind = "holes"      // where they are
	Blocks     Kind = "blocks"     // what is allocated
	Unreadable Kind = "unreadable" // an error came instead of an answer
)

// Difference is one way in which the entry at Path differs.
type Difference struct {
	Path string // relative to the trees; "." for their roots
	Kind Kind
	A, B string // what the first and the second tree have, to be read by people
}

// String is a line without its end. Names are quoted where they need it.
func (d Difference) String() string {
	return fmt.Sprintf("%q: %s: %s, %s", d.Path, d.Kind, d.A, d.B)
}

// Options says what not to compare, and what to compare besides: by default it
// is everything but link counts, holes, and blocks. Access, change and birth
// times never are.
type Options struct {
	IgnoreRoot     bool // the metadata of the two roots themselves
	IgnoreDirTimes bool // mtimes of directories
	IgnoreTimes    bool // all mtimes
	IgnoreOwner    bool
	IgnoreFlags    bool
	IgnoreSockets  bool                   // in the first tree: backups leave them out
	IgnoreXattr    func(name string) bool // attributes that do not count
	Skip           func(path string) bool // entries, with what is below them
	LinkCounts     bool                   // compare those of what is no directory
	Holes          bool                   // compare where holes are
	Blocks         bool                   // report files that take more room in the second tree
	Workers        int                    // files whose content is read at a time; 0 means 2
}

// Stats says how much was compared.
type Stats struct {
	Entries     uint64 // that both trees have
	Files       uint64 // regular files read; one of a hard-link group
	Bytes       uint64 // read of the first tree: holes in both are not
	Differences uint64
}

// Run compares the trees below the directories a and b. It tells report of each
// difference, one at a time, in no certain order. The error is that the
// comparison could not be made or was cancelled; that an entry cannot be read
// is a difference.
func Run(ctx context.Context, a, b string, o Options, report func(Difference)) (Stats, error) {
	if o.Workers <= 0 {
		o.Workers = min(2, runtime.GOMAXPROCS(0))
	}
	r := &run{ctx: ctx, o: o, report: report, jobs: make(chan contentJob, 4*o.Workers), links: newLinks()}
	var roots pair
	var err error
	if roots.a, err = openDir(unix.AT_FDCWD, a, 0); err != nil {
		return Stats{}, fmt.Errorf("compare %s: %w", a, err)
	}
	defer unix.Close(roots.a)
	if roots.b, err = openDir(unix.AT_FDCWD, b, 0); err != nil {
		return Stats{}, fmt.Errorf("compare %s: %w", b, err)
	}
	defer unix.Close(roots.b)

	var workers sync.WaitGroup
	for range o.Workers {
		workers.Go(func() {
			buf := newBuffers()
			for j := range r.jobs {
				r.content(j, buf)
			}
		})
	}
	r.roots(roots)
	close(r.jobs)
	workers.Wait()
	stats := Stats{r.entries.Load(), r.files.Load(), r.bytes.Load(), r.differences}
	return stats, ctx.Err()
}

// run is one comparison.
type run struct {
	ctx   context.Context
	o     Options
	jobs  chan contentJob
	links *links

	entries, files, bytes atomic.Uint64

	mu          sync.Mutex
	report      func(Difference)
	differences uint64
}

func (r *run) differ(path string, kind Kind, a, b any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.differences++
	if r.report != nil {
		r.report(Difference{path, kind, fmt.Sprint(a), fmt.Sprint(b)})
	}
}

// failed reports the first error of the two, if there is one.
func (r *run) failed(path, what string, errA, errB error) bool {
	if errA == nil && errB == nil {
		return false
	}
	say := func(err error) string {
		if err == nil {
			return "readable"
		}
		return what + ": " + err.Error()
	}
	r.differ(path, Unreadable, say(errA), say(errB))
	return true
}

// pair is two descriptors of directories.
type pair struct{ a, b int }
