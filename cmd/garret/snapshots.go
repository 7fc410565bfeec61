package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"garret/cmd/garret/internal/term"
	"garret/store"
)

type snapshotsCmd struct {
	Host string `help:"Only those of this host."`
	JSON bool   `name:"json" help:"Print one JSON object a line."`
}

// snapshotJSON is a snapshot for programs.
type snapshotJSON struct {
	*store.Snapshot
	Session    string      `json:"session"`
	Sources    []term.Path `json:"sources"`
	Unverified bool        `json:"unverified,omitempty"`
}

func newSnapshotJSON(s *store.Snapshot) snapshotJSON {
	j := snapshotJSON{Snapshot: s, Session: s.Session.String(), Unverified: s.Unverified}
	for _, p := range s.Sources {
		j.Sources = append(j.Sources, term.JSONPath(string(p)))
	}
	return j
}

func (c *snapshotsCmd) Run(ctx context.Context, a *app) error {
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	snaps, problems, err := r.Records().Snapshots(ctx)
	if err != nil {
		return err
	}
	table := term.NewTable("ID", "TIME", "HOST", "FILES", "SIZE", "ADDED", "LABEL", "SOURCES")
	shown := 0
	for _, s := range snaps {
		if c.Host != "" && s.Host != c.Host {
			continue
		}
		shown++
		if c.JSON {
			if err := printJSON(a.stdout, newSnapshotJSON(s)); err != nil {
				return err
			}
			continue
		}
		var sources []string
		for _, p := range s.Sources {
			sources = append(sources, term.Name(string(p)))
		}
		label := s.Label
		if s.Partial {
			label = strings.TrimSpace(label + " (partial)")
		}
		if s.Unverified {
			label = strings.TrimSpace(label + " (unverified)")
		}
		table.Row(s.ID.Short(), s.Time.Local().Format("2006-01-02 15:04:05"), term.Name(s.Host), fmt.Sprint(s.Totals.Files),
			term.Size(s.Totals.Bytes), term.Size(s.Totals.BytesStored), term.Name(label), strings.Join(sources, " "))
	}
	if !c.JSON && shown > 0 {
		if err := writeTable(a.stdout, table); err != nil {
			return err
		}
	}
	for _, p := range problems {
		if errors.Is(p, store.ErrRepairable) {
			fmt.Fprintf(a.stderr, "garret: warning: %v\n", p)
			continue
		}
		fmt.Fprintf(a.stderr, "garret: %v\n", p)
		err = errDamaged
	}
	return err
}
