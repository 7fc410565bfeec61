package mount

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// healthFor is how long an answer to whether the archive can be reached
	// holds.
	healthFor = 500 * time.Millisecond
	// healthWait is how long it is waited for; a server that has gone silent
	// cannot be reached either.
	healthWait = 2 * time.Second
	// healthPoll is how often it is asked whether the archive is back.
	healthPoll = time.Second
)

// health knows whether the archive can be reached at all. While it cannot,
// everything that is not cached fails, and that is no damage: the log gets one
// line at its beginning and one at its end.
type health struct {
	check func(context.Context) error // nil: it always can
	log   *slog.Logger
	ctx   context.Context // ends with the mount

	mu      sync.Mutex
	asking  chan struct{} // closed when the question under way is answered; nil if there is none
	asked   time.Time
	down    bool
	ended   bool
	polling sync.WaitGroup
}

// reachable reports whether the archive can be reached. It is asked when
// something could not be read.
func (h *health) reachable() bool {
	if h.check == nil {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.asking != nil {
		asking := h.asking
		h.mu.Unlock()
		<-asking
		h.mu.Lock()
	}
	if h.ctx.Err() != nil || !h.asked.IsZero() && time.Since(h.asked) < healthFor {
		return !h.down
	}
	h.asking = make(chan struct{})
	h.mu.Unlock()
	err := h.ask()
	h.mu.Lock()
	close(h.asking)
	h.asking, h.asked = nil, time.Now()
	h.learn(err)
	return !h.down
}

// ask waits for the answer, but not for ever.
func (h *health) ask() error {
	ctx, cancel := context.WithTimeout(h.ctx, healthWait)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- h.check(ctx) }() // a call into a dead file system cannot be ended
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// learn is called with h.mu held.
func (h *health) learn(err error) {
	switch {
	case h.ended || h.ctx.Err() != nil:
	case err != nil && !h.down:
		h.down = true
		h.log.Error("the repository cannot be reached; what is not cached cannot be read until it is back", "err", err)
		h.polling.Go(h.poll)
	case err == nil && h.down:
		h.down = false
		h.log.Warn("the repository can be reached again")
	}
}

// poll asks until the archive is back.
func (h *health) poll() {
	tick := time.NewTicker(healthPoll)
	defer tick.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-tick.C:
			if h.reachable() {
				return
			}
		}
	}
}

// wait returns when nobody asks any more; the context has ended.
func (h *health) wait() {
	h.mu.Lock()
	h.ended = true // nobody starts to poll any more
	h.mu.Unlock()
	h.polling.Wait()
}
