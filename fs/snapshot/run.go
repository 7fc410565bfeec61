package snapshot

import (
	"context"
	"errors"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"garret/fs/source"
)

const (
	// ringBudget is the memory for chunks on their way, of all readers, bytes.
	ringBudget = 8 << 20
	// maxHandles bounds the directories that are open without being used.
	maxHandles = 128
)

// readers returns how many files to read at once, and the bytes of each
// reader's ring.
func readers(o *Options) (n, ring int) {
	least := 2 * o.Chunker.Params().Max
	n = o.Workers
	if n <= 0 {
		n = min(runtime.GOMAXPROCS(0), max(2, ringBudget/least))
	}
	return n, max(least, ringBudget/n)
}

// Run walks the sources and stores them. Its errors are those of the options,
// the context and the Store: what is wrong with files ends in warnings.
func Run(ctx context.Context, o Options) (*Result, error) {
	if o.Started.IsZero() {
		o.Started = time.Now()
	}
	p, err := newPlan(o.Sources, o.Root, o.Exact)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	if o.ScanAhead && o.Progress != nil {
		done := make(chan struct{})
		go func() {
			defer close(done)
			scanAhead(ctx, &o, p)
		}()
		defer func() { <-done }()
	}
	defer cancel()

	handles := source.NewHandles(maxHandles)
	defer handles.Close()
	accounts := source.SystemAccounts()
	free, scanned, matched := make(chan *batch, batches), make(chan *batch, batches), make(chan *batch, batches)
	for range batches {
		free <- newBatch()
	}
	files := make(chan *entry, 2*batchEntries)
	known := &links{}

	g, gctx := errgroup.WithContext(ctx)
	out := &batcher{free: free, out: scanned}
	scan := newScanner(&o, p, accounts, handles, out)
	g.Go(func() error {
		err := scan.run(gctx)
		if err == nil {
			err = out.flush(gctx)
		}
		if err == nil {
			close(scanned)
		}
		return err
	})
	match := &matcher{o: &o, links: known, in: scanned, out: matched, read: files}
	g.Go(func() error { return match.run(gctx) })
	n, size := readers(&o)
	all := newCrew(n)
	for range n {
		g.Go(func() error { return newReader(&o, accounts, all, size).run(gctx, files) })
	}
	put := newAssembler(&o, p.base, known, matched, free)
	put.again = func(e *entry) {
		g.Go(func() error { return newReader(&o, accounts, nil, 0).file(gctx, e) })
	}
	g.Go(func() error { return put.run(gctx) })

	err = g.Wait()
	partial := errors.Is(err, errStopped)
	if err != nil && !partial {
		return nil, err
	}
	res := put.result(put.root, put.stats)
	res.Partial = partial
	return res, nil
}
