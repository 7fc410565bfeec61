package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"garret/fs/tree"
	"garret/index"
)

// assembler is the last stage: it stores content and builds directories, in
// walk order. All callbacks but Filter and Skip are called from it.
type assembler struct {
	o     *Options
	base  string // of the tree, on the source file system
	links *links
	in    <-chan *batch
	free  chan<- *batch
	again func(e *entry) // reads a file after all; its pieces come as from other readers

	stack   []level // directories on the way down; used again
	depth   int
	path    []byte // of the current directory, with a slash behind unless empty
	content *tree.ContentBuilder
	taking  taking

	root     *tree.Node
	stats    Stats
	warnings int
	newest   []tree.Time // by device
	devices  []*device
	names    map[linkKey]bool // FIFOs and devices met that have more names

	timer      <-chan time.Time // a checkpoint is due
	unfinished string           // path in the snapshot of the file whose beginning is all there is
}

// level is a directory whose entries are being stored.
type level struct {
	node    tree.Node
	builder *tree.DirBuilder
	before  int  // length of path above
	drop    bool // if it stays empty
	filled  bool // has an entry
}

// errStopped ends the stages when Stop is closed.
var errStopped = errors.New("stopped")

func newAssembler(o *Options, base string, l *links, in <-chan *batch, free chan<- *batch) *assembler {
	a := &assembler{o: o, base: base, links: l, in: in, free: free, names: make(map[linkKey]bool)}
	a.stats.Reasons = make(map[Reason]uint64)
	a.content = tree.NewContentBuilder(a)
	a.schedule()
	return a
}

// run takes batches until the walk ends. On errStopped it has completed what
// there is.
func (a *assembler) run(ctx context.Context) error {
	for {
		var b *batch
		var ok bool
		select {
		case b, ok = <-a.in:
		case <-a.o.Stop:
			return a.stop(ctx)
		case <-a.timer:
			if err := a.checkpoint(ctx); err != nil {
				return err
			}
			continue
		case <-ctx.Done():
			return ctx.Err()
		}
		if !ok {
			return nil
		}
		for i := range b.n {
			err := a.pause(ctx)
			if err == nil {
				err = a.entry(ctx, &b.entries[i])
			}
			if err == errStopped {
				return a.stop(ctx)
			}
			if err != nil {
				return err
			}
		}
		a.free <- b // it has room for all there are
	}
}

// pause returns errStopped once Stop is closed, and makes a checkpoint when one
// is due. It is asked between any two pieces of work: where storing is slower
// than reading, the next is always there, and nothing ever waits for it.
func (a *assembler) pause(ctx context.Context) error {
	select {
	case <-a.o.Stop:
		return errStopped
	case <-a.timer:
		return a.checkpoint(ctx)
	default:
		return nil
	}
}

// stop adds what there is of the file that is being read and closes the
// directories that are open.
func (a *assembler) stop(ctx context.Context) error {
	n, err := a.begun(ctx)
	if err != nil {
		return err
	}
	if n != nil {
		err := a.stack[a.depth-1].builder.Add(ctx, n)
		if err != nil && !errors.Is(err, tree.ErrInvalid) {
			return a.storeError(n.Name, err)
		}
		if err == nil {
			a.stack[a.depth-1].filled = true
			a.unfinished = string(a.path) + n.Name
			a.stats.Files++
			a.stats.BytesTotal += n.Size
		}
	}
	a.content.Reset()
	for a.depth > 0 {
		if err := a.leave(ctx); err != nil {
			return err
		}
	}
	return errStopped
}

func (a *assembler) entry(ctx context.Context, e *entry) error {
	if e.lookup != nil {
		a.warn(a.entryPath(e), e.lookup, true)
	}
	switch e.op {
	case opEnter:
		a.enter(e)
	case opLeave:
		return a.leave(ctx)
	case opFile:
		return a.file(ctx, e)
	case opOther:
		a.problem(e)
		return a.add(ctx, e, a.statusOf(e))
	case opWarning:
		a.warn(e.path, e.problem, e.notice)
		if e.reason != "" {
			a.stats.Reasons[e.reason]++
		}
		if e.lost {
			a.stats.Errors++
			a.itemOf(Item{Path: strings.TrimSuffix(e.path, "/"), Status: Failed, Node: &e.node})
		}
	case opExcluded:
		a.stats.Reasons[e.reason]++
		if e.reason != BySocket {
			a.stats.Excluded++
			a.itemOf(Item{Path: e.path, Status: Excluded, Node: &e.node})
		}
	}
	return nil
}

