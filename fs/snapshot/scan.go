package snapshot

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"garret/fs/source"
	"garret/fs/tree"
)

// device is a file system met by the walk. It never changes.
type device struct {
	ordinal uint32
	system  source.FileSystem
	mount   string
}

func (d *device) network() bool { return d.system.Foreign || d.system.Coarse }

// sink takes the entries of a walk: slot is the next one to fill in, commit
// sends it on.
type sink interface {
	slot(ctx context.Context) (*entry, error)
	commit(ctx context.Context) error
}

// scanner is the first stage: it walks the sources. It returns errors of the
// context and of opening the root alone; everything else is an entry.
type scanner struct {
	o        *Options
	plan     *plan
	accounts *source.Accounts
	handles  *source.Handles
	mounts   *source.Mounts
	out      sink

	devices map[uint64]*device
	avoid   map[string][]string // mount points not to be looked at, by their last element
	depth   int                 // of the current directory
	path    []byte              // of the current directory in the snapshot, with a slash behind unless empty
}

// region is what holds below a directory that is being walked.
type region struct {
	whole bool   // all its entries are meant
	place *place // where sources are below it, or nil
	dev   uint64 // file system of the source it belongs to
}

func newScanner(o *Options, p *plan, a *source.Accounts, h *source.Handles, out sink) *scanner {
	s := &scanner{o: o, plan: p, accounts: a, handles: h, mounts: source.NewMounts(), out: out,
		devices: map[uint64]*device{}, avoid: map[string][]string{}}
	for _, m := range o.SkipMounts {
		s.avoid[filepath.Base(m)] = append(s.avoid[filepath.Base(m)], m)
	}
	return s
}

func (s *scanner) run(ctx context.Context) error {
	for _, w := range s.plan.warnings {
		if err := s.warn(ctx, w); err != nil {
			return err
		}
	}
	top, err := s.handles.OpenRoot(s.plan.base)
	if err != nil {
		return &fs.PathError{Op: "snapshot", Path: s.plan.base, Err: err}
	}
	defer top.Close()
	fd, err := top.Pin()
	if err != nil {
		return &fs.PathError{Op: "snapshot", Path: s.plan.base, Err: err}
	}
	dev := s.device(fd, source.Name{}, &top.Stat)
	top.Unpin()
	where := region{whole: s.plan.top.whole, place: s.plan.top, dev: top.Stat.Dev}
	if err := s.inside(ctx, top, source.Name{}, dev, where, false); err != nil {
		return err
	}
	if err := s.accounts.Problem(); err != nil {
		return s.warn(ctx, problem{err: err, notice: true})
	}
	return nil
}

// device returns what is known about the file system of an entry. Its ordinal
// is that of the order in which the walk met them.
func (s *scanner) device(fd int, name source.Name, st *source.Stat) *device {
	if d, ok := s.devices[st.Dev]; ok {
		return d
	}
	d := &device{ordinal: uint32(len(s.devices)), system: s.mounts.Of(fd, name, st), mount: s.hostPath(name)}
	s.devices[st.Dev] = d
	return d
}

// hostPath is the path, on the source file system, of an entry of the current
// directory.
func (s *scanner) hostPath(name source.Name) string {
	return hostPath(s.plan.base, string(s.path)+name.String())
}

func hostPath(base, path string) string {
	path = strings.TrimSuffix(path, "/")
	if path == "" {
		return base
	}
	return strings.TrimSuffix(base, "/") + "/" + path
}

