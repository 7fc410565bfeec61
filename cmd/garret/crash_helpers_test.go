package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"garret/chunking"
	"garret/fs/compare"
	"garret/fs/restore"
	"garret/fs/view"
	"garret/keys"
	"garret/store"
	"garret/store/backend"
	"garret/store/codec"
)

// The repositories of these tests have small chunks, frames and packs, so that
// little data makes many operations.
const (
	crashAverage = 64 << 10 // of chunks
	crashFrame   = 16 << 10
	crashPack    = 64 << 10
)

var (
	crashPass = keys.Passphrase("correct horse")
	crashKDF  = keys.KDFParams{KDF: keys.KDFArgon2id, Time: 1, Memory: 64, Threads: 1}
)

// crashInit makes a repository in b. It is not encrypted, as most of these
// tests open it hundreds of times.
func crashInit(ctx context.Context, b backend.Backend) error {
	return crashInitWith(ctx, b, store.InitOptions{
		Suite:     keys.SuiteNone,
		KDF:       keys.SuiteNone.DefaultKDF(),
		FrameSize: crashFrame,
		PackSize:  crashPack,
	})
}

// crashInitEncrypted makes one that opens with crashPass.
func crashInitEncrypted(ctx context.Context, b backend.Backend) error {
	return crashInitWith(ctx, b, store.InitOptions{
		Suite:      keys.SuiteAES256GCM,
		Passphrase: crashPass,
		KDF:        crashKDF,
		FrameSize:  crashFrame,
		PackSize:   crashPack,
	})
}

func crashInitWith(ctx context.Context, b backend.Backend, o store.InitOptions) error {
	o.Chunker = chunking.Params{Algorithm: chunking.FastCDC, Min: crashAverage / 4, Avg: crashAverage, Max: 4 * crashAverage}
	o.Compression = codec.Method{Codec: codec.None} // compressing is what takes the race detector longest
	_, err := store.Init(ctx, b, o)
	return err
}

// crashOpen opens the repository anew, as the next process does.
func crashOpen(ctx context.Context, b backend.Backend) (*store.Repository, error) {
	l, err := store.Open(ctx, b)
	if err != nil {
		return nil, err
	}
	if !l.NeedsPassphrase() {
		return l.Unlock(nil)
	}
	return l.Unlock(crashPass)
}

// crashRun is one `garret snapshot` of a source.
type crashRun struct {
	source      string
	interrupted chan struct{}
	stderr      bytes.Buffer
}

func (r *crashRun) snapshot(ctx context.Context, b backend.Backend) (*store.Snapshot, error) {
	repo, err := crashOpen(ctx, b)
	if err != nil {
		return nil, err
	}
	for _, p := range repo.Problems() {
		fmt.Fprintln(&r.stderr, p)
	}
	job := &snapshotJob{
		snapshotCmd: &snapshotCmd{Paths: []string{r.source}, Root: r.source, Host: "host"},
		app:         &app{stdout: &r.stderr, stderr: &r.stderr, interrupted: r.interrupted},
		repo:        repo,
	}
	return job.run(ctx)
}

// crashSnapshot takes a snapshot that nothing may hinder.
func crashSnapshot(t testing.TB, b backend.Backend, source string) *store.Snapshot {
	t.Helper()
	r := crashRun{source: source}
	snap, err := r.snapshot(t.Context(), b)
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	if r.stderr.Len() != 0 || snap.Totals.Warnings != 0 {
		t.Errorf("snapshot has %d warnings and says: %s", snap.Totals.Warnings, &r.stderr)
	}
	return snap
}

// crashCheck opens the repository anew and has every byte of it verified; all
// that may be left of runs that were interrupted is garbage. It returns the
// snapshots.
func crashCheck(t testing.TB, b backend.Backend) []*store.Snapshot {
	t.Helper()
	repo, snaps := crashSnapshots(t, b)
	result, err := repo.Check(t.Context(), store.CheckOptions{
		ReadData: true, Walk: walkTree,
		Report: func(p store.Problem) {
			// The second copy or the parity of what was stored last may not
			// have come to be; repair makes it.
			missing := p.Severity == store.Repairable && strings.Contains(p.Err.Error(), "missing")
			if p.Severity != store.Note && !missing {
				t.Errorf("check: %v", p)
			}
		},
	})
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	if result.Snapshots != int64(len(snaps)) {
		t.Errorf("check has seen %d of %d snapshots", result.Snapshots, len(snaps))
	}
	return snaps
}

