package store

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/object"
	"garret/store/pack"
)

// ErrLost means that no sound copy of a blob is left.
var ErrLost = errors.New("lost")

var errPackMissing = errors.New("it is missing")

// DefaultReaderCache is the memory for decoded frames, bytes.
const DefaultReaderCache = 64 << 20

// Reader reads blobs through a bounded cache of decoded frames. It is safe for
// concurrent use.
type Reader struct {
	repo   *Repository
	set    *index.Set
	frames frameCache

	mu       sync.Mutex
	loading  map[uint64]*load // by the frame's key
	sessions map[index.SessionID]*keys.Session
	packs    map[index.PackID]uint64 // dense numbers, for cache keys

	hashers sync.Pool

	reloading sync.Mutex
	have      map[SegmentID]bool
	lease     *lease
	ownsSet   bool
	problems  []error

	loads atomic.Int64 // frames decoded

	healer healer
}

// frame is a decoded frame that knows which of its blobs have been verified.
type frame struct {
	*pack.Frame
	verified []atomic.Bool
}

// NewReader opens the index for reading. Where the repository can be written
// it takes a lease, so that collectors wait; where not (a read-only medium, a
// full disk), it goes without: what a collector then removes under it is looked
// for elsewhere.
func (r *Repository) NewReader(ctx context.Context, cacheSize int64) (*Reader, error) {
	var lease *lease
	if r.writable == nil {
		var err error
		lease, err = newLease(ctx, r, newSessionID(), LeaseReader)
		if err != nil && !readOnly(err) && !errors.Is(err, backend.ErrFull) {
			return nil, fmt.Errorf("begin a session: %w", err)
		}
	}
	rd, err := newReader(r, index.NewSet(), cacheSize)
	if err != nil {
		if lease != nil {
			err = errors.Join(err, lease.release(ctx))
		}
		return nil, err
	}
	rd.ownsSet, rd.lease = true, lease
	if rd.problems, err = r.addSegments(ctx, rd.set, rd.have); err != nil {
		return nil, errors.Join(err, rd.Close(ctx))
	}
	return rd, nil
}

func newReader(r *Repository, set *index.Set, cacheSize int64) (*Reader, error) {
	if cacheSize <= 0 {
		cacheSize = DefaultReaderCache
	}
	rd := &Reader{
		repo: r, set: set,
		loading:  make(map[uint64]*load),
		sessions: make(map[index.SessionID]*keys.Session),
		packs:    make(map[index.PackID]uint64),
		have:     make(map[SegmentID]bool),
	}
	rd.hashers.New = func() any { return &hasher{r.keys.Hasher(false), r.keys.Hasher(true)} }
	return rd, rd.frames.open(cacheSize)
}

// Problems returns what is wrong with index segments: what they index looks
// lost until they have been rebuilt.
func (r *Reader) Problems() []error { return r.problems }

// Index returns the mapped index.
func (r *Reader) Index() *index.Set { return r.set }

// Loads returns how many frames have been read and decoded.
func (r *Reader) Loads() int64 { return r.loads.Load() }

// Blob returns the plaintext of a blob, which must not be modified. The frame's
// authentication tag and the blob's HMAC have been verified. When a copy
// cannot be read, others are tried, and the index is loaded again before the
// blob is given up as ErrLost.
func (r *Reader) Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error) {
	data, err := r.blob(ctx, kind, id)
	if err == nil || ctx.Err() != nil {
		return data, err
	}
	fresh, reloadErr := r.reload(ctx)
	if reloadErr != nil {
		return nil, errors.Join(err, reloadErr)
	}
	if !fresh {
		return nil, err
	}
	return r.blob(ctx, kind, id)
}

func (r *Reader) blob(ctx context.Context, kind index.Kind, id index.ID) (data []byte, err error) {
	var failed []error
	r.set.Lookup(id, func(at index.Location) bool {
		if at.Kind != kind {
			return true
		}
		if data, err = r.copyOf(ctx, id, at); err == nil {
			return false
		}
		if missing(err) {
			err = errPackMissing // what is lost is not a file that never was
		}
		failed = append(failed, fmt.Errorf("pack %s: %w", at.Pack, err))
		return ctx.Err() == nil
	})
	switch {
	case data != nil:
		return data, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case len(failed) == 0:
		return nil, fmt.Errorf("%v blob %s is %w: it is in no index segment", kind, id.Short(), ErrLost)
	}
	return nil, fmt.Errorf("%v blob %s is %w: %w", kind, id.Short(), ErrLost, errors.Join(failed...))
}

// Cached returns the plaintext of a blob if that needs nothing but memory: its
// frame has been decoded and is still there. What Blob says of the plaintext
// holds here too.
func (r *Reader) Cached(kind index.Kind, id index.ID) (data []byte, ok bool) {
	r.set.Lookup(id, func(at index.Location) bool {
		if at.Kind != kind {
			return true
		}
		f, cached := r.frames.Get(r.frameKey(at))
		if !cached {
			return true
		}
		var err error
		data, err = r.blobIn(f, id, at)
		ok = err == nil
		return !ok
	})
	return data, ok
}

