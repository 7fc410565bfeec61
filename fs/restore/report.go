package restore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

// DeniedError is told once for each kind of thing that could not be restored,
// because the user may not or the file system cannot. Stats.Denied has the
// number of entries.
type DeniedError struct {
	What string
	Err  error
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s: %v (further entries may lack the same)", e.What, e.Err)
}

func (e *DeniedError) Unwrap() error { return e.Err }

// reports passes warnings on, one at a time.
type reports struct {
	warn func(path string, err error)

	mu     sync.Mutex
	calls  uint64
	denied []Denied
}

func (p *reports) tell(path string, err error) {
	p.calls++
	if p.warn != nil {
		p.warn(path, err)
	}
}

// fill takes over the counts.
func (p *reports) fill(s *Stats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Warnings, s.Denied = p.calls, p.denied
	slices.SortFunc(s.Denied, func(a, b Denied) int { return cmp.Compare(a.What, b.What) })
}

// warn reports something about an entry of d, or about d with an empty name.
func (r *run) warn(d *directory, name string, err error) {
	r.reports.mu.Lock()
	defer r.reports.mu.Unlock()
	r.reports.tell(r.path(d, name), err)
}

// listed tells that an entry of d, or d itself with an empty name, is written.
func (r *run) listed(d *directory, name string, n *tree.Node) {
	if r.o.List != nil {
		r.reports.mu.Lock()
		defer r.reports.mu.Unlock()
		r.o.List(r.path(d, name), n)
	}
}

// denied reports the first of its kind and counts all.
func (r *run) denied(what string, d *directory, name string, err error) {
	p := &r.reports
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.denied, func(k Denied) bool { return k.What == what })
	if i < 0 {
		i = len(p.denied)
		p.denied = append(p.denied, Denied{What: what})
		p.tell(r.path(d, name), &DeniedError{what, err})
	}
	p.denied[i].Entries++
}

// notSet reports that a piece of metadata was not set.
func (r *run) notSet(what string, d *directory, name string, err error) {
	if isDenied(err) {
		r.denied(what, d, name, err)
	} else {
		r.warn(d, name, fmt.Errorf("%s: %w", what, err))
	}
}

// isDenied reports whether err speaks of the user's rights or of what the file
// system supports rather than of this one entry.
func isDenied(err error) bool {
	for _, e := range [...]error{unix.EPERM, unix.EACCES, unix.EOPNOTSUPP, unix.ENOTTY, unix.ENOSYS, unix.EINVAL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
