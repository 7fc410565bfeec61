package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"garret/cmd/garret/internal/term"
	"garret/store"
	"garret/store/backend"
)

type repairCmd struct {
	DryRun   bool        `short:"n" name:"dry-run" help:"Only show what would be done; exit code 1 if that is anything."`
	Yes      bool        `short:"y" help:"Do not ask."`
	NoKey    bool        `name:"no-key" help:"Repair what can be repaired without a passphrase: by parity, second copies and a mirror."`
	ReadData bool        `name:"read-data" help:"Also decrypt and verify every blob, to find what checksums do not show."`
	Parity   *percentage `placeholder:"N%" help:"Change the parity of everything that is stored, and of what will be; 0 removes it."`
	From     string      `placeholder:"REPOSITORY" help:"A mirror: take intact objects from this copy of the repository."`
	Losses   bool        `help:"Show what earlier repairs could not bring back, and change nothing."`
	JSON     bool        `name:"json" help:"Print one JSON object a line: what is planned, what was done, what is lost, and the summary at the end."`
	Quiet    bool        `short:"q" help:"Print what fails and what is lost only."`
}

// repairMemory is for the packs that are looked at and healed, bytes.
const repairMemory = 256 << 20

func (c *repairCmd) Run(ctx context.Context, a *app) error {
	switch {
	case c.NoKey && (c.ReadData || c.Parity != nil || c.Losses):
		return errors.New("--read-data, --parity and --losses need the key that --no-key does without")
	case c.DryRun && c.Yes:
		return errors.New("--dry-run changes nothing that --yes could agree to; choose one")
	case !c.DryRun && !c.Yes && !c.Losses && !term.HasTerminal():
		return errors.New("repair asks before it changes anything: run it on a terminal, or with --yes; --dry-run only looks")
	}
	limitMemory(repairMemory)
	out := &repairOutput{a: a, json: c.JSON, quiet: c.Quiet}
	if c.Losses {
		return c.showLosses(ctx, a, out)
	}
	plan, check, done, err := c.plan(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	out.plan(plan)
	if len(plan.Actions) == 0 {
		out.say("there is nothing to repair")
	}
	if c.DryRun {
		return firstError(out.err, warnIf(plan.Needed() || len(plan.Beyond) > 0))
	}
	if len(plan.Actions) > 0 && !c.Yes {
		yes, _, err := term.Confirm(ctx, "Carry this out?")
		if err != nil {
			return err
		}
		if !yes {
			out.say("nothing was changed")
			return firstError(out.err, warnIf(plan.Needed()))
		}
	}
	return c.execute(ctx, plan, check, out)
}

func warnIf(warn bool) error {
	if warn {
		return errWarnings
	}
	return nil
}

// plan looks at the repository. done closes what it has opened.
func (c *repairCmd) plan(ctx context.Context, a *app) (plan *store.RepairPlan, check *store.CheckProgress, done func(), err error) {
	progress, check := new(store.CheckProgress), new(store.CheckProgress)
	o := store.RepairOptions{ReadData: c.ReadData, Walk: walkTree, Progress: progress, Checking: check}
	if c.Parity != nil {
		percent := int(*c.Parity)
		o.Parity = &percent
	}
	var opened []io.Closer
	closeAll := func() {
		for _, c := range opened {
			c.Close()
		}
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	if c.From != "" {
		if o.From, err = (&app{repo: c.From}).backend(); err != nil {
			return nil, nil, nil, fmt.Errorf("mirror: %w", err)
		}
		opened = append(opened, o.From)
	}
	var look func() (*store.RepairPlan, error)
	if c.NoKey {
		var b backend.Backend
		if b, err = a.backend(); err != nil {
			return nil, nil, nil, err
		}
		opened = append(opened, b)
		look = func() (*store.RepairPlan, error) { return store.PlanRepairNoKey(ctx, b, o) }
	} else {
		var r *store.Repository
		if r, err = a.open(ctx); err != nil {
			return nil, nil, nil, err
		}
		opened = append(opened, r)
		look = func() (*store.RepairPlan, error) { return r.PlanRepair(ctx, o) }
	}
	line := startProgress(a.stderr, c.Quiet, c.JSON, func() term.Counts { return checkCounts(progress) })
	plan, err = look()
	line.stop()
	return plan, check, closeAll, err
}

func checkCounts(p *store.CheckProgress) term.Counts {
	return term.Counts{
		Files: uint64(p.Objects.Load()), Bytes: uint64(p.Bytes.Load()),
		TotalFiles: uint64(p.TotalObjects.Load()), TotalBytes: uint64(p.TotalBytes.Load()),
	}
}

// execute carries the plan out and says how it went.
func (c *repairCmd) execute(ctx context.Context, plan *store.RepairPlan, check *store.CheckProgress, out *repairOutput) error {
	var actions, bytes atomic.Int64
	total := int64(0)
	for _, a := range plan.Actions {
		total += a.Bytes
	}
	line := startProgress(out.a.stderr, out.quiet, out.json, func() term.Counts {
		if check.TotalObjects.Load() > 0 { // the check at the end
			return checkCounts(check)
		}
		return term.Counts{
			Files: uint64(actions.Load()), Bytes: uint64(bytes.Load()),
			TotalFiles: uint64(len(plan.Actions)), TotalBytes: uint64(total),
		}
	})
	res, err := plan.Execute(ctx, func(a store.RepairAction, err error) {
		actions.Add(1)
		bytes.Add(a.Bytes)
		out.did(line.out, a, err)
	})
	line.stop()
	if err = firstError(err, out.err); err != nil {
		return err
	}
	for _, l := range res.Losses {
		out.lost(l)
	}
	out.summary(plan, res)
	switch {
	case out.err != nil:
		return out.err
	case res.Lost > 0, !res.Checked && len(plan.Beyond) > 0:
		return errDamaged
	}
	return warnIf(res.Failed > 0)
}

// showLosses prints what the newest statement in the repository says.
func (c *repairCmd) showLosses(ctx context.Context, a *app, out *repairOutput) error {
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	report, _, err := r.LossReport(ctx)
	if err != nil {
		return err
	}
	if report == nil {
		out.say("no repair has left anything lost")
		return out.err
	}
	out.say("lost on %s, unless a later snapshot has stored it again:", report.Time.Local().Format("2006-01-02 15:04:05"))
	for _, l := range report.Losses {
		out.lost(l)
	}
	if more := report.Lost - len(report.Losses); more > 0 {
		out.say("and %d more", more)
	}
	return out.err
}

// repairOutput prints a repair's plan and results, for people or programs.
type repairOutput struct {
	a           *app
	json, quiet bool
	err         error // of writing
}

// event prints one line for programs: the fields of v with the event's name.
func (o *repairOutput) event(name string, v any) {
	fields := map[string]any{}
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &fields)
	}
	fields["event"] = name
	o.err = firstError(o.err, err, printJSON(o.a.stdout, fields))
}

