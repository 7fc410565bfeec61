package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
)

// repairer looks for what is to be repaired. What it lists, and in which order,
// rests on the order in which writers store things:
//
//   - Parity, packs and snapshots are listed first, then leases, then the
//     index, then packs again. A pack of the first listing whose session is not
//     alive after it is in the index by the time that is listed, or never will
//     be.
//   - What only a live session can still complete is left to it: packs that no
//     segment lists yet, parity whose object is being put, a snapshot whose
//     second copy is.
//
// Between the plan and its execution anything may change. So each action looks
// again whether it is still needed, and nothing is deleted that could be the
// only copy of anything.
type repairer struct {
	RepairOptions
	b        backend.Backend
	r        *Repository // nil without a key
	config   *Config     // the newest that is believed; nil when there is none
	proof    *prover
	mirror   *mirror // nil when there is none
	progress *CheckProgress

	configs, slots, snapshots map[string]int64 // size by name; of both copies
	parity                    map[[16]byte]int64
	quarantined               map[string]int64 // by the name that they had
	packs                     map[index.PackID]*repairPack
	segments                  map[SegmentID]*repairSegment
	condemned                 map[index.PackID]bool
	alive                     map[index.SessionID]bool // with a lease that is not known to be dead, and no fence
	fenced                    map[index.SessionID]bool
	own                       index.SessionID // of the lease that the repair holds itself
	dead                      []string        // leases of processes that have ended

	set *index.Set // segments that are sound or can be made so; nil without a key

	mu       sync.Mutex // guards what follows while packs are read
	p        *RepairPlan
	hopeless []hopelessPack
	// names under which whole packs lie that are not theirs
	misplaced map[index.PackID]string
}

// repairPack is what is known of a pack.
type repairPack struct {
	id      index.PackID
	size    int64 // as listed last, absent if it is not there
	early   bool  // was in the first listing
	indexed bool  // some segment lists it
	good    bool  // it is sound, or will be
	reindex bool  // it holds blobs that no segment lists there
}

// repairSegment is what is known of an index segment.
type repairSegment struct {
	size int64
	good bool // it is sound, or will be
}

func newRepairer(b backend.Backend, r *Repository, o RepairOptions) *repairer {
	rep := &repairer{
		RepairOptions: o, b: b, r: r,
		proof:    newProver(r),
		progress: o.Progress,
	}
	if rep.gone == nil {
		rep.gone = processGone
	}
	if rep.progress == nil {
		rep.progress = new(CheckProgress)
	}
	return rep
}

// lease tells collectors to wait, where that can be written.
func (p *repairer) lease(ctx context.Context) (*lease, error) {
	if p.r == nil || p.r.writable != nil {
		return nil, nil
	}
	l, err := newLease(ctx, p.r, newSessionID(), LeaseReader)
	if err != nil {
		if readOnly(err) || errors.Is(err, backend.ErrFull) {
			return nil, nil
		}
		return nil, fmt.Errorf("begin a session: %w", err)
	}
	p.own = l.id
	return l, nil
}

// plan finds out what is to be done.
func (p *repairer) plan(ctx context.Context) (*RepairPlan, error) {
	p.p = &RepairPlan{rep: p}
	if p.r != nil {
		p.set = index.NewSet()
		defer p.set.Close()
	}
	steps := []func(context.Context) error{
		p.list,
		p.readConfig, // before all that goes by it
		p.openMirror,
		p.planConfigs,
		p.planSlots,
		p.planSnapshots,
		p.planSegments, // before packs, which are compared with them
		p.planLostSegments,
		p.planPacks,
		p.planLostPacks,
		p.planFromMirror,
		p.planIndex,
		p.planLeftovers,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, p.closeMirror())
		}
	}
	p.p.sort()
	return p.p, p.closeMirror()
}

// name returns the object's name.
func (p *repairPack) name() string { return packName(p.id) }

// act adds an action to the plan.
func (p *repairer) act(a RepairAction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.p.Actions = append(p.p.Actions, a)
}

// beyond notes damage that cannot be undone.
func (p *repairer) beyond(name string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.p.Beyond = append(p.p.Beyond, Unhelped{name, oneLine(err)})
}

// left notes what is not touched.
func (p *repairer) left(name, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.p.Left = append(p.p.Left, Unhelped{name, why})
}

// percent is how much parity everything should have; ok is false when nobody
// can say.
func (p *repairer) percent() (n int, ok bool) {
	switch {
	case p.Parity != nil:
		return *p.Parity, true
	case p.config != nil:
		return p.config.Parity, true
	}
	return 0, false
}

// repository returns the id and suite that every object must be of; ok is
// false when nobody can say.
func (p *repairer) repository() (id keys.RepositoryID, suite keys.Suite, ok bool) {
	if p.config == nil {
		return id, 0, false
	}
	return p.config.Repository, p.config.Suite, true
}