// crashSnapshots opens the repository anew and lists its snapshots.
func crashSnapshots(t testing.TB, b backend.Backend) (*store.Repository, []*store.Snapshot) {
	t.Helper()
	repo, err := crashOpen(t.Context(), b)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	snaps, problems, err := repo.Snapshots(t.Context())
	if err != nil || len(problems) != 0 {
		t.Fatalf("snapshots: %v, problems: %v", err, problems)
	}
	return repo, snaps
}

// crashCompare restores a snapshot, and every byte and attribute of it must be
// as in the source.
func crashCompare(t testing.TB, b backend.Backend, id store.SnapshotID, source string) {
	t.Helper()
	dest := filepath.Join(t.TempDir(), "restored")
	crashRestore(t, b, id, dest)
	_, err := compare.Run(t.Context(), source, dest, compare.Options{Holes: true}, func(d compare.Difference) { t.Error(d) })
	if err != nil {
		t.Fatal(err)
	}
}

func crashRestore(t testing.TB, b backend.Backend, id store.SnapshotID, dest string) {
	t.Helper()
	ctx := t.Context()
	repo, err := crashOpen(ctx, b)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	reader, err := repo.NewReader(ctx, 8<<20)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	defer reader.Close(ctx)
	pages := view.NewPageCache(1 << 20)
	tr, _, err := openTree(ctx, repo, reader, pages, id)
	if err != nil {
		t.Fatal(err)
	}
	root, err := tr.Resolve(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = restore.Run(ctx, restore.Options{
		Tree: tr, Loader: reader, From: root, Dest: dest,
		Warn: func(path string, err error) { t.Errorf("restore %s: %v", path, err) },
	})
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
}

// crashWhole takes the next snapshot: whatever happened before, it is whole,
// it is the latest one, and no partial one is left beside it.
func crashWhole(t testing.TB, b backend.Backend, source string) *store.Snapshot {
	t.Helper()
	snap := crashSnapshot(t, b, source)
	snaps := crashCheck(t, b)
	latest, err := store.Find(snaps, "latest", "host")
	if err != nil || latest.Snapshot.ID != snap.ID {
		t.Errorf("latest is %v, %v, not %s", latest.Snapshot, err, snap.ID.Short())
	}
	for _, s := range snaps {
		if s.Partial || s.Unverified {
			t.Errorf("snapshot %s is left: partial %v, unverified %v", s.ID.Short(), s.Partial, s.Unverified)
		}
	}
	crashCompare(t, b, snap.ID, source)
	return snap
}

// halfMade reports whether an interrupted init is recognised as such.
func halfMade(ctx context.Context, b backend.Backend) bool {
	_, err := store.Open(ctx, b)
	return errors.Is(err, store.ErrHalfMade) || errors.Is(err, store.ErrNoRepository)
}

// crashNames lists the objects below a folder.
func crashNames(t testing.TB, b backend.Backend, folder string) []string {
	t.Helper()
	var list []string
	err := b.List(t.Context(), folder, func(e backend.Entry) error {
		list = append(list, e.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// crashPatience is how long what should be prompt may take on a busy machine.
const crashPatience = 30 * time.Second

// promptly runs f, which must return soon and leave no goroutine behind.
func promptly(t testing.TB, f func()) {
	t.Helper()
	before := runtime.NumGoroutine()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(crashPatience):
		t.Fatalf("still running after %v:\n%s", crashPatience, crashStacks())
	}
	for end := time.Now().Add(crashPatience); runtime.NumGoroutine() > before; {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines became %d:\n%s", before, runtime.NumGoroutine(), crashStacks())
		}
		time.Sleep(time.Millisecond)
	}
}

func crashStacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}
