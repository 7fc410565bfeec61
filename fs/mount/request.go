package mount

import (
	"context"
	"sync"
	"time"
)

// interruptGrace is how long a request goes on after its caller was
// interrupted. Programs that get a signal (a child ended, the window was
// resized) do not expect EINTR of a regular file, so requests that can be
// served soon are served. But a caller that was killed goes away only when the
// request has been answered, so one that waits for a dead server must end.
const interruptGrace = 2 * time.Second

// request is the context of one FUSE request. It costs an allocation; what is
// needed to watch for an interrupt is made only if somebody asks for Done.
type request struct {
	interrupted <-chan struct{} // go-fuse's; belongs to another request after end

	mu    sync.Mutex
	ended bool
	err   error
	done  chan struct{} // nil until asked for
	over  chan struct{} // tells watch that the request has been served
}

func newRequest(interrupted <-chan struct{}) *request {
	return &request{interrupted: interrupted}
}

// end must be called before the request is answered.
func (r *request) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
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

func (r *request) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		r.done = make(chan struct{})
		if r.ended {
			close(r.done)
		} else {
			r.over = make(chan struct{})
			go r.watch(r.over)
		}
	}
	return r.done
}

// watch ends with the request: end closes over.
func (r *request) watch(over <-chan struct{}) {
	select {
	case <-over:
		return
	case <-r.interrupted:
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

var _ context.Context = (*request)(nil)
