package snapshot

import (
	"context"
	"sync/atomic"

	"garret/index"
)

// crew is all readers of a run. One that has to wait hashes chunks for the
// others meanwhile, so that a single large file is hashed by one processor
// while another reads and cuts it.
type crew struct {
	help chan *hashing // taken by whoever waits; nobody waits to send
	busy atomic.Int32  // readers that may still have a file
	over chan struct{} // closed when none has
}

func newCrew(readers int) *crew {
	c := &crew{help: make(chan *hashing), over: make(chan struct{})}
	c.busy.Store(int32(readers))
	return c
}

// together is how many chunks of a file are hashed at once. It takes two for
// the store to be fast; with more, less time goes by in which one is left.
const together = 4

// hashing is chunks of a file whose IDs another reader works out.
type hashing struct {
	store  Store
	n      int
	chunks [together][]byte // in the ring of the reader that asked, until assemble has them
	ids    [together]index.ID
	done   chan struct{}
}

func (h *hashing) run() {
	h.store.IDs(index.Data, h.ids[:h.n], h.chunks[:h.n])
	close(h.done)
}

// wait returns the ID of a chunk, for assemble.
func (h *hashing) wait(ctx context.Context, i int) (index.ID, error) {
	select {
	case <-h.done:
		return h.ids[i], nil
	case <-ctx.Done():
		return index.ID{}, ctx.Err()
	}
}

// minHelp is the least that is worth being handed over, bytes.
const minHelp = 64 << 10

// offer hands chunks to a reader that waits. It returns nil when none does.
func (c *crew) offer(s Store, chunks [][]byte) *hashing {
	size := 0
	for _, chunk := range chunks {
		size += len(chunk)
	}
	if c == nil || size < minHelp {
		return nil
	}
	h := &hashing{store: s, n: len(chunks), done: make(chan struct{})}
	copy(h.chunks[:], chunks)
	select {
	case c.help <- h:
		return h
	default:
		return nil
	}
}

// leave is called by a reader that has no more files: it helps until the last
// of the others is done too.
func (c *crew) leave(ctx context.Context) error {
	if c.busy.Add(-1) == 0 {
		close(c.over)
	}
	for {
		select {
		case h := <-c.help:
			h.run()
		case <-c.over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
