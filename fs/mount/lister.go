package mount

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxListWait bounds how long somebody who looks at the mount waits for
	// a new list; then the old one must do, until the new one is there.
	maxListWait = time.Second

	// listShare bounds the part of the time that listing takes: after a
	// list that took a second, none is asked for in the next ten.
	listShare = 10
)

// lister keeps the catalog up to date. It does nothing while nobody looks.
type lister struct {
	archive  Archive
	interval time.Duration
	log      *slog.Logger
	health   *health
	ctx      context.Context // ends with the mount
	current  atomic.Pointer[catalog]
	renew    func() // has the connection replaced

	denying sync.Mutex
	denied  bool // the kernel knows of no attributes, for good

	mu      sync.Mutex
	running chan struct{} // closed when the listing under way ends; nil if there is none
	next    time.Time     // no listing before
	failing bool          // the last one failed, which has been logged
	wg      sync.WaitGroup
}

// newLister makes the first catalog; it fails if the archive cannot be listed.
// When there are snapshots that cannot be shown through the mount's connection,
// renew is called to have it replaced; see deny.
func newLister(ctx context.Context, a Archive, o Options, h *health, renew func()) (*lister, error) {
	l := &lister{archive: a, interval: o.Interval, log: o.Log, health: h, ctx: ctx, renew: renew}
	if _, err := l.list(); err != nil {
		return nil, err
	}
	return l, nil
}

// catalog returns the catalog as it is.
func (l *lister) catalog() *catalog { return l.current.Load() }

// fresh returns a catalog that is not older than the interval, if the archive
// answers in time.
func (l *lister) fresh(ctx context.Context) *catalog {
	l.mu.Lock()
	running := l.running
	if running == nil {
		if time.Now().Before(l.next) || l.ctx.Err() != nil {
			l.mu.Unlock()
			return l.catalog()
		}
		running = make(chan struct{})
		l.running = running
		l.wg.Go(func() { l.refresh(running) })
	}
	l.mu.Unlock()

	timeout := time.NewTimer(maxListWait)
	defer timeout.Stop()
	select {
	case <-running:
	case <-timeout.C:
	case <-ctx.Done():
	}
	return l.catalog()
}

func (l *lister) refresh(done chan struct{}) {
	defer close(done)
	concealed, err := l.list()
	if concealed && l.ctx.Err() == nil {
		l.renew()
	}
	known := err != nil && !l.health.reachable() // that has been logged
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = nil
	switch {
	case l.ctx.Err() != nil || known:
	case err != nil && !l.failing:
		l.failing = true
		l.log.Warn("the snapshots cannot be listed; showing those known before", "err", err)
	case err == nil && l.failing:
		l.failing = false
		l.log.Info("the snapshots can be listed again")
	}
}

// list asks for the list and makes it the current one. It reports whether there
// are snapshots that it has left out.
func (l *lister) list() (concealed bool, err error) {
	begin := time.Now()
	list, err := l.archive.Snapshots(l.ctx)
	if err == nil {
		concealed, err = l.show(list)
	}
	end := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next = end.Add(max(l.interval, listShare*end.Sub(begin)))
	return concealed, err
}

// show makes a list the current one, but for the snapshots that hold attributes
// which the kernel would not ask for.
func (l *lister) show(list []Snapshot) (concealed bool, err error) {
	l.denying.Lock()
	defer l.denying.Unlock()
	if l.denied {
		all := len(list)
		list = slices.DeleteFunc(list, func(s Snapshot) bool { return !newFamilies(s.XattrFamilies).none() })
		concealed = len(list) < all
	}
	c, err := newCatalog(l.catalog(), list, time.Now())
	if err == nil {
		l.current.Store(c)
	}
	return concealed, err
}

// deny decides whether the kernel is to be told that there are no attributes at
// all. That holds as long as its connection does, and saves two requests for each
// file that is copied. So from then on snapshots that have some are left out, and
// the connection has to be replaced for them.
func (l *lister) deny() bool {
	l.denying.Lock()
	defer l.denying.Unlock()
	if c := l.catalog(); !l.denied && len(c.snapshots) > 0 && c.families.none() {
		l.denied = true
	}
	return l.denied
}

// wait returns when nothing is running any more; the context has ended.
func (l *lister) wait() { l.wg.Wait() }
