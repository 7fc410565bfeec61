package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
)

// Use is one blob that a snapshot needs. It and Walker are how check learns
// what those are: package fs/reach satisfies them.
type Use struct {
	Kind index.Kind
	ID   index.ID
	Path string // of the file or directory, slash-separated from the root: "" for the root

	// The range of the file that the blob holds or, for a page of a content
	// list, lists; bytes. Zero for a page of a directory.
	Offset, Length uint64

	// Err is nil, or why a tree blob cannot be walked: this is its second
	// visit, and what lies below it is not known.
	Err error
}

// Blobs reads the blobs that a Walker asks for.
type Blobs interface {
	Blob(ctx context.Context, kind index.Kind, id index.ID) ([]byte, error)
}

// Walker visits the blobs that a snapshot needs, whose root is as in
// Details.Root. It asks seen for each reference to a tree blob, and leaves out
// those, and what is below them, for which the answer is true. It visits a
// tree blob before what is below it, and all that is below it before anything
// else (check relies on this depth-first order, see lossWalk). A tree blob that
// cannot be walked is visited again with Err set, and the walk goes on.
type Walker func(ctx context.Context, blobs Blobs, root []byte, seen func(index.ID) bool, visit func(Use) error) error

// CheckOptions say how deep a check goes and who hears of it.
type CheckOptions struct {
	ReadData bool           // read and verify frames and blobs
	Part     Part           // which of them; zero: all
	Only     SnapshotID     // look at what this snapshot needs only; zero: at everything. Needs Walk
	Walk     Walker         // nil: what snapshots need is not looked at
	Report   func(Problem)  // called for each problem as it is found, one at a time
	Progress *CheckProgress // may be nil
}

// CheckProgress counts what has been checked. The totals are estimates: they
// are of the objects listed at the beginning.
type CheckProgress struct {
	Objects, TotalObjects atomic.Int64
	Packs, TotalPacks     atomic.Int64
	Bytes, TotalBytes     atomic.Int64 // stored size of what has been checked
}

// checkCache is the memory for decoded frames of trees, bytes.
const checkCache = 64 << 20

// checker is one run of Check.
//
// The repository may change meanwhile, and nothing that is then only moved or
// no longer needed may be called lost. Four rules see to that:
//
//   - Snapshots are listed first, then the index, then packs: the reverse of
//     the order in which a writer stores them. What a listed snapshot needs is
//     in the listings that follow; a snapshot that comes later is not looked at.
//   - A lease keeps collectors from deleting packs that they condemn from now
//     on. Those condemned before may go at any time, but their live blobs are
//     by then in new, indexed packs.
//   - So whatever seems to be missing is only a reason to list again (settle),
//     until no pack vanishes between two listings: what is not there then, and
//     was needed throughout, is lost.
//   - Before a loss is reported, its snapshot must still be there: if it is, it
//     was there all along, and no collector took its blobs.
//
// Second copies and parity come after what they are of, or together with it,
// and go before it. So one is only missed if it still is at the end, its object
// is there, and the session that would put it is not alive.
//
// Without a lease, on a read-only medium, the same holds as long as nobody else
// runs two whole collections during the check.
type checker struct {
	r *Repository
	CheckOptions
	*reporter
	reader *Reader // decodes frames of trees for the walk, and caches them
	set    *index.Set

	began  time.Time
	last   *verified // when data was verified; nil if none is read, or only some frames
	sample *sampler  // nil: all of a pack is read

	snapshots []rootOf

	// What the listings say; see loadAgain. Only changed while no workers run.
	round     int
	segments  map[SegmentID]*listedSegment
	packs     map[index.PackID]*packState
	condemned map[index.PackID]bool
	live      map[index.SessionID]bool // sessions with a lease and no fence
	unknown   map[string]bool          // names that were reported
	parity    map[[16]byte]int64       // size by id of what it is of

	// What is known of blobs: bits over the set's ordinals, never maps.
	all     []*marks              // every bitmap, to grow with the set
	needed  *marks                // data blobs that some snapshot needs
	visited *marks                // tree blobs that the first walk has visited
	sound   map[index.Kind]*marks // blobs with a copy that is as it should be
	before  map[index.Kind]*marks // sound before what no segment lists was taken in; nil if it was not
	rescued map[[16]byte]bool     // packs and segments that were taken in

	mu       sync.Mutex               // guards what follows while workers run, and packState.deferred
	sessions map[string]*keys.Session // by id, epoch and encapsulation
	frames   map[frameKey]bool        // frames that were found damaged
	byRows   []*packState             // packs to be checked by the index's rows alone
	met      map[index.PackID]bool    // packs that were healed for the walk

	healing sync.Mutex // held while a pack is held in memory; before mu

	suspect  atomic.Bool // something went away or is damaged: list again
	broken   atomic.Bool // the first walk met something that it could not read
	unwalked atomic.Bool // not all that is needed is known
	unlisted atomic.Bool // something lost is in no segment
	settling bool        // what is missing now is lost

	skipped struct{ packs, places int } // what NotVerified has to tell
}