func (o *repairOutput) say(format string, args ...any) {
	if !o.json && !o.quiet {
		_, err := fmt.Fprintf(o.a.stdout, format+"\n", args...)
		o.err = firstError(o.err, err)
	}
}

// shownActions is how many actions of a kind are shown one by one.
const shownActions = 20

// plan shows what is going to be done, by kind.
func (o *repairOutput) plan(p *store.RepairPlan) {
	if o.json {
		for _, a := range p.Actions {
			o.event("planned", a)
		}
		for _, u := range p.Beyond {
			o.event("beyond", u)
		}
		for _, u := range p.Left {
			o.event("left", u)
		}
		return
	}
	for actions := p.Actions; len(actions) > 0; {
		kind, n, bytes := actions[0].Kind, 0, int64(0)
		for n < len(actions) && actions[n].Kind == kind {
			bytes += actions[n].Bytes
			n++
		}
		o.say("%v: %s, %s to be written", kind, plural(n, "object"), term.Size(uint64(bytes)))
		for _, a := range actions[:min(n, shownActions)] {
			o.say("  %s: %s; %s", a.Object, a.Reason, a.Remedy)
		}
		if n > shownActions {
			o.say("  and %d more", n-shownActions)
		}
		actions = actions[n:]
	}
	for _, u := range p.Beyond {
		o.say("cannot be helped: %s: %s", u.Object, u.Reason)
	}
	for _, u := range p.Left {
		o.say("left alone: %s: %s", u.Object, u.Reason)
	}
}

// did reports an action that was carried out, or was not.
func (o *repairOutput) did(progress io.Writer, a store.RepairAction, err error) {
	if o.json {
		v := struct {
			store.RepairAction
			Error string `json:"error,omitempty"`
		}{RepairAction: a}
		name := "done"
		if err != nil {
			name, v.Error = "failed", err.Error()
		}
		if store.Settled(err) {
			name = "settled"
		}
		o.event(name, v)
		return
	}
	if err != nil && !store.Settled(err) {
		fmt.Fprintf(progress, "garret: %v %s: %v\n", a.Kind, a.Object, err)
	}
}

func (o *repairOutput) lost(l store.Loss) {
	if o.json {
		o.event("lost", l.Problem())
		return
	}
	_, err := fmt.Fprintf(o.a.stdout, "lost: %v\n", l.Problem())
	o.err = firstError(o.err, err)
}

func (o *repairOutput) summary(plan *store.RepairPlan, res *store.RepairResult) {
	if o.json {
		o.event("summary", struct {
			*store.RepairResult
			Beyond int `json:"beyond"`
			Left   int `json:"left"`
		}{res, len(plan.Beyond), len(plan.Left)})
		return
	}
	if len(plan.Actions) > 0 {
		o.say("%s carried out, %d not needed any more, %d failed", plural(res.Done, "action"), res.Settled, res.Failed)
	}
	switch {
	case res.Failed > 0:
		o.say("run it again to repair what is left")
	case res.Lost > 0:
		if more := res.Lost - len(res.Losses); more > 0 {
			o.say("%d more losses are not listed", more)
		}
		o.say("what is lost comes back with a snapshot of files that still have it; `garret repair --losses` shows the list again")
	case !res.Checked && len(plan.Beyond) > 0:
		o.say("what is left needs the key, or a mirror")
	case res.Checked:
		o.say("nothing that a snapshot needs is lost")
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