// copyOf reads one copy of a blob.
func (r *Reader) copyOf(ctx context.Context, id index.ID, at index.Location) ([]byte, error) {
	f, err := r.frame(ctx, at)
	if err != nil {
		return nil, err
	}
	return r.blobIn(f, id, at)
}

// blobIn returns a blob of a frame, which must be what its ID says.
func (r *Reader) blobIn(f *frame, id index.ID, at index.Location) ([]byte, error) {
	data, ok := f.Blob(int(at.Blob))
	if !ok {
		return nil, fmt.Errorf("frame %d has no blob %d: %w", at.Frame, at.Blob, object.ErrDamaged)
	}
	if v := &f.verified[at.Blob]; !v.Load() {
		h := r.hashers.Get().(*hasher)
		defer r.hashers.Put(h)
		sum := h.data
		if at.Kind == index.Tree {
			sum = h.tree
		}
		if index.ID(sum.Sum(data)) != id {
			return nil, fmt.Errorf("blob %s: its HMAC does not match: %w", id.Short(), object.ErrDamaged)
		}
		v.Store(true)
	}
	return data, nil
}

// load is a frame being loaded.
type load struct {
	done  chan struct{} // closed when frame or err is set
	frame *frame
	err   error
}

// frame returns the decoded frame, out of the cache if it is there. Readers
// that ask for the same frame at once wait for the first of them, which loads
// it itself: handing it to another thread would cost more than small frames do.
func (r *Reader) frame(ctx context.Context, at index.Location) (*frame, error) {
	key := r.frameKey(at)
	for {
		if f, ok := r.frames.Get(key); ok {
			return f, nil
		}
		r.mu.Lock()
		l, others := r.loading[key]
		if !others {
			l = &load{done: make(chan struct{}), err: errAbandoned}
			r.loading[key] = l
		}
		r.mu.Unlock()
		if !others {
			r.lead(ctx, l, key, at)
			return l.frame, l.err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.done:
		}
		if l.err == nil || !errors.Is(l.err, context.Canceled) && !errors.Is(l.err, context.DeadlineExceeded) {
			return l.frame, l.err
		} // else the reader that loaded for us went away
	}
}

// errAbandoned is what the others get of a load that panicked.
var errAbandoned = errors.New("the frame was not loaded: the program is at fault")

// lead loads a frame for everybody who waits for l.
func (r *Reader) lead(ctx context.Context, l *load, key uint64, at index.Location) {
	defer func() {
		r.mu.Lock()
		delete(r.loading, key)
		r.mu.Unlock()
		close(l.done)
	}()
	if f, ok := r.frames.Get(key); ok { // loaded since we looked
		l.frame, l.err = f, nil
		return
	}
	if l.frame, l.err = r.load(ctx, at); l.err == nil {
		r.frames.Set(key, l.frame, int64(l.frame.Size()))
	}
}

// frameKey is a frame's key in the cache.
func (r *Reader) frameKey(at index.Location) uint64 {
	return r.packNumber(at.Pack)<<16 | uint64(at.Frame)
}

func (r *Reader) packNumber(id index.PackID) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.packs[id]
	if !ok {
		n = uint64(len(r.packs) + 1)
		r.packs[id] = n
	}
	return n
}

// load reads, opens and decompresses one frame. What is damaged is healed by
// the pack's parity, in memory only.
func (r *Reader) load(ctx context.Context, at index.Location) (*frame, error) {
	opener, err := r.opener(at.Pack, at.Kind)
	if err != nil {
		return nil, err
	}
	sealed := frameBuffer(int(at.Length))[:at.Length]
	defer releaseFrame(sealed)
	_, err = r.repo.backend.ReadAt(ctx, packName(at.Pack), sealed, int64(at.Offset))
	if err == io.EOF {
		err = fmt.Errorf("it ends early: %w", object.ErrDamaged)
	}
	var f *frame
	if err == nil {
		f, err = r.decode(opener, at, sealed)
	}
	if err == nil || ctx.Err() != nil || errors.Is(err, backend.ErrClosed) {
		return f, err
	}
	if r.healer.fill(ctx, r.repo.backend, at, sealed, err) != nil {
		return nil, err // which says what is wrong with the pack itself
	}
	return r.decode(opener, at, sealed)
}

// decode opens and decompresses a frame, in the memory of sealed.
func (r *Reader) decode(opener pack.Opener, at index.Location, sealed []byte) (*frame, error) {
	plain, err := opener.Frame(sealed, at.Frame)
	if err != nil {
		return nil, fmt.Errorf("frame %d: %w", at.Frame, err)
	}
	f, err := pack.DecodeFrame(plain)
	if err != nil {
		return nil, fmt.Errorf("frame %d: %w", at.Frame, err)
	}
	r.loads.Add(1)
	return &frame{f, make([]atomic.Bool, f.Len())}, nil
}

