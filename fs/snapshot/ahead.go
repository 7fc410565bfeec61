package snapshot

import (
	"context"

	"garret/fs/source"
)

// counter is the sink of the scan ahead: it adds up what there will be to do.
type counter struct {
	p *Progress
	e entry
}

func (c *counter) slot(ctx context.Context) (*entry, error) {
	c.e.clear()
	return &c.e, ctx.Err()
}

func (c *counter) commit(context.Context) error {
	switch c.e.op {
	case opEnter:
		c.p.TotalEntries.Add(1)
		c.e.dir.Close()
	case opOther:
		c.p.TotalEntries.Add(1)
	case opFile:
		c.p.TotalEntries.Add(1)
		c.p.TotalFiles.Add(1)
		c.p.TotalBytes.Add(c.e.node.Size)
	}
	return nil
}

// scanAhead walks the sources for the totals. That it fails is nobody's loss.
func scanAhead(ctx context.Context, o *Options, p *plan) {
	handles := source.NewHandles(maxHandles)
	defer handles.Close()
	if newScanner(o, p, nil, handles, &counter{p: o.Progress}).run(ctx) == nil {
		o.Progress.Scanned.Store(true)
	}
}
