package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/object"
)

// leaseRefresh is how often a live session shows that it lives. A collector
// gives up on a lease that did not change for many times as long, on its own
// clock.
const leaseRefresh = 2 * time.Minute

const maxLease = 16 << 10

// Lease is what a session says of itself. It is sealed under the list key.
type Lease struct {
	Kind    string    `json:"kind"` // "writer" or "reader"
	Host    string    `json:"host"`
	Boot    string    `json:"boot"` // the kernel's boot id: a process of another boot is gone
	PID     int       `json:"pid"`
	PIDs    string    `json:"pid_ns"` // the PID namespace that PID is a number in
	Started time.Time `json:"started"`
	Program string    `json:"program"`
}

// The kinds of leases.
const (
	LeaseWriter = "writer"
	LeaseReader = "reader"
)

// lease keeps one session's lease alive until it is released.
type lease struct {
	repo *Repository
	id   index.SessionID
	body []byte

	mu sync.Mutex
	n  uint64 // number of the newest that was written

	stop context.CancelFunc
	done chan struct{}
}

func newLease(ctx context.Context, r *Repository, id index.SessionID, kind string) (*lease, error) {
	host, _ := os.Hostname()
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	body, err := json.Marshal(Lease{
		Kind: kind, Host: host, Boot: strings.TrimSpace(string(boot)), PID: os.Getpid(), PIDs: pidNamespace(),
		Started: time.Now().UTC(), Program: Program(),
	})
	if err != nil {
		return nil, err
	}
	l := &lease{repo: r, id: id, body: body, done: make(chan struct{})}
	if err := l.refresh(ctx); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.run(background)
	return l, nil
}

// pidNamespace names the namespace of this process's number: containers may
// share a machine's name and boot id.
func pidNamespace() string {
	ns, _ := os.Readlink("/proc/self/ns/pid")
	return ns
}

func (l *lease) run(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(leaseRefresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// A refresh that fails is tried again. Should collectors give up
			// on the session meanwhile, the fence says so at its end.
			_ = l.refresh(ctx)
		}
	}
}

// refresh writes the lease's next number, then removes the one before: at
// every moment one of them is listed.
func (l *lease) refresh(ctx context.Context) error {
	l.mu.Lock()
	n := l.n + 1
	l.mu.Unlock()
	name := leaseName(l.id, n)
	data := object.AppendHeader(nil, object.Lease)
	sealed, err := l.repo.keys.Seal(keys.ListKey, name, data, l.body)
	if err != nil {
		return err
	}
	if err := l.repo.backend.Put(ctx, name, object.Finish(append(data, sealed...))); err != nil {
		return err
	}
	l.mu.Lock()
	l.n = n
	l.mu.Unlock()
	if n > 1 {
		if err := l.repo.backend.Delete(ctx, leaseName(l.id, n-1)); err != nil && !missing(err) {
			return err
		}
	}
	return nil
}

// release ends the session. A lease that cannot be removed expires.
func (l *lease) release(ctx context.Context) error {
	l.stop()
	<-l.done
	l.mu.Lock()
	n := l.n
	l.mu.Unlock()
	err := l.repo.backend.Delete(context.WithoutCancel(ctx), leaseName(l.id, n))
	if missing(err) {
		return nil
	}
	return err
}

// fenced reports whether a collector has given up on the session. Nobody
// removes a fence, so no refresh can undo it.
func (r *Repository) fenced(ctx context.Context, id index.SessionID) (bool, error) {
	_, err := r.backend.Size(ctx, fenceName(id))
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

// fences lists the sessions that collectors have given up on.
func (r *Repository) fences(ctx context.Context) (map[index.SessionID]bool, error) {
	fenced := make(map[index.SessionID]bool)
	err := r.backend.List(ctx, dirLeases, func(e backend.Entry) error {
		if id, n, ok := parseLeaseName(e.Name); ok && n == 0 {
			fenced[id] = true
		}
		return nil
	})
	return fenced, err
}

// readLease opens a lease that a listing has shown.
func (r *Repository) readLease(ctx context.Context, name string) (Lease, error) {
	data, err := backend.ReadAll(ctx, r.backend, name, maxLease)
	if err != nil {
		return Lease{}, err
	}
	_, sealed, err := object.Open(data, object.Lease)
	if err != nil {
		return Lease{}, err
	}
	body, err := r.keys.Open(keys.ListKey, name, data[:object.HeaderSize], sealed)
	if err != nil {
		return Lease{}, err
	}
	var l Lease
	if err := json.Unmarshal(body, &l); err != nil {
		return Lease{}, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	return l, nil
}

// readOnly reports whether err says that the storage cannot be written by us.
func readOnly(err error) bool {
	return errors.Is(err, backend.ErrReadOnly) || errors.Is(err, backend.ErrPermission)
}
