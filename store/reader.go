package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/object"
	"garret/store/pack"
)

// ErrLost means that no sound copy of a blob is left.
var ErrLost = errors.New("lost")

var errPackMissing = errors.New("it is missing")

// DefaultReaderCache is the memory for decoded frames, bytes. Who reads files in
// order needs frames in order, too, but for what earlier files, or earlier
// snapshots, hold as well: with a third of it, a fifth of the frames is decoded twice.
const DefaultReaderCache = 88 << 20

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
	indexes  int                     // that took the place of others that were not sound

	reloading sync.Mutex // held while what follows changes
	have      map[SegmentID]bool
	verified  time.Time     // when the index was last verified
	believe   time.Duration // for so long
	lease     *lease
	ownsSet   bool
	problems  []error

	loads atomic.Int64 // frames decoded
	// last is the blob that BorrowCached found last: its frame's key but for the
	// upper bits of the pack's number, and 16 bits of its ordinal. It is a hint only.
	last atomic.Uint64

	healer      healer
	refusal     atomic.Pointer[UnavailableError] // of an index segment, nil if there is none
	unavailable atomic.Pointer[func(error)]
	present     atomic.Int64 // when the repository was last found in its place, Unix nanoseconds
	ahead       *readahead
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
	rd.problems, err = r.addSegments(ctx, rd.set, rd.have)
	rd.noteRefusal(rd.problems)
	if err != nil {
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
	rd.ahead = newReadahead(rd, cacheSize)
	return rd, rd.frames.open(cacheSize)
}

// Problems returns what is wrong with index segments: what they index looks
// lost until they have been rebuilt.
func (r *Reader) Problems() []error { return r.problems }

// Index returns the mapped index.
func (r *Reader) Index() *index.Set { return r.set }

// ID returns a blob's name: what Session.ID says of it. It is safe for
// concurrent use.
func (r *Reader) ID(kind index.Kind, data []byte) index.ID { return r.repo.id(kind, data) }

// Loads returns how many frames have been read and decoded.
func (r *Reader) Loads() int64 { return r.loads.Load() }

// Blob returns the plaintext of a blob, which is the caller's. The frame's
// authentication tag and the blob's HMAC have been verified. When a copy
// cannot be read, others are tried, and the index is loaded again before the
// blob is given up as ErrLost. What storage refuses is an UnavailableError.
func (r *Reader) Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error) {
	data, giveBack, err := r.Borrow(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	return bytes.Clone(data), nil
}

// Borrow is Blob without a copy: the plaintext lies in the cache, must not be
// modified, and stays there until it is given back.
func (r *Reader) Borrow(ctx context.Context, kind index.Kind, id index.ID) (data []byte, giveBack func(), err error) {
	before := r.set.Changes()
	data, giveBack, err = r.borrow(ctx, kind, id)
	for _, look := range []func(context.Context) error{r.reload, r.verifyIndex} {
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrNoRepository) {
			break
		}
		if lookErr := look(ctx); ctx.Err() != nil {
			err = ctx.Err()
		} else if lookErr != nil {
			err = &UnavailableError{lookErr}
		} else if now := r.set.Changes(); now != before {
			before = now
			data, giveBack, err = r.borrow(ctx, kind, id)
		}
	}
	var refusal *UnavailableError
	if tell := r.unavailable.Load(); tell != nil && *tell != nil && errors.As(err, &refusal) {
		(*tell)(err)
	}
	return data, giveBack, err
}