// opener derives a pack's key.
func (r *Reader) opener(id index.PackID, kind index.Kind) (pack.Opener, error) {
	session, err := r.session(id.Session())
	if err != nil {
		return pack.Opener{}, err
	}
	aead, err := session.PackAEAD(id, uint8(kind))
	if err != nil {
		return pack.Opener{}, err
	}
	return pack.Opener{ID: id, Kind: kind, AEAD: aead, Nonce: keys.Nonce}, nil
}

// session opens the session that wrote a pack, as the index tells it.
func (r *Reader) session(id index.SessionID) (*keys.Session, error) {
	r.mu.Lock()
	s, ok := r.sessions[id]
	r.mu.Unlock()
	if ok {
		return s, nil
	}
	in, ok := r.set.Session(id)
	if !ok {
		return nil, fmt.Errorf("session %s is in no index segment: %w", id, object.ErrDamaged)
	}
	s, err := r.repo.keys.OpenSession(in.Epoch, in.Encapsulation)
	if err != nil {
		return nil, fmt.Errorf("session %s: %w", id, err)
	}
	r.mu.Lock()
	r.sessions[id] = s
	r.mu.Unlock()
	return s, nil
}

// reload maps segments that have come since, and reports whether there were
// any.
func (r *Reader) reload(ctx context.Context) (fresh bool, err error) {
	if !r.ownsSet {
		return false, nil // a session's index is what it was when it began
	}
	r.reloading.Lock()
	defer r.reloading.Unlock()
	before := len(r.have)
	// Damaged segments were reported when the reader was opened.
	if _, err := r.repo.addSegments(ctx, r.set, r.have); err != nil {
		return false, err
	}
	return len(r.have) > before, nil
}

// Close ends the reader's session and unmaps the index. Nothing may be read
// during it or after it.
func (r *Reader) Close(ctx context.Context) error {
	r.healer.close()
	r.frames.Close()
	var errs []error
	if r.ownsSet {
		errs = append(errs, r.set.Close())
	}
	if r.lease != nil {
		errs = append(errs, r.lease.release(ctx))
	}
	return errors.Join(errs...)
}

// Stored returns the bytes of all packs that the index knows, for statfs. It
// waits for nothing.
func (r *Reader) Stored() uint64 {
	var n uint64
	for _, s := range r.set.Segments() {
		for i := range s.NumPacks() {
			n += uint64(s.Pack(uint32(i)).Size)
		}
	}
	return n
}

// frameCache holds decoded frames in two parts (W-TinyLFU: Einziger, Friedman
// and Manes, 2017): a window of those that were used last, and what falls out
// of it in a ristretto cache, if it was used more often than what it would
// displace. Without the window a walk over more than the cache holds would be
// refused its frames one after another, for those behind it have been used
// more often, and would decode each of them several times; and ristretto shows
// an entry only some time after it was put in.
type frameCache struct {
	often *ristretto.Cache[uint64, *frame]

	mu    sync.Mutex
	order list.List // of *windowed; what was used last is in front
	byKey map[uint64]*list.Element
	used  int64 // bytes
	max   int64
}

type windowed struct {
	key   uint64
	frame *frame
	size  int64 // bytes
}

const (
	windowShare = 4 // of the cache's memory the window has one part in so many
	windowLeast = 2 // frames that it holds however large they are
)

func (c *frameCache) open(size int64) (err error) {
	c.byKey, c.max = make(map[uint64]*list.Element), size/windowShare
	c.often, err = ristretto.NewCache(&ristretto.Config[uint64, *frame]{
		// Ten counters for each frame that fits, as ristretto recommends.
		NumCounters:        max(1000, 10*size/DefaultFrameSize),
		MaxCost:            max(1, size-c.max),
		BufferItems:        64,
		IgnoreInternalCost: true,
	})
	return err
}

func (c *frameCache) Get(key uint64) (*frame, bool) {
	c.mu.Lock()
	if e, ok := c.byKey[key]; ok {
		c.order.MoveToFront(e)
		f := e.Value.(*windowed).frame
		c.mu.Unlock()
		return f, true
	}
	c.mu.Unlock()
	return c.often.Get(key)
}

// Set puts a frame in that takes so many bytes.
func (c *frameCache) Set(key uint64, f *frame, size int64) {
	var out []*windowed
	c.mu.Lock()
	if _, ok := c.byKey[key]; !ok {
		c.byKey[key] = c.order.PushFront(&windowed{key, f, size})
		c.used += size
	}
	for c.used > c.max && c.order.Len() > windowLeast {
		w := c.order.Remove(c.order.Back()).(*windowed)
		delete(c.byKey, w.key)
		c.used -= w.size
		out = append(out, w)
	}
	c.mu.Unlock()
	for _, w := range out {
		c.often.Set(w.key, w.frame, w.size)
	}
}

func (c *frameCache) Close() { c.often.Close() }
