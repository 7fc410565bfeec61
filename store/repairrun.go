package store

import (
	"context"
	"errors"
	"fmt"

	"garret/index"
	"garret/store/backend"
)

// errSettled says that an action is not needed any more.
var errSettled = errors.New("that has been settled meanwhile")

// Settled reports whether the error of an action says that there was nothing
// left to do: the repository has changed since the plan was made.
func Settled(err error) bool { return errors.Is(err, errSettled) }

// RepairResult is what a repair has done.
type RepairResult struct {
	Done    int   `json:"done"`    // actions that were carried out
	Settled int   `json:"settled"` // that were not needed any more
	Failed  int   `json:"failed"`
	Bytes   int64 `json:"bytes"` // that were written, about

	// What is lost after all, by a check of the structure, and by what name it
	// is kept with the repository; see Repository.LossReport. Checked is false
	// if nobody has looked.
	Checked   bool   `json:"checked"`
	Losses    []Loss `json:"-"`
	Lost      int    `json:"lost"` // of which Losses lists at most MaxLosses
	Statement string `json:"statement,omitempty"`
}

// repairRun is one execution of a plan.
type repairRun struct {
	p           *repairer
	session     *Session // stores what is salvaged; nil until it is needed
	indexFailed bool     // some pack may be in no index segment
}

// Execute carries the plan out and reports each action with its error, in
// order. What fails does not keep the rest from being done, unless nothing can
// be written at all: that is the error. A repair that was killed is finished by
// another one. With a key and a Walker it looks at the end what is lost after
// all, and keeps a list of it in the repository.
func (p *RepairPlan) Execute(ctx context.Context, report func(RepairAction, error)) (res *RepairResult, err error) {
	rep := p.rep
	res = new(RepairResult)
	if len(p.Actions) > 0 {
		if err := rep.execute(ctx, p.Actions, res, report); err != nil {
			return res, err
		}
	}
	if rep.r == nil || rep.Walk == nil {
		return res, nil
	}
	return res, rep.stateLosses(ctx, res)
}

func (p *repairer) execute(ctx context.Context, actions []RepairAction, res *RepairResult, report func(RepairAction, error)) (err error) {
	unwritable := func(err error) error {
		return fmt.Errorf("repository %s cannot be written to: %w", p.b.Location(), err)
	}
	x := &repairRun{p: p}
	if p.r != nil {
		if p.r.writable != nil {
			return unwritable(p.r.writable)
		}
		l, err := newLease(ctx, p.r, newSessionID(), LeaseWriter)
		if readOnly(err) {
			return unwritable(err)
		}
		if err != nil {
			return fmt.Errorf("begin a session: %w", err)
		}
		defer func() { err = errors.Join(err, l.release(ctx)) }()
	}
	defer func() {
		if x.session != nil {
			err = errors.Join(err, x.session.Close(ctx))
		}
	}()
	for _, a := range actions {
		err := a.do(ctx, x)
		switch {
		case readOnly(err):
			return unwritable(err)
		case errors.Is(err, backend.ErrFull):
			return err
		case fatal(ctx, err) != nil:
			return fatal(ctx, err)
		case err == nil:
			res.Done++
			res.Bytes += a.Bytes
		case Settled(err):
			res.Settled++
		default:
			res.Failed++
		}
		if report != nil {
			report(a, err)
		}
	}
	return nil
}

// condemned reports whether a pack is on its way out.
func (x *repairRun) condemned(ctx context.Context, id index.PackID) (bool, error) {
	_, err := x.p.b.Size(ctx, dirCondemned+"/"+id.String())
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}
