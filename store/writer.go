package store

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"garret/index"
	"garret/keys"
	"garret/store/codec"
	"garret/store/object"
	"garret/store/pack"
)

// writer lays blobs into frames and frames into packs:
//
//	put → open frame of the kind → compress (workers, in parallel)
//	    → seal into the open pack (one goroutine, in order)
//	    → backend (one pack at a time, while the next fills) → index rows
//
// The order of frames in a pack is the order of the puts, and memory is
// bounded by the queues' lengths.
type writer struct {
	s       *Session
	ctx     context.Context
	cancel  context.CancelCauseFunc
	stored  atomic.Int64
	buffers *packBuffers
	parity  parityEncoder // upload goroutine only

	mu     sync.Mutex
	open   [lanes]*openFrame
	flying map[index.ID]struct{} // put, but not in a stored pack yet
	rows   *index.Builder        // of stored packs, not in a segment yet

	compress chan *frameJob // to the workers
	seal     chan sealing   // the same jobs, in order
	upload   chan *filledPack
	wait     sync.WaitGroup
	closing  sync.Once

	sinceSegment int64 // bytes stored since the last segment; upload goroutine only
}

// lane is a sequence of frames that blobs of one sort are laid into.
type lane int

const (
	laneData lane = iota // small files
	lanePart             // parts of large ones
	laneTree
	lanes
)

func (l lane) kind() index.Kind {
	if l == laneTree {
		return index.Tree
	}
	return index.Data
}

// partShare says how much smaller the frames of parts are than others.
const partShare = 2

func (l lane) frameSize(c Config) int {
	if l == lanePart {
		return max(minFrameSize, c.FrameSize/partShare)
	}
	return c.FrameSize
}

// openFrame gathers blobs.
type openFrame struct {
	raw     []byte
	lengths []uint32
	ids     []index.ID
}

// frameJob is a frame on its way through a compressing worker.
type frameJob struct {
	kind  index.Kind
	frame openFrame
	plain []byte
	lent  []byte // what plain was begun in
	err   error
	done  chan struct{}
}

// sealing is a frame to seal, or (job nil) a request to store everything.
type sealing struct {
	job   *frameJob
	flush chan struct{} // closed when all before is stored and indexed
}

// filledPack is a pack that is ready to be stored, or a request to flush.
type filledPack struct {
	packing *packing
	flush   chan struct{}
}

// row is an index row of a pack whose size is not known yet.
type row struct {
	id             index.ID
	offset, length uint32
	frame, blob    uint16
}

// packing is an open pack with its rows.
type packing struct {
	*pack.Builder
	rows []row
}

var errSessionClosed = errors.New("the session is closed")

func newWriter(s *Session) (*writer, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	w := &writer{
		s: s, ctx: ctx, cancel: cancel,
		buffers: newPackBuffers(s.repo.config.PackSize),
		parity:  parityEncoder{percent: s.repo.config.Parity},
		flying:  make(map[index.ID]struct{}),
		rows:    index.NewBuilder(),
		upload:  make(chan *filledPack),
	}
	workers := runtime.GOMAXPROCS(0)
	w.compress = make(chan *frameJob, workers)
	w.seal = make(chan sealing, workers)
	for range workers {
		c, err := codec.NewCompressor(s.repo.config.Compression)
		if err != nil {
			cancel(err)
			return nil, err
		}
		w.wait.Go(func() { w.compressFrames(c) })
	}
	w.wait.Go(w.sealFrames)
	w.wait.Go(w.storePacks)
	return w, nil
}

// fail ends the session's work; the first error stays.
func (w *writer) fail(err error) { w.cancel(err) }

func (w *writer) has(id index.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hasLocked(id)
}

func (w *writer) hasLocked(id index.ID) bool {
	if _, ok := w.flying[id]; ok {
		return true
	}
	found := false
	w.rows.Lookup(id, func(index.Location) bool {
		found = true
		return false
	})
	return found
}

