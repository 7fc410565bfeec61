package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"garret/fs/source"
	"garret/fs/tree"
)

// openDirs bounds how many idle directories are kept open.
const openDirs = 128

// run is one restore.
type run struct {
	o       Options
	ctx     context.Context
	stop    context.CancelCauseFunc
	handles *source.Handles
	ids     accountIDs
	euid    uint32
	egid    uint32
	umask   uint32
	proc    bool // there is a /proc, through which a file without a name gets one

	batches chan []job
	batch   []job  // being filled by the walk
	weight  uint64 // bytes of the files in it
	links   links  // the walk's

	selection selection
	seen      map[group]bool // hard-link groups, of a dry run
	probed    map[group]*probed
	buffers   sync.Pool // of *[]byte, for what is there already

	counters counters
	reports  reports

	lateMu sync.Mutex
	late   []func() // what must wait for everything else, in this order
}

// Run restores. The error is what ended the run early, if anything did; what
// else went wrong was told to Options.Warn and is counted in the Stats.
func Run(ctx context.Context, o Options) (Stats, error) {
	if err := o.check(); err != nil {
		return Stats{}, err
	}
	if o.Workers <= 0 {
		o.Workers = min(runtime.GOMAXPROCS(0), 16)
	}
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	if o.Accounts == nil {
		o.Accounts = systemAccounts{}
	}
	r := &run{
		o: o, handles: source.NewHandles(openDirs), batches: make(chan []job, o.Workers),
		ids: accountIDs{accounts: o.Accounts, numeric: o.NumericIDs}, euid: uint32(os.Geteuid()),
		egid: uint32(os.Getegid()), umask: processUmask(), selection: newSelection(&o), seen: map[group]bool{}, probed: map[group]*probed{}, links: links{}, reports: reports{warn: o.Warn},
	}
	r.ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	defer r.handles.Close()
	r.proc = unix.Access("/proc/self/fd", unix.X_OK) == nil
	err := r.restore()
	stats := r.counters.stats()
	r.reports.fill(&stats)
	return stats, err
}

func (o *Options) check() error {
	switch {
	case o.Dest == "":
		return errors.New("restore: no destination")
	case o.As != "" && !tree.ValidName(o.As):
		return fmt.Errorf("restore as %.64q: %w", o.As, tree.ErrInvalid)
	case o.Delete && (o.Overwrite == Refuse || o.Overwrite == Keep || o.Strip > 0):
		return errors.New("restore: deleting needs an Overwrite that replaces, and whole paths")
	case o.As == "" && o.From.Type != tree.Directory:
		return fmt.Errorf("restore the content of a %v: %w", o.From.Type, unix.ENOTDIR)
	}
	return nil
}

func (r *run) restore() error {
	dest, err := r.openDest()
	if err != nil {
		return err
	}
	var workers sync.WaitGroup
	for range r.o.Workers {
		workers.Go(func() {
			for batch := range r.batches {
				for i := range batch {
					r.do(&batch[i])
				}
			}
		})
	}
	r.o.Progress.TotalEntries.Store(r.o.From.Dir.Total)
	r.o.Progress.TotalBytes.Store(r.o.From.Dir.Bytes)
	if r.o.As == "" {
		r.list(dest, r.o.From, 0)
	} else {
		item := r.o.From
		named := *item.Node
		named.Name = r.o.As
		item.Node = &named
		r.o.Progress.TotalEntries.Add(1)
		r.o.Progress.TotalBytes.Add(item.Size)
		r.entry(dest, item, 0)
	}
	r.flush()
	close(r.batches)
	workers.Wait()
	r.release(dest)
	r.links.close()
	for _, f := range r.late {
		f()
	}
	return context.Cause(r.ctx)
}

// later has f called when everything else is done.
func (r *run) later(f func()) {
	r.lateMu.Lock()
	defer r.lateMu.Unlock()
	r.late = append(r.late, f)
}

// unfinished is an attribute of a destination that a run has made, until it has
// set the metadata. A later run sees by it that it may. A file that is changed
// in place has it until it is whole.
const unfinished = "user.garret.unfinished"

// openDest makes the destination where it is missing and opens it.
func (r *run) openDest() (*directory, error) {
	d := &directory{}
	d.refs.Store(1)
	if r.o.DryRun {
		var err error
		if d.handle, err = r.handles.OpenRoot(r.o.Dest); err == nil {
			d.existed = true
		} else if d.handle = nil; !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("restore to %s: %w", r.o.Dest, err)
		}
		return d, nil
	}
	mode := fs.FileMode(0o777)
	if r.o.As == "" {
		mode = 0o700 // until it gets its own
	}
	err := os.Mkdir(r.o.Dest, mode)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(filepath.Clean(r.o.Dest)), 0o777); err == nil {
			err = os.Mkdir(r.o.Dest, mode)
		}
	}
	d.existed = errors.Is(err, fs.ErrExist)
	if err != nil && !d.existed {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if d.handle, err = r.handles.OpenRoot(r.o.Dest); err != nil {
		return nil, fmt.Errorf("restore to %s: %w", r.o.Dest, err)
	}
	if r.o.As == "" && (!d.existed || r.isUnfinished(d)) {
		d.node = r.o.From.Node
		d.withFD(func(fd int) error { return unix.Fsetxattr(fd, unfinished, nil, 0) })
	}
	d.inherits = d.hasDefaultACL()
	d.withFD(func(fd int) error {
		d.flags = flagsOf(fd)
		return nil
	})
	return d, nil
}

// isUnfinished reports whether a run that was interrupted has made the
// destination.
func (r *run) isUnfinished(d *directory) bool {
	if d.handle.Stat.Mode&0o7777 != 0o700 || d.handle.Stat.UID != r.euid {
		return false
	}
	return d.withFD(func(fd int) error {
		_, err := unix.Fgetxattr(fd, unfinished, nil)
		return err
	}) == nil
}

// fail ends the run with err.
func (r *run) fail(err error) { r.stop(err) }

// stopped reports whether the run is to end.
func (r *run) stopped() bool { return r.ctx.Err() != nil }
