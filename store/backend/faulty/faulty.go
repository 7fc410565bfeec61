package faulty

import (
	"context"
	"errors"
	"sync"
	"time"

	"garret/store/backend"
)

// ErrStopped is what every operation fails with after a stop.
var ErrStopped = errors.New("stopped by a fault")

// Op is a set of kinds of operations.
type Op uint8

// The operations, and sets of them.
const (
	Put Op = 1 << iota
	Delete
	ReadAt
	Size
	List

	Changes = Put | Delete // what leaves the storage different
	All     = Changes | ReadAt | Size | List
)

func (op Op) String() string {
	switch op {
	case Put:
		return "put"
	case Delete:
		return "delete"
	case ReadAt:
		return "read"
	case Size:
		return "size"
	case List:
		return "list"
	}
	return "several operations"
}

// Call is one operation, as a rule sees it.
type Call struct {
	Op    Op
	Name  string // an object, or the prefix of a List
	Bytes int    // length of the data of a Put, of the buffer of a ReadAt
	Off   int64  // of a ReadAt
}

// Fault is what happens to an operation. The zero Fault is none.
type Fault struct {
	Delay  time.Duration // before anything else; ends with the context
	Err    error         // what the caller gets, wrapped in a *backend.Error; nil is no failure
	Effect bool          // the operation is carried out even so, as when an answer is lost
}

// Rule decides about an operation. Rules are asked in the order in which they
// were added; delays add up, and the first error wins.
type Rule func(Call) Fault

// Backend is a backend with faults.
type Backend struct {
	inner backend.Backend

	mu      sync.Mutex
	rules   []Rule
	counts  map[Op]int // operations begun, by kind
	stop    *stop
	stopped bool
	flips   map[string][]int64 // by object; positions in bits
	limited bool
	space   int64 // bytes that may still be put, if limited
}

// stop is an armed StopAfter.
type stop struct {
	ops  Op
	left int
}

var _ backend.Backend = (*Backend)(nil)

// New returns b without any faults yet. Closing the decorator closes b.
func New(b backend.Backend) *Backend {
	return &Backend{inner: b, counts: make(map[Op]int), flips: make(map[string][]int64)}
}

// Count returns how many operations of the kinds ops have begun so far,
// without those that a stop refused.
func (b *Backend) Count(ops Op) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count(ops)
}

func (b *Backend) count(ops Op) (n int) {
	for op, k := range b.counts {
		if op&ops != 0 {
			n += k
		}
	}
	return n
}

// Stopped reports whether a stop has happened.
func (b *Backend) Stopped() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stopped
}

// Location implements backend.Backend.
func (b *Backend) Location() string { return b.inner.Location() }

// Close closes the decorated backend, after a stop too: so much a dead process
// does.
func (b *Backend) Close() error { return b.inner.Close() }

// Put implements backend.Backend.
func (b *Backend) Put(ctx context.Context, name string, data []byte) error {
	call := Call{Op: Put, Name: name, Bytes: len(data)}
	return b.do(ctx, call, func() error { return b.inner.Put(ctx, name, data) })
}

// Delete implements backend.Backend.
func (b *Backend) Delete(ctx context.Context, name string) error {
	call := Call{Op: Delete, Name: name}
	return b.do(ctx, call, func() error { return b.inner.Delete(ctx, name) })
}

// ReadAt implements backend.Backend.
func (b *Backend) ReadAt(ctx context.Context, name string, p []byte, off int64) (n int, err error) {
	call := Call{Op: ReadAt, Name: name, Bytes: len(p), Off: off}
	err = b.do(ctx, call, func() error {
		n, err = b.inner.ReadAt(ctx, name, p, off)
		b.flip(name, p[:n], off)
		return err
	})
	return n, err
}

// Size implements backend.Backend.
func (b *Backend) Size(ctx context.Context, name string) (size int64, err error) {
	err = b.do(ctx, Call{Op: Size, Name: name}, func() error {
		size, err = b.inner.Size(ctx, name)
		return err
	})
	return size, err
}

// List implements backend.Backend.
func (b *Backend) List(ctx context.Context, prefix string, visit func(backend.Entry) error) error {
	return b.do(ctx, Call{Op: List, Name: prefix}, func() error { return b.inner.List(ctx, prefix, visit) })
}

// do carries out an operation with the faults that are due.
func (b *Backend) do(ctx context.Context, call Call, effect func() error) error {
	rules, err := b.begin(call)
	if err != nil {
		return &backend.Error{Op: call.Op.String(), Name: call.Name, Err: err}
	}
	// Without the lock: a rule may use the backend.
	fault := ask(rules, call)
	if err := sleep(ctx, fault.Delay); err != nil {
		return &backend.Error{Op: call.Op.String(), Name: call.Name, Err: err}
	}
	if err := b.permit(call); err != nil {
		fault = Fault{Err: err}
	}
	if fault.Err == nil {
		return effect()
	}
	if fault.Effect {
		_ = effect() // the caller hears of the fault only
	}
	return &backend.Error{Op: call.Op.String(), Name: call.Name, Err: fault.Err}
}

// begin counts an operation, unless a stop is due.
func (b *Backend) begin(call Call) ([]Rule, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.stop; s != nil && s.ops&call.Op != 0 {
		b.stopped = b.stopped || s.left == 0
		s.left--
	}
	if b.stopped {
		return nil, ErrStopped
	}
	b.counts[call.Op]++
	return b.rules, nil
}

// permit decides at the last moment before an operation takes effect: while
// it was delayed, another may have met the stop or used up the space.
func (b *Backend) permit(call Call) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return ErrStopped
	}
	if call.Op != Put || !b.limited {
		return nil
	}
	if int64(call.Bytes) > b.space {
		return backend.ErrFull
	}
	b.space -= int64(call.Bytes)
	return nil
}

func ask(rules []Rule, call Call) (sum Fault) {
	for _, rule := range rules {
		f := rule(call)
		sum.Delay += f.Delay
		if sum.Err == nil {
			sum.Err, sum.Effect = f.Err, f.Effect
		}
	}
	return sum
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