func (w *writer) put(ctx context.Context, l lane, id index.ID, data []byte) (bool, error) {
	if err := context.Cause(w.ctx); err != nil {
		return false, err
	}
	w.mu.Lock()
	if w.hasLocked(id) {
		w.mu.Unlock()
		return false, nil
	}
	w.flying[id] = struct{}{}
	full := w.lay(l, id, data)
	w.mu.Unlock()
	if full != nil {
		return true, w.submit(ctx, newJob(l.kind(), *full))
	}
	return true, nil
}

// lay puts a blob into the lane's open frame, and returns the frame that is to be
// stored because of that, if any.
func (w *writer) lay(l lane, id index.ID, data []byte) (full *openFrame) {
	size := l.frameSize(w.s.repo.config)
	if len(data) >= size { // a frame of its own; the open one goes on
		return &openFrame{raw: append(frameBuffer(len(data)), data...), lengths: []uint32{uint32(len(data))}, ids: []index.ID{id}}
	}
	f := w.open[l]
	if f != nil && (len(f.raw)+len(data) > size || len(f.ids) == pack.MaxBlobs) {
		full, f = f, nil
	}
	if f == nil {
		f = &openFrame{raw: frameBuffer(size)}
		w.open[l] = f
	}
	f.raw = append(f.raw, data...)
	f.lengths = append(f.lengths, uint32(len(data)))
	f.ids = append(f.ids, id)
	return full
}

func newJob(kind index.Kind, f openFrame) *frameJob {
	return &frameJob{kind: kind, frame: f, done: make(chan struct{})}
}

// submit hands a frame to a worker, and its place in the order to the sealer.
func (w *writer) submit(ctx context.Context, j *frameJob) error {
	if err := send(ctx, w, w.compress, j); err != nil {
		return err
	}
	return send(ctx, w, w.seal, sealing{job: j})
}

