package mount

import (
	"context"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"garret/fs/view"
)

// interruptGrace is how long a request goes on after its caller was
// interrupted. Programs that get a signal (a child ended, the window was
// resized) do not expect EINTR of a regular file, so requests that can be
// served soon are served. But a caller that was killed goes away only when the
// request has been answered, so one that waits for a dead server must end.
const interruptGrace = 2 * time.Second

// request is the context of one FUSE request. What is needed to watch for an
// interrupt is made only for those that take longer.
type request struct {
	unique uint64
	conn   *connection // nil: nobody interrupts, and nothing is handed over

	interrupted     chan struct{} // made by WillWait
	wasInterrupted  bool          // guarded by conn.mu
	mu              sync.Mutex
	waits, answered bool
	err             error
	done            chan struct{} // nil until asked for
	over            chan struct{} // tells watch that the request has been served
}

// begin returns the context of a request, which must end before it is answered.
func (f *fileSystem) begin(h *fuse.InHeader) *request {
	return &request{unique: h.Unique, conn: f.connection}
}

// WillWait says that the request may take long from now on: the requests that
// follow are not to wait for it, and it wants to know of interrupts.
func (r *request) WillWait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.willWait()
}

// willWait is called with r.mu held.
func (r *request) willWait() {
	if r.waits || r.answered {
		return
	}
	r.waits = true
	r.interrupted = make(chan struct{})
	if r.conn != nil {
		r.conn.willWait(r)
	}
}

// interrupt is called with conn.mu held.
func (r *request) interrupt() {
	if !r.wasInterrupted {
		r.wasInterrupted = true
		close(r.interrupted)
	}
}

// end must be called before the request is answered.
func (r *request) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answered = true
	if r.waits && r.conn != nil {
		r.conn.served(r)
	}
	if r.over != nil {
		close(r.over)
		r.over = nil
	}
	r.cancel()
}

// cancel is called with r.mu held.
func (r *request) cancel() {
	if r.err == nil {
		r.err = context.Canceled
		if r.done != nil {
			close(r.done)
		}
	}
}

// Deadline, Done, Err and Value are those of context.Context.

func (r *request) Deadline() (time.Time, bool) { return time.Time{}, false }

func (r *request) Value(any) any { return nil }

func (r *request) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Done is for who waits, so the request will.
func (r *request) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		r.done = make(chan struct{})
		if r.answered {
			close(r.done)
		} else {
			r.willWait()
			r.over = make(chan struct{})
			go r.watch(r.interrupted, r.over)
		}
	}
	return r.done
}

// watch ends with the request: end closes over.
func (r *request) watch(interrupted, over <-chan struct{}) {
	select {
	case <-over:
		return
	case <-interrupted:
	}
	grace := time.NewTimer(interruptGrace)
	defer grace.Stop()
	select {
	case <-over:
	case <-grace.C:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.cancel()
	}
}

var _ view.Waiter = (*request)(nil)