// Check verifies the repository and changes nothing in it. All problems are
// reported, none ends the check; the error is for a check that could not be
// carried out, and the result then says how far it came. Where the
// repository can be written a lease tells collectors to wait.
func (r *Repository) Check(ctx context.Context, o CheckOptions) (*CheckResult, error) {
	c := newChecker(r, o)
	err := c.run(ctx)
	c.keepVerified()
	if err == nil {
		c.summarise()
	}
	return &c.result, err
}

// keepVerified remembers which packs were verified, of a check that was ended
// early as well.
func (c *checker) keepVerified() {
	if c.last == nil {
		return
	}
	packs := make(map[[16]byte]int64)
	for id, p := range c.packs {
		if p.indexed && p.size != absent {
			packs[id] = p.size
			c.result.DataTotal += p.size
		}
	}
	if len(packs) == 0 {
		return
	}
	c.last.keep(packs, c.settling)
	share, oldest := c.last.covered(packs)
	if c.result.Covered = share; !oldest.IsZero() {
		c.result.Oldest = &oldest
	}
}

func newChecker(r *Repository, o CheckOptions) *checker {
	c := &checker{
		r: r, CheckOptions: o, reporter: newReporter(o),
		set:       index.NewSet(),
		segments:  make(map[SegmentID]*listedSegment),
		packs:     make(map[index.PackID]*packState),
		condemned: make(map[index.PackID]bool),
		unknown:   make(map[string]bool),
		sessions:  make(map[string]*keys.Session),
		frames:    make(map[frameKey]bool),
		rescued:   make(map[[16]byte]bool),
	}
	c.began = time.Now()
	if o.ReadData && !c.limited() {
		c.last = newVerified(r.cache, "read-data")
	}
	c.needed, c.visited = c.newMarks(), c.newMarks()
	c.sound = map[index.Kind]*marks{index.Data: c.newMarks(), index.Tree: c.newMarks()}
	return c
}

func (c *checker) run(ctx context.Context) (err error) {
	l, err := c.lease(ctx)
	if err != nil {
		return err
	}
	if l != nil {
		defer func() { err = errors.Join(err, l.release(ctx)) }()
	}
	if c.reader, err = newReader(c.r, c.set, checkCache); err != nil {
		return err
	}
	c.reader.OnHeal(c.meet)
	defer func() { err = errors.Join(err, c.reader.Close(ctx), c.set.Close()) }()

	for _, step := range []func(context.Context) error{
		c.inventory,      // config copies; names that mean nothing
		c.keySlots,       //
		c.history,        // first of the three listings
		c.load,           // index and packs
		c.leases,         // after the packs: whose session is alive is not left over
		c.condemnations,  //
		c.packsAndTrees,  // the bulk of it
		c.settle,         // decides about what seemed missing
		c.badSegments,    //
		c.unindexedPacks, //
		c.verdicts,       // what the damage costs
		c.parities,       //
		func(ctx context.Context) error { return c.missingCopies(ctx, c.r.backend, c.live) },
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lease tells collectors to wait, where that can be written.
func (c *checker) lease(ctx context.Context) (*lease, error) {
	if c.r.writable != nil {
		return nil, nil
	}
	l, err := newLease(ctx, c.r, newSessionID(), LeaseReader)
	if err != nil {
		if readOnly(err) || errors.Is(err, backend.ErrFull) {
			return nil, nil
		}
		return nil, fmt.Errorf("begin a session: %w", err)
	}
	return l, nil
}

// fatal returns the error that ends the check, or nil if err, which may be nil,
// is only about an object.
func fatal(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// What this user may not read is not damaged, and the rest cannot be told
	// without it.
	if errors.Is(err, backend.ErrClosed) || errors.Is(err, backend.ErrPermission) {
		return err
	}
	return nil
}

// sortedPacks returns the packs that fit, in the order of their ids, so that
// reports come in the same order each time.
func (c *checker) sortedPacks(fits func(*packState) bool) []*packState {
	packs := slices.DeleteFunc(slices.Collect(maps.Values(c.packs)), func(p *packState) bool { return !fits(p) })
	slices.SortFunc(packs, func(a, b *packState) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return packs
}