// inside sends a directory that is open, and everything in it.
func (s *scanner) inside(ctx context.Context, d *source.Dir, name source.Name, dev *device, where region, drop bool) error {
	e, err := s.out.slot(ctx)
	if err != nil {
		return err
	}
	e.op, e.drop = opEnter, drop
	s.describe(e, name, &d.Stat, dev)
	e.node.Xattrs, e.problem = d.Xattrs()
	if flags, ok := d.Flags(); ok {
		e.node.Flags |= source.UnseenFlags(flags)
	}
	d.Retain()
	e.dir = d
	if err := s.out.commit(ctx); err != nil {
		return err
	}
	before := len(s.path)
	s.depth++
	if name != (source.Name{}) {
		s.path = append(append(s.path, name.String()...), '/')
	}
	if err := s.entries(ctx, d, where); err != nil {
		return err
	}
	s.depth--
	s.path = s.path[:before]
	return s.leave(ctx)
}

func (s *scanner) leave(ctx context.Context) error {
	e, err := s.out.slot(ctx)
	if err != nil {
		return err
	}
	e.op = opLeave
	return s.out.commit(ctx)
}

// hollow sends a directory without what is in it, and says why.
func (s *scanner) hollow(ctx context.Context, e *entry, why error) error {
	e.op, e.problem = opEnter, why
	if why == ErrPseudo || why == ErrFileSystem {
		e.notice, e.reason = true, ByFileSystem
	}
	if err := s.out.commit(ctx); err != nil {
		return err
	}
	return s.leave(ctx)
}

// describe fills in what the metadata says.
func (s *scanner) describe(e *entry, name source.Name, st *source.Stat, dev *device) {
	e.name, e.stat, e.device = name, *st, dev
	e.node.Name = name.String()
	fill(&e.node, st, dev, s.accounts, s.o.AccessTimes)
}

// fill sets a node's metadata; it is what a reader uses too, for a file that
// has changed since.
func fill(n *tree.Node, st *source.Stat, dev *device, a *source.Accounts, accessTimes bool) {
	st.Fill(n, a)
	n.Device = dev.ordinal
	if accessTimes {
		n.AccessTime = st.AccessTime
	}
}

// warn sends a problem.
func (s *scanner) warn(ctx context.Context, p problem) error {
	e, err := s.out.slot(ctx)
	if err != nil {
		return err
	}
	e.op, e.path, e.problem, e.notice, e.lost, e.reason = opWarning, p.path, p.err, p.notice, p.lost, p.reason
	return s.out.commit(ctx)
}

// lost says that an entry of the current directory cannot be stored.
func (s *scanner) lost(ctx context.Context, name string, err error) error {
	return s.warn(ctx, problem{path: string(s.path) + name, err: err, lost: true})
}

// entries sends what is in a directory, or what of it leads to sources.
func (s *scanner) entries(ctx context.Context, d *source.Dir, where region) error {
	w := dirWalk{s: s, d: d, where: where}
	defer w.unpin()
	if !where.whole {
		for _, p := range where.place.children {
			if more, err := w.entry(ctx, source.NewName(p.name)); !more || err != nil {
				return err
			}
		}
		return nil
	}
	names, err := d.ReadNames()
	if err != nil {
		if err := s.warn(ctx, problem{path: string(s.path), err: err, lost: true}); err != nil {
			return err
		}
	}
	var tags []string
	if s.o.KeepTags || s.depth == 1 { // others have been asked before they were entered
		tags = s.tags(d)
	}
	if len(tags) > 0 {
		for i := range names.Len() {
			name, more, err := names.Name(i), true, error(nil)
			if s.o.KeepTags && slices.Contains(tags, name.String()) {
				more, err = w.entry(ctx, name)
			} else {
				err = w.exclude(ctx, name, ByTag)
			}
			if !more || err != nil {
				return err
			}
		}
		return nil
	}
	for i := range names.Len() {
		name := names.Name(i)
		if names.Socket(i) {
			if err := w.exclude(ctx, name, BySocket); err != nil {
				return err
			}
			continue
		}
		if more, err := w.entry(ctx, name); !more || err != nil {
			return err
		}
	}
	return nil
}

// vanished reports that an entry is gone.
func vanished(err error) bool { return errors.Is(err, fs.ErrNotExist) }
