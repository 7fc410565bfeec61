package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"garret/cmd/garret/internal/term"
	"garret/fs/snapshot"
	"garret/fs/tarball"
	"garret/fs/tree"
	"garret/store"
)

type importCmd struct {
	File  string `arg:"" name:"FILE" help:"The archive: a tar of any kind, as it is or compressed by gzip; - is standard input."`
	Label string `help:"A name for the snapshot."`
	Host  string `help:"Store it as this host's. Default: the machine's name."`
}

// Help is what `import --help` has below the options' short texts.
func (importCmd) Help() string {
	return `Entries may stand in any order; directories that the archive lacks are made up. Of an entry that is there twice the later one counts. What has no place in a snapshot, paths that lead out of it above all, is left out with a warning and exit code 1. No snapshot is made of an archive that is not whole.`
}

func (c *importCmd) Run(ctx context.Context, a *app) error {
	if c.Host == "" {
		c.Host = hostname()
	}
	if err := store.ValidLabel(c.Label); err != nil {
		return fmt.Errorf("label: %w", err)
	}
	if err := store.ValidLabel(c.Host); err != nil {
		return fmt.Errorf("host: %w", err)
	}
	in, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	limitMemory(0)
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	snap, err := c.store(ctx, a, r, in)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(a.stdout, snap.ID); err != nil {
		return err
	}
	if snap.Totals.Warnings > 0 {
		return errWarnings
	}
	return nil
}

func (c *importCmd) open(ctx context.Context) (io.ReadCloser, error) {
	if c.File == "-" {
		return standardInput(ctx)
	}
	return os.Open(c.File)
}

// store makes the archive a snapshot.
func (c *importCmd) store(ctx context.Context, a *app, r *store.Repository, in io.Reader) (snap *store.Snapshot, err error) {
	started := time.Now()
	chunker, err := newChunker(r)
	if err != nil {
		return nil, err
	}
	s, err := r.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		closeErr := s.Close(ctx)
		if err == nil && closeErr != nil {
			// The snapshot is there, and a lease that stays expires.
			fmt.Fprintf(a.stderr, "garret: warning: snapshot %s is stored, but its session cannot be ended: %v\n", snap.ID.Short(), closeErr)
		}
	}()
	for _, p := range s.Problems() {
		fmt.Fprintf(a.stderr, "garret: warning: %v; what it indexes is stored again\n", p)
	}
	archive, err := decompressed(in)
	if err != nil {
		return nil, err
	}
	var warnings []store.Warning
	result, err := tarball.Import(ctx, archive, tarball.ImportOptions{Store: s, Chunker: chunker, Started: started,
		Warn: func(path string, err error) {
			fmt.Fprintf(a.stderr, "garret: warning: %s: %v\n", term.Name(path), err)
			if len(warnings) < maxImportWarnings {
				warnings = append(warnings, store.Warning{Path: []byte(path), Reason: err.Error()})
			}
		}})
	if err == nil {
		_, err = io.Copy(io.Discard, archive) // a checksum may stand at the end
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w; no snapshot was made", term.Name(c.File), err)
	}
	return c.commit(ctx, r, s, started, result, warnings)
}

// maxImportWarnings is how many of them a snapshot keeps; all are printed.
const maxImportWarnings = 1000

// decompressed finds out what the archive is packed in.
func decompressed(in io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(in, 1<<20)
	if magic, _ := b.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) { // errors come again with the first read
		return b, nil
	}
	return gzip.NewReader(b)
}

func (c *importCmd) commit(ctx context.Context, r *store.Repository, s *store.Session, started time.Time, result *tarball.ImportResult, warnings []store.Warning) (*store.Snapshot, error) {
	snaps, _, err := r.Records().Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	source := streamSource("tar")
	snap := &store.Snapshot{
		Time: started.UTC(), Host: c.Host, User: username(), Label: c.Label, Sequence: 1, Sources: [][]byte{[]byte(source)},
		Totals: store.Totals{
			Files: result.Files, Directories: result.Dirs, Others: result.Others, Bytes: result.Bytes,
			BytesRead: result.BytesRead, BytesAdded: result.BytesAdded, Warnings: result.Warnings,
		},
	}
	if before := store.Parents(snaps, c.Host, []string{source}); len(before) > 0 {
		snap.Parent, snap.Previous, snap.Sequence = before[0].ID, before[0].ID, before[0].Sequence+1
	}
	devices, err := json.Marshal([]snapshot.Device{{FSType: "tar"}})
	if err != nil {
		return nil, err
	}
	details := &store.Details{Root: tree.AppendNode(nil, result.Root), Devices: devices, Warnings: warnings}
	if err := s.Commit(ctx, snap, details); err != nil {
		return nil, err
	}
	return snap, nil
}