func (r *Reader) borrow(ctx context.Context, kind index.Kind, id index.ID) (data []byte, giveBack func(), err error) {
	var failed []error
	r.set.Lookup(id, func(at index.Location) bool {
		if at.Kind != kind {
			return true
		}
		if data, giveBack, err = r.copyOf(ctx, id, at); err == nil {
			return false
		}
		if missing(err) {
			err = errPackMissing // what is lost is not a file that never was
		}
		failed = append(failed, fmt.Errorf("pack %s: %w", at.Pack, err))
		return ctx.Err() == nil
	})
	switch {
	case giveBack != nil:
		return data, giveBack, nil
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	}
	if err := r.available(ctx, failed); err != nil {
		return nil, nil, fmt.Errorf("%v blob %s %w", kind, id.Short(), err)
	}
	if len(failed) == 0 {
		return nil, nil, fmt.Errorf("%v blob %s is %w: it is in no index segment", kind, id.Short(), ErrLost)
	}
	return nil, nil, fmt.Errorf("%v blob %s is %w: %w", kind, id.Short(), ErrLost, errors.Join(failed...))
}

// BorrowCached is Borrow if that needs nothing but memory: the blob's frame has
// been decoded and is still there.
func (r *Reader) BorrowCached(kind index.Kind, id index.ID) (data []byte, giveBack func(), ok bool) {
	if data, giveBack, ok = r.borrowNext(kind, id); ok {
		return data, giveBack, true
	}
	r.set.Lookup(id, func(at index.Location) bool {
		if at.Kind != kind {
			return true
		}
		key := r.frameKey(at)
		f, cached := r.frames.Get(key)
		if !cached {
			return true
		}
		var err error
		if data, err = r.blobIn(f, id, at); err != nil {
			f.drop()
			return true
		}
		r.used(f)
		r.last.Store(key<<16 | uint64(at.Blob))
		giveBack, ok = f.release, true
		return false
	})
	return data, giveBack, ok
}

// borrowNext borrows the blob that follows the last one in its frame if it is the
// one wanted, as it mostly is: files lie in frames in the order of the walk. That
// spares looking it up in the index.
func (r *Reader) borrowNext(kind index.Kind, id index.ID) (data []byte, giveBack func(), ok bool) {
	last := r.last.Load()
	key, i := last>>16, int(uint16(last))+1
	if keyKind(key) != kind {
		return nil, nil, false
	}
	f, cached := r.frames.Get(key)
	if !cached {
		return nil, nil, false
	}
	if i < f.Len() {
		if has := f.ids[i].Load(); has != nil && *has == id {
			data, _ = f.Blob(i)
			r.used(f)
			r.last.Store(last + 1)
			return data, f.release, true
		}
	}
	f.drop()
	return nil, nil, false
}

