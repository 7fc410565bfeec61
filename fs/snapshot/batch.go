package snapshot

import "context"

// batcher is the sink of the run proper: it fills batches and sends them to
// the next stage.
type batcher struct {
	free <-chan *batch
	out  chan<- *batch
	cur  *batch
}

func (b *batcher) slot(ctx context.Context) (*entry, error) {
	if b.cur == nil {
		select {
		case b.cur = <-b.free:
			b.cur.n = 0
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	e := &b.cur.entries[b.cur.n]
	e.clear()
	return e, nil
}

func (b *batcher) commit(ctx context.Context) error {
	if b.cur.n++; b.cur.n < len(b.cur.entries) {
		return nil
	}
	return b.flush(ctx)
}

// flush sends what there is.
func (b *batcher) flush(ctx context.Context) error {
	if b.cur == nil || b.cur.n == 0 {
		return nil
	}
	select {
	case b.out <- b.cur:
		b.cur = nil
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
