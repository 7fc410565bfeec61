package main

import (
	"context"
	"errors"
	"fmt"

	"garret/cmd/garret/internal/term"
	"garret/fs/reach"
	"garret/fs/tree"
	"garret/index"
	"garret/store"
)

type checkCmd struct {
	ReadData bool `name:"read-data" help:"Also decrypt and verify every blob. Takes as long as reading everything."`
	NoKey    bool `name:"no-key" help:"Only verify the checksums of all stored bytes. Needs no passphrase."`
	JSON     bool `name:"json" help:"Print one JSON object a line: each problem, and the summary at the end."`
	Quiet    bool `short:"q" help:"Print problems only."`
}

func (c *checkCmd) Run(ctx context.Context, a *app) error {
	if c.NoKey && c.ReadData {
		return errors.New("--read-data needs the key that --no-key does without; choose one")
	}
	progress := &store.CheckProgress{}
	line := startProgress(a.stderr, c.Quiet, c.JSON, func() term.Counts {
		return term.Counts{
			Files: uint64(progress.Objects.Load()), Bytes: uint64(progress.Bytes.Load()),
			TotalFiles: uint64(progress.TotalObjects.Load()), TotalBytes: uint64(progress.TotalBytes.Load()),
		}
	})
	var failed error
	options := store.CheckOptions{
		ReadData: c.ReadData,
		Walk:     walkTree,
		Progress: progress,
		Report: func(p store.Problem) {
			if c.JSON {
				failed = firstError(failed, printJSON(a.stdout, p))
				return
			}
			kind := "damage"
			if p.Harmless {
				kind = "note"
			}
			_, _ = fmt.Fprintf(line.out, "%s: %v\n", kind, p)
		},
	}
	result, err := c.check(ctx, a, options)
	line.stop()
	if err = firstError(err, failed); err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(a.stdout, result)
	} else if !c.Quiet {
		printCheck(a, result)
	}
	if err == nil && result.Problems > 0 {
		return errDamaged
	}
	return err
}

func (c *checkCmd) check(ctx context.Context, a *app, o store.CheckOptions) (*store.CheckResult, error) {
	if c.NoKey {
		b, err := a.backend()
		if err != nil {
			return nil, err
		}
		defer b.Close()
		return store.CheckNoKey(ctx, b, o)
	}
	r, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.Check(ctx, o)
}

func printCheck(a *app, r *store.CheckResult) {
	for _, s := range r.Verified {
		fmt.Fprintf(a.stdout, "verified: %s\n", s)
	}
	for _, s := range r.NotVerified {
		fmt.Fprintf(a.stdout, "not verified: %s\n", s)
	}
	switch r.Problems {
	case 0:
		fmt.Fprintln(a.stdout, "no damage found")
	case 1:
		fmt.Fprintln(a.stdout, "1 problem found")
	default:
		fmt.Fprintf(a.stdout, "%d problems found\n", r.Problems)
	}
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
