package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"garret/cmd/garret/internal/term"
	"garret/fs/reach"
	"garret/fs/tree"
	"garret/index"
	"garret/store"
	"garret/store/backend"
)

type checkCmd struct {
	Target      string        `arg:"" optional:"" name:"snapshot[:path]" help:"Look only at what this snapshot, or this file or directory in it, needs."`
	ReadData    readData      `name:"read-data" placeholder:"N%|N/M" help:"Also decrypt and verify every blob; with =5% a random sample, with =2/7 the second of seven parts. Takes as long as reading so much."`
	NoKey       bool          `name:"no-key" help:"Only verify the checksums of all stored bytes. Needs no passphrase."`
	MaxDuration time.Duration `name:"max-duration" placeholder:"DURATION" help:"Begin with no more data after so long (30m, 2h); the next run goes on with what was verified longest ago."`
	Against     string        `placeholder:"REPOSITORY" help:"Compare with a copy of the repository: what is missing or damaged in either. Needs no passphrase with --no-key."`
	JSON        bool          `name:"json" help:"Print one JSON object a line: each problem, and the summary at the end."`
	Quiet       bool          `short:"q" help:"Print problems only."`
}

func (c *checkCmd) validate() error {
	switch {
	case c.NoKey && c.ReadData.on:
		return errors.New("--read-data needs the key that --no-key does without; choose one")
	case c.NoKey && c.Target != "":
		return errors.New("what a snapshot needs cannot be found out with --no-key")
	case c.MaxDuration < 0:
		return errors.New("--max-duration cannot be negative")
	case c.MaxDuration > 0 && !c.NoKey && !c.ReadData.on:
		return errors.New("--max-duration limits the reading of data: add --read-data or --no-key")
	case c.MaxDuration > 0 && c.Target != "":
		return errors.New("--max-duration is for checks of the whole repository")
	case c.Against != "" && (c.ReadData.on || c.Target != "" || c.MaxDuration > 0):
		return errors.New("--against compares every stored byte by its checksum; --read-data, --max-duration and a snapshot do not go with it")
	}
	return nil
}

func (c *checkCmd) Run(ctx context.Context, a *app) error {
	if err := c.validate(); err != nil {
		return err
	}
	progress := &store.CheckProgress{}
	line := startProgress(a.stderr, c.Quiet, c.JSON, func() term.Counts { return checkCounts(progress) })
	var failed error
	damaged := false
	options := store.CheckOptions{
		ReadData: c.ReadData.on,
		Part:     c.ReadData.part,
		Walk:     walkTree,
		Progress: progress,
		Report: func(p store.Problem) {
			if !damaged {
				damaged = true
				limitMemory(repairMemory) // packs are healed in memory, to see whether they can be
			}
			if c.JSON {
				failed = firstError(failed, printJSON(a.stdout, p))
				return
			}
			_, err := fmt.Fprintf(line.out, "%s: %v\n", severityWords[p.Severity], p)
			failed = firstError(failed, err)
		},
	}
	options.Part.Limit = c.MaxDuration
	result, err := c.check(ctx, a, options)
	line.stop()
	if err = firstError(err, failed); err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(a.stdout, result)
	} else if !c.Quiet {
		remedy := "garret repair"
		if c.Against != "" {
			remedy = "garret repair --from"
		}
		err = printCheck(a, result, remedy)
	}
	switch {
	case err != nil:
		return err
	case result.Lost > 0:
		return errDamaged
	case result.Repairable > 0:
		return errWarnings
	}
	return nil
}

// severityWords begin the lines about problems.
var severityWords = map[store.Severity]string{
	store.Note: "note", store.Repairable: "repairable", store.Lost: "damage",
}