func send[T any](ctx context.Context, w *writer, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

func (w *writer) compressFrames(c *codec.Compressor) {
	for {
		select {
		case <-w.ctx.Done():
			return
		case j := <-w.compress:
			f := &j.frame
			j.lent = frameBuffer(pack.FrameBound(len(f.raw), len(f.ids)))
			j.plain, j.err = pack.AppendFrame(j.lent, c, f.raw, f.lengths)
			releaseFrame(f.raw)
			f.raw = nil
			close(j.done)
		}
	}
}

// sealFrames lays compressed frames into the open packs, in order.
func (w *writer) sealFrames() {
	packs := make(map[index.Kind]*packing)
	for {
		var next sealing
		select {
		case <-w.ctx.Done():
			return
		case next = <-w.seal:
		}
		if next.job == nil {
			for _, kind := range []index.Kind{index.Data, index.Tree} {
				if p := packs[kind]; p != nil {
					delete(packs, kind)
					if send(w.ctx, w, w.upload, &filledPack{packing: p}) != nil {
						return
					}
				}
			}
			if send(w.ctx, w, w.upload, &filledPack{flush: next.flush}) != nil {
				return
			}
			continue
		}
		select {
		case <-w.ctx.Done():
			return
		case <-next.job.done:
		}
		if err := w.sealFrame(packs, next.job); err != nil {
			w.fail(err)
			return
		}
	}
}

func (w *writer) sealFrame(packs map[index.Kind]*packing, j *frameJob) error {
	if j.err != nil {
		return j.err
	}
	p := packs[j.kind]
	if p == nil {
		var err error
		if p, err = w.newPacking(j.kind); err != nil {
			return err
		}
		packs[j.kind] = p
	}
	offset, length, ordinal, err := p.Add(j.plain, j.frame.ids)
	if err != nil {
		return err
	}
	releaseFrame(j.lent)
	j.plain, j.lent = nil, nil
	for i, id := range j.frame.ids {
		p.rows = append(p.rows, row{id, offset, length, ordinal, uint16(i)})
	}
	if p.Full(w.s.repo.config.PackSize) {
		delete(packs, j.kind)
		return send(w.ctx, w, w.upload, &filledPack{packing: p})
	}
	return nil
}

func (w *writer) newPacking(kind index.Kind) (*packing, error) {
	buf, err := w.buffers.get(w.ctx)
	if err != nil {
		return nil, err
	}
	id := newPackID(w.s.id)
	aead, err := w.s.keys.PackAEAD(id, uint8(kind))
	if err != nil {
		return nil, err
	}
	return &packing{Builder: pack.NewBuilder(pack.Header{
		Kind:          kind,
		Suite:         uint8(w.s.repo.config.Suite),
		Epoch:         w.s.keys.Epoch(),
		Session:       w.s.id,
		Pack:          id,
		Encapsulation: w.s.keys.Encapsulation(),
	}, aead, keys.Nonce, buf)}, nil
}

// Segments are written early and often at first, so that an interrupted run
// loses little, then in proportion to what the run has stored; and before the
// rows in memory become many.
const (
	segmentPacks = 1        // so many are stored before the next segment, …
	segmentEvery = 32 << 20 // … or so many bytes if packs are large
	segmentShare = 8        // of what the run has stored
	segmentRows  = 128 << 10
)

// storePacks stores filled packs and writes index segments.
func (w *writer) storePacks() {
	for {
		var p *filledPack
		select {
		case <-w.ctx.Done():
			return
		case p = <-w.upload:
		}
		err := w.storePack(p.packing)
		if err == nil && (p.flush != nil || w.segmentDue()) {
			err = w.writeSegment()
		}
		if err != nil {
			w.fail(err)
			return
		}
		if p.flush != nil {
			close(p.flush)
		}
	}
}

func (w *writer) storePack(p *packing) error {
	if p == nil {
		return nil
	}
	data := p.Finish()
	stored, err := w.parity.put(w.ctx, w.s.repo.backend, object.Pack, packName(p.ID()), p.ID(), data)
	if err != nil {
		return err
	}
	w.stored.Add(stored)
	w.sinceSegment += stored
	w.mu.Lock()
	ordinal := w.rows.AddPack(
		index.Pack{ID: p.ID(), Size: uint32(len(data)), Kind: p.Kind()},
		index.Session{ID: w.s.id, Epoch: w.s.keys.Epoch(), Encapsulation: w.s.keys.Encapsulation()})
	for _, r := range p.rows {
		w.rows.Add(r.id, ordinal, r.offset, r.length, r.frame, r.blob)
		delete(w.flying, r.id)
	}
	w.mu.Unlock()
	w.buffers.put(data)
	return nil
}

func (w *writer) segmentDue() bool {
	least := min(segmentEvery, segmentPacks*int64(w.s.repo.config.PackSize))
	return w.sinceSegment >= max(least, w.stored.Load()/segmentShare) || w.rows.Len() >= segmentRows
}

// writeSegment stores the rows gathered so far as an index segment and maps
// it in their place.
func (w *writer) writeSegment() error {
	if w.rows.Len() == 0 {
		return nil
	}
	r, id := w.s.repo, newSegmentID()
	w.mu.Lock()
	data, err := r.encodeSegment(id, w.rows)
	w.mu.Unlock()
	if err != nil {
		return err
	}
	stored, err := w.parity.put(w.ctx, r.backend, object.Segment, segmentName(id), id, data)
	if err != nil {
		return err
	}
	w.stored.Add(stored)
	w.sinceSegment = 0
	// Decoded again from the backend: what cannot be read back is noticed now.
	seg, err := r.mapSegment(w.ctx, id, int64(len(data)))
	if err != nil {
		return err
	}
	w.s.set.Add(seg)
	w.mu.Lock()
	w.rows.Reset()
	w.mu.Unlock()
	return nil
}

// flush stores open frames and packs and the index of them.
func (w *writer) flush(ctx context.Context) error {
	for l := range lanes {
		w.mu.Lock()
		f := w.open[l]
		w.open[l] = nil
		w.mu.Unlock()
		if f != nil {
			if err := w.submit(ctx, newJob(l.kind(), *f)); err != nil {
				return err
			}
		}
	}
	done := make(chan struct{})
	if err := send(ctx, w, w.seal, sealing{flush: done}); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

func (w *writer) close() {
	w.closing.Do(func() {
		w.cancel(errSessionClosed)
		w.wait.Wait()
		w.buffers.close()
	})
}
