package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"garret/store/backend"
)

// RepairOptions say what a repair looks for.
type RepairOptions struct {
	// Parity is how many percent of parity everything is to have from now on;
	// nil leaves that as it is. Needs the key.
	Parity *int
	// From is a mirror: a copy of the same repository, from which intact
	// objects are taken. It is only read. May be nil.
	From backend.Backend
	// ReadData looks at every frame and blob, not only at checksums.
	ReadData bool
	// Walk finds out what snapshots need; nil: nothing is said of what they
	// have lost, and nothing that no index lists is looked for in a mirror.
	Walk     Walker
	Progress *CheckProgress // of the search; may be nil
	Checking *CheckProgress // of the check at the end; may be nil

	gone func(Lease) bool // tells that a lease's process has ended; nil: processGone
}

// RepairKind is what an action does. They are carried out in this order: each
// only relies on what those before it have made durable.
type RepairKind uint8

// The kinds of actions.
const (
	RepairCopy       RepairKind = iota + 1 // writes a copy of a config, key slot or snapshot anew
	RepairConfig                           // changes the config
	RepairHeal                             // writes a pack's or segment's original bytes
	RepairIndex                            // writes index segments for packs that none lists
	RepairSalvage                          // stores what is readable of a pack anew, and takes the pack out of the way
	RepairQuarantine                       // takes an object out of the way that is of no use as it is
	RepairParity                           // makes, changes or removes parity
	RepairClean                            // removes what nobody needs
)

var repairKinds = [...]string{"", "copy", "config", "heal", "index", "salvage", "quarantine", "parity", "clean"}

func (k RepairKind) String() string {
	if int(k) < len(repairKinds) {
		return repairKinds[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// MarshalText writes the kind's name.
func (k RepairKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// RepairAction is one step of a repair.
type RepairAction struct {
	Kind   RepairKind `json:"action"`
	Object string     `json:"object"` // name of the stored object
	Reason string     `json:"reason"` // what is wrong with it
	Remedy string     `json:"remedy"` // what is done about it
	Bytes  int64      `json:"bytes"`  // about as many are written

	do func(context.Context, *repairRun) error
}

// Unhelped is something that a repair finds and can do nothing about.
type Unhelped struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
}

// RepairPlan is what is to be done.
type RepairPlan struct {
	Actions []RepairAction // in the order in which they are carried out
	Beyond  []Unhelped     // damage that cannot be undone
	Left    []Unhelped     // what was left alone, which is no damage

	rep *repairer
}

// Needed reports whether anything but cleaning up is to be done.
func (p *RepairPlan) Needed() bool {
	return slices.ContainsFunc(p.Actions, func(a RepairAction) bool { return a.Kind != RepairClean })
}

// ErrOtherRepository means that what was given as a mirror is a copy of another
// repository.
var ErrOtherRepository = errors.New("it is no copy of this repository")

// PlanRepair looks at every byte of the repository and says what there is to
// repair. It changes nothing. Objects are believed as far as they can be
// authenticated.
func (r *Repository) PlanRepair(ctx context.Context, o RepairOptions) (*RepairPlan, error) {
	rep := newRepairer(r.backend, r, o)
	if o.Parity != nil && (*o.Parity < 0 || *o.Parity > MaxParity) {
		return nil, fmt.Errorf("parity of %d %% cannot be: 0 to %d can", *o.Parity, MaxParity)
	}
	l, err := rep.lease(ctx)
	if err != nil {
		return nil, err
	}
	p, err := rep.plan(ctx)
	if l != nil {
		err = errors.Join(err, l.release(ctx))
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// PlanRepairNoKey is PlanRepair as far as it goes without a key: an object is
// believed when its CRC32C matches and it says of itself what its name says.
// What needs the key is in Beyond or left alone.
func PlanRepairNoKey(ctx context.Context, b backend.Backend, o RepairOptions) (*RepairPlan, error) {
	if o.Parity != nil {
		return nil, errors.New("changing the parity needs the key")
	}
	o.ReadData, o.Walk = false, nil
	return newRepairer(b, nil, o).plan(ctx)
}

func (p *RepairPlan) sort() {
	slices.SortStableFunc(p.Actions, func(a, b RepairAction) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Object, b.Object))
	})
	byObject := func(a, b Unhelped) int { return cmp.Compare(a.Object, b.Object) }
	slices.SortStableFunc(p.Beyond, byObject)
	slices.SortStableFunc(p.Left, byObject)
}