func (c *checkCmd) check(ctx context.Context, a *app, o store.CheckOptions) (*store.CheckResult, error) {
	var other backend.Backend
	if c.Against != "" {
		var err error
		if other, err = (&app{repo: c.Against}).backend(); err != nil {
			return nil, err
		}
		defer other.Close()
	}
	if c.NoKey {
		b, err := a.backend()
		if err != nil {
			return nil, err
		}
		defer b.Close()
		if other != nil {
			return store.CheckAgainst(ctx, b, other, o)
		}
		return store.CheckNoKey(ctx, b, o)
	}
	r, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if other != nil {
		return r.CheckAgainst(ctx, other, o)
	}
	if c.Target != "" {
		if o.Only, o.Walk, err = a.walkOnly(ctx, r, c.Target); err != nil {
			return nil, err
		}
	}
	return r.Check(ctx, o)
}

// walkOnly returns the snapshot that SNAPSHOT[:PATH] names, and a Walker of
// what is at PATH.
func (a *app) walkOnly(ctx context.Context, r *store.Repository, target string) (store.SnapshotID, store.Walker, error) {
	spec, path := splitTarget(target)
	snap, err := a.find(ctx, r.Records(), spec)
	if err != nil {
		return store.SnapshotID{}, nil, err
	}
	path = strings.Trim(path, "/")
	if path == "" {
		return snap.ID, walkTree, nil
	}
	root, at, err := a.nodeAt(ctx, r, snap.ID, path)
	if err != nil {
		return store.SnapshotID{}, nil, err
	}
	walk := func(ctx context.Context, blobs store.Blobs, _ []byte, seen func(index.ID) bool, visit func(store.Use) error) error {
		return walkTree(ctx, blobs, root, seen, func(u store.Use) error {
			u.Path = strings.TrimSuffix(at+"/"+u.Path, "/")
			return visit(u)
		})
	}
	return snap.ID, walk, nil
}

// nodeAt returns the encoded node at a path and the path as it is stored, which
// may be normalised differently from how it was typed.
func (a *app) nodeAt(ctx context.Context, r *store.Repository, id store.SnapshotID, path string) (node []byte, at string, err error) {
	reader, err := r.NewReader(ctx, 0)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = firstError(err, reader.Close(ctx)) }()
	t, _, err := openTree(ctx, r, reader, nil, id)
	if err != nil {
		return nil, "", err
	}
	e, err := t.Resolve(ctx, path)
	if noSuchPath(err) {
		return nil, "", fmt.Errorf("%q is %w in snapshot %s", path, errNotFound, id.Short())
	}
	if err != nil {
		return nil, "", fmt.Errorf("%q in snapshot %s: %w", path, id.Short(), err)
	}
	at, err = t.Path(ctx, e)
	return tree.AppendNode(nil, e.Node), at, err
}

// printCheck prints what was verified, and the verdict.
func printCheck(a *app, r *store.CheckResult, remedy string) error {
	var out strings.Builder
	for _, s := range r.Verified {
		fmt.Fprintf(&out, "verified: %s\n", s)
	}
	for _, s := range r.NotVerified {
		fmt.Fprintf(&out, "not verified: %s\n", s)
	}
	count := func(n int) string {
		if n == 1 {
			return "1 problem"
		}
		return fmt.Sprintf("%d problems", n)
	}
	switch {
	case r.Lost > 0:
		fmt.Fprintf(&out, "%s found: something is lost\n", count(r.Problems()))
	case r.Repairable > 0:
		fmt.Fprintf(&out, "%s found, nothing is lost: `%s` puts it right\n", count(r.Repairable), remedy)
	default:
		fmt.Fprintln(&out, "no damage found")
	}
	_, err := io.WriteString(a.stdout, out.String())
	return err
}

// walkTree tells check which blobs a snapshot needs.
func walkTree(ctx context.Context, blobs store.Blobs, root []byte, seen func(index.ID) bool, visit func(store.Use) error) error {
	node, err := tree.ParseNode(root)
	if err != nil {
		return err
	}
	err = reach.Walk(ctx, blobs, node, seen, func(u reach.Use) error {
		return visit(store.Use{Kind: u.Kind, ID: u.ID, Path: u.Path, Offset: u.Offset, Length: u.Length, Err: u.Err})
	})
	if errors.Is(err, reach.ErrIncomplete) {
		return nil // each page that could not be walked has been visited with its error
	}
	return err
}