// seen keeps the list of devices and their newest times.
func (a *assembler) seen(e *entry) {
	for int(e.device.ordinal) >= len(a.devices) {
		a.devices = append(a.devices, nil)
		a.newest = append(a.newest, tree.Time{})
	}
	a.devices[e.device.ordinal] = e.device
	if e.node.Type == tree.Regular {
		n := &a.newest[e.device.ordinal]
		*n = newer(*n, &e.node)
	}
}

// enter begins a directory.
func (a *assembler) enter(e *entry) {
	a.problem(e)
	if e.reason != "" {
		a.stats.Reasons[e.reason]++
	}
	a.item(e, Dir)
	a.seen(e)
	if a.depth == len(a.stack) {
		a.stack = append(a.stack, level{builder: tree.NewDirBuilder(a)})
	}
	l := &a.stack[a.depth]
	a.depth++
	l.node, l.drop, l.filled, l.before = e.node, e.drop, false, len(a.path)
	if a.depth > 1 {
		a.path = append(append(a.path, e.node.Name...), '/')
	}
	if p := a.o.Progress; p != nil {
		path := string(a.path)
		p.Current.Store(&path)
	}
}

// leave completes a directory and adds it to the one above.
func (a *assembler) leave(ctx context.Context) error {
	l := &a.stack[a.depth-1]
	a.depth--
	a.path = a.path[:l.before]
	if !a.o.DryRun {
		var err error
		if l.node.Dir, err = l.builder.Finish(ctx); err != nil {
			return a.storeError(l.node.Name, err)
		}
	}
	if l.drop && !l.filled {
		a.stats.Excluded++
		a.stats.Reasons[ByPattern]++
		return nil
	}
	a.stats.Dirs++
	a.progress()
	if a.depth == 0 {
		if !a.o.DryRun {
			root := l.node
			a.root = &root
		}
		return nil
	}
	return a.addNode(ctx, &l.node)
}

func (a *assembler) progress() {
	if p := a.o.Progress; p != nil {
		p.Entries.Add(1)
	}
}

// add stores an entry that is not a directory, complete but for its place.
func (a *assembler) add(ctx context.Context, e *entry, s Status) error {
	a.seen(e)
	a.item(e, s)
	a.progress()
	if e.node.Type == tree.Regular {
		a.stats.Files++
		a.stats.BytesTotal += e.node.Size
		if p := a.o.Progress; p != nil {
			p.Files.Add(1)
		}
	} else {
		a.stats.Others++
	}
	return a.addNode(ctx, &e.node)
}

// addNode adds to the current directory. A node that no file system should have
// (an attribute of megabytes) is left out rather than everything with it.
func (a *assembler) addNode(ctx context.Context, n *tree.Node) error {
	a.stack[a.depth-1].filled = true
	if a.o.DryRun {
		return nil
	}
	err := a.stack[a.depth-1].builder.Add(ctx, n)
	if errors.Is(err, tree.ErrInvalid) {
		a.stats.Errors++
		a.warn(string(a.path)+n.Name, err, false)
		return nil
	}
	return a.storeError(n.Name, err)
}

func (a *assembler) storeError(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("store %s: %w", hostPath(a.base, string(a.path)+name), err)
}

// PutTree stores a page, for the builders.
func (a *assembler) PutTree(ctx context.Context, page []byte) (index.ID, error) {
	id := a.o.Store.ID(index.Tree, page)
	added, err := a.o.Store.Put(ctx, index.Tree, id, page)
	a.count(added, page)
	return id, err
}

// putData stores a piece of a file.
func (a *assembler) putData(ctx context.Context, large bool, id index.ID, data []byte) error {
	var added bool
	var err error
	if large {
		added, err = a.o.Store.PutPart(ctx, id, data)
	} else {
		added, err = a.o.Store.Put(ctx, index.Data, id, data)
	}
	a.count(added, data)
	return err
}

// count counts a blob that has been put.
func (a *assembler) count(added bool, data []byte) {
	if added {
		a.stats.BlobsAdded++
		a.stats.BytesAdded += uint64(len(data))
		if p := a.o.Progress; p != nil {
			p.BytesAdded.Add(uint64(len(data)))
		}
	}
}

// deviceList makes the devices what the snapshot keeps of them.
func (a *assembler) deviceList() []Device {
	list := make([]Device, len(a.devices))
	for i, d := range a.devices {
		if d != nil { // else nothing of it is stored
			list[i] = Device{FSType: d.system.Type, Network: d.network(), Newest: a.newest[i], Mount: []byte(d.mount)}
		}
	}
	return list
}
