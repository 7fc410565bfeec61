package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

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
	ReadData bool           // read and verify every frame and blob
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
const checkCache = DefaultReaderCache

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
// Without a lease, on a read-only medium, the same holds as long as nobody else
// runs two whole collections during the check.
type checker struct {
	r *Repository
	CheckOptions
	*reporter
	reader *Reader // decodes frames of trees for the walk, and caches them
	set    *index.Set

	snapshots []rootOf

	// What the listings say; see loadAgain. Only changed while no workers run.
	round     int
	segments  map[SegmentID]*listedSegment
	packs     map[index.PackID]*packState
	condemned map[index.PackID]bool
	live      map[index.SessionID]bool // sessions with a lease and no fence
	unknown   map[string]bool          // names that were reported

	// What is known of blobs: bits over the set's ordinals, never maps.
	all     []*marks              // every bitmap, to grow with the set
	needed  *marks                // data blobs that some snapshot needs
	visited *marks                // tree blobs that the first walk has visited
	sound   map[index.Kind]*marks // blobs with a copy that is as it should be
	rescue  *index.Builder        // what packs hold that no segment lists; nil unless something is missing

	mu       sync.Mutex               // guards what follows while workers run, and packState.deferred
	sessions map[string]*keys.Session // by id, epoch and encapsulation
	frames   map[frameKey]bool        // frames that were found damaged
	byRows   []*packState             // packs to be checked by the index's rows alone
	partial  []*packState             // packs that hold blobs that no segment lists

	suspect  atomic.Bool // something went away or is damaged: list again
	broken   atomic.Bool // the first walk met something that it could not read
	unwalked atomic.Bool // not all that is needed is known
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
	if err == nil {
		c.summarise()
	}
	return &c.result, err
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
		c.missingPacks,   //
		c.unindexedPacks, //
		c.harmless,       // damage that touched nothing needed
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
	if errors.Is(err, backend.ErrClosed) {
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

func (c *checker) summarise() {
	r := &c.result
	r.Verified = append(r.Verified,
		"The config, its copies, key slots and leases are readable, apart from what was reported.",
		fmt.Sprintf("%d index segments were read from the repository, authenticated and checked row by row.", r.Segments),
		fmt.Sprintf("%d packs have the right size, header, trailer and directory, and agree with the index, apart from what was reported.", r.Packs))
	if c.Walk != nil {
		r.Verified = append(r.Verified, fmt.Sprintf("All trees of %d snapshots were read, and every blob that they need was looked up in index and packs.", r.Snapshots))
	} else {
		r.NotVerified = append(r.NotVerified, "Whether the blobs that snapshots need are there.")
	}
	if c.ReadData {
		r.Verified = append(r.Verified, fmt.Sprintf("%d blobs were decrypted and decompressed, and their HMACs recomputed.", r.Blobs))
	} else {
		r.NotVerified = append(r.NotVerified, "The content of files: frames of data were not read.")
	}
	r.NotVerified = append(r.NotVerified, "Whether a passphrase opens the key slots, and whether a snapshot was removed by somebody else.")
	if n := c.skipped.packs; n > 0 {
		r.NotVerified = append(r.NotVerified, fmt.Sprintf("%d packs of sessions that are still running or were interrupted a short time ago.", n))
	}
	if n := c.skipped.places; n > 0 {
		r.NotVerified = append(r.NotVerified, fmt.Sprintf("%d more places where damaged directories occur within one snapshot: too many to list.", n))
	}
}