// copyOf reads one copy of a blob.
func (r *Reader) copyOf(ctx context.Context, id index.ID, at index.Location) (data []byte, giveBack func(), err error) {
	f, err := r.frame(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	r.used(f)
	if data, err = r.blobIn(f, id, at); err != nil {
		f.drop()
		return nil, nil, err
	}
	return data, f.release, nil
}

// used has what follows a frame that was loaded ahead loaded ahead as well.
func (r *Reader) used(f *frame) {
	if f.ahead.Load() && f.ahead.CompareAndSwap(true, false) {
		r.ahead.follow(f.place)
	}
}

// blobIn returns a blob of a frame, which must be what its ID says.
func (r *Reader) blobIn(f *frame, id index.ID, at index.Location) ([]byte, error) {
	data, ok := f.Blob(int(at.Blob))
	if !ok {
		return nil, fmt.Errorf("frame %d has no blob %d: %w", at.Frame, at.Blob, object.ErrDamaged)
	}
	has := f.ids[at.Blob].Load()
	if has == nil {
		sum := r.repo.id(at.Kind, data)
		has = &sum
		f.ids[at.Blob].Store(has)
	}
	// Where a blob lies is what an index says, which another client may have
	// written: what was found to be one blob is not taken for another.
	if *has != id {
		return nil, fmt.Errorf("blob %s: its HMAC does not match: %w", id.Short(), object.ErrDamaged)
	}
	return data, nil
}

// load is a frame being loaded.
type load struct {
	done  chan struct{} // closed when frame or err is set
	frame *frame
	err   error
	ahead bool // nobody has asked for it
}

// frame returns the decoded frame, out of the cache if it is there, for the
// caller to drop. Readers that ask for the same frame at once wait for the first
// of them, which loads it itself: handing it to another thread would cost more
// than small frames do.
func (r *Reader) frame(ctx context.Context, at index.Location) (*frame, error) {
	key := r.frameKey(at)
	for {
		if f, ok := r.frames.Get(key); ok {
			return f, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.mu.Lock()
		l, others := r.loading[key]
		if !others {
			l = &load{done: make(chan struct{}), err: errAbandoned}
			r.loading[key] = l
		}
		r.mu.Unlock()
		if !others {
			r.lead(ctx, l, key, at, r.ahead.blobs(at))
			if l.err == nil {
				r.ahead.follow(at)
			}
			return l.frame, l.err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.done:
		}
		if l.err == nil {
			if l.frame.hold() {
				return l.frame, nil
			} // else it has come and gone
		} else if !l.ahead && !errors.Is(l.err, context.Canceled) && !errors.Is(l.err, context.DeadlineExceeded) {
			return nil, l.err
		} // else who loaded for us went away, or did not try everything
	}
}

// errAbandoned is what the others get of a load that panicked.
var errAbandoned = errors.New("the frame was not loaded: the program is at fault")

// lead loads a frame for everybody who waits for l. Where it is known which blobs
// are in it, they are verified: all at once takes half the time of one by one.
func (r *Reader) lead(ctx context.Context, l *load, key uint64, at index.Location, ids []index.ID) {
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
	if l.frame, l.err = r.load(ctx, at, !l.ahead); l.err == nil {
		l.frame.place = at
		l.frame.ahead.Store(l.ahead)
		if len(ids) > 0 {
			h := r.repo.hasher()
			l.frame.verify(h, at.Kind, ids)
			r.repo.hashers.Put(h)
		}
		r.frames.Set(key, l.frame, l.frame.cost())
	} else if ctx.Err() != nil {
		l.err = ctx.Err() // not everything was tried, whatever it says
	}
}

// frameKey is a frame's key in the cache. The kind is part of it, because an
// index that says the wrong one must do no harm to who looks it up by another.
func (r *Reader) frameKey(at index.Location) uint64 {
	return r.packNumber(at.Pack)<<24 | uint64(at.Kind)<<16 | uint64(at.Frame)
}

// keyKind returns the kind in a frame's key.
func keyKind(key uint64) index.Kind { return index.Kind(key >> 16) }

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
// the pack's parity if that is asked for, in memory only.
func (r *Reader) load(ctx context.Context, at index.Location, heal bool) (*frame, error) {
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
	if err == nil || !heal || ctx.Err() != nil || refused(err) {
		return f, err
	}
	if healErr := r.healer.fill(ctx, r.repo.backend, at, sealed); refused(healErr) {
		return nil, fmt.Errorf("%w; its parity: %w", err, healErr)
	} else if healErr != nil {
		return nil, err // which says what is wrong with the pack itself
	}
	damage := err
	if f, err = r.decode(opener, at, sealed); err == nil {
		r.healer.tell(at.Pack, damage)
	} // else it is sound, and what led here is not
	return f, err
}

// decode opens and decompresses a frame, in the memory of sealed.
func (r *Reader) decode(opener pack.Opener, at index.Location, sealed []byte) (*frame, error) {
	plain, err := opener.Frame(sealed, at.Frame)
	if err != nil {
		return nil, fmt.Errorf("frame %d: %w", at.Frame, err)
	}
	f := newFrame()
	if err := f.decode(plain); err != nil {
		f.drop()
		return nil, fmt.Errorf("frame %d: %w", at.Frame, err)
	}
	r.loads.Add(1)
	return f, nil
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
	indexes := r.indexes
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
	if r.indexes == indexes { // else it may be out of one that was not sound
		r.sessions[id] = s
	}
	r.mu.Unlock()
	return s, nil
}

// Close ends the reader's session and unmaps the index. Nothing may be read
// during it or after it.
func (r *Reader) Close(ctx context.Context) error {
	r.ahead.close()
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
