package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"garret/chunking"
	"garret/keys"
	"garret/store"
	"garret/store/backend/local"
	"garret/store/codec"
)

// testdata/frozen holds a repository as this format writes it, and what is in
// it. It must be readable for ever: whoever breaks this test breaks the backups
// of everybody. Until a format is released it may change; then, as root,
//
//	go test ./cmd/garret -run TestFrozen -freeze
//
// makes both anew, for the same commit.
var freeze = flag.Bool("freeze", false, "make testdata/frozen anew")

const (
	frozenRepo     = "testdata/frozen/repo"
	frozenManifest = "testdata/frozen/manifest.jsonl"
	frozenBytes    = 400 << 10 // at most
)

func TestFrozen(t *testing.T) {
	if *freeze {
		makeFrozen(t)
	}
	if size := repositoryBytes(t, frozenRepo); size > frozenBytes {
		t.Errorf("the frozen repository has %d bytes, want %d at most", size, frozenBytes)
	}
	want := readManifest(t)
	dir := t.TempDir() // not on a tmpfs, which may have no user attributes
	u := newUser(t, dir)
	// What git keeps of it: no empty directories, no owners.
	if out, err := exec.Command("cp", "-r", frozenRepo, u.repo).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := listSnapshots(t, u); !reflect.DeepEqual(headers(got), headers(want)) {
		t.Errorf("snapshots: %+v\nwant %+v", headers(got), headers(want))
	}
	u.run("check", "--read-data")
	for _, s := range want {
		mnt, unmount := u.mount(s.ID)
		sameEntries(t, "mounted "+s.Label, scan(t, mnt), s.entries)
		unmount()

		out := filepath.Join(dir, "restored "+s.Label)
		u.restore(s.ID, out, "--numeric-ids")
		sameEntries(t, "restored "+s.Label, restorable(t, scan(t, out)), restorable(t, s.entries))
	}

	// It can be written to, and cuts files where it always did: all content is
	// there already, only names and inodes are new.
	restored := filepath.Join(dir, "restored "+want[0].Label)
	r := u.snapshot("--root", restored, restored)
	if r.Totals.Bytes < 100<<10 || r.Totals.BytesAdded > 40<<10 {
		t.Errorf("a snapshot of the restored tree adds %d of %d bytes", r.Totals.BytesAdded, r.Totals.Bytes)
	}
}

// makeFrozen writes testdata/frozen: two snapshots of the ugly tree, the second
// after some changes, in small chunks, frames and packs, so that there are
// several of each.
func makeFrozen(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 || !makeDevices(t.TempDir()) {
		t.Fatal("owners and devices belong into it: run this as root")
	}
	if err := os.RemoveAll(frozenRepo); err != nil {
		t.Fatal(err)
	}
	u := newUser(t, t.TempDir())
	u.repo = frozenRepo
	b, err := local.Create(u.repo)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Init(t.Context(), b, store.InitOptions{
		Suite:       keys.SuiteAES256GCM,
		Chunker:     chunking.Params{Algorithm: chunking.FastCDC, Min: 2 << 10, Avg: 8 << 10, Max: 32 << 10, Programs: 4 << 10},
		Compression: codec.Default, Label: "frozen",
		Passphrase: keys.Passphrase(testPassphrase), KDF: cheapKDF,
		FrameSize: 16 << 10, PackSize: 64 << 10, Parity: store.DefaultParity,
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	var lines bytes.Buffer
	add := func(label string) {
		t.Helper()
		u.snapshot("--host", "frozen-host", "--label", label, "--root", source, source)
		snaps := listSnapshots(t, u)
		s := snaps[len(snaps)-1]
		out := json.NewEncoder(&lines)
		out.SetEscapeHTML(false)
		err := out.Encode(frozenLine{Snapshot: &s})
		for _, e := range scan(t, source) {
			if err == nil {
				err = out.Encode(frozenLine{Entry: &e})
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	uglyTree(t, source, true)
	age()
	add("first")

	for _, name := range []string{"one byte", "dir/new\nline"} {
		if err := os.Remove(filepath.Join(source, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(source, "dir"), filepath.Join(source, "renamed \xfe")); err != nil {
		t.Fatal(err)
	}
	inserted := append([]byte("inserted "), letters16(100<<10)...)
	if err := os.WriteFile(filepath.Join(source, "chunks"), inserted, 0o640); err != nil {
		t.Fatal(err)
	}
	age()
	add("second")
	if err := os.WriteFile(frozenManifest, lines.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// restorable returns what this user can restore on this file system: holes have
// its granularity, owners and devices are root's to set, the root keeps what
// it had.
func restorable(t *testing.T, entries []frozenEntry) (list []frozenEntry) {
	t.Helper()
	root, devices := os.Geteuid() == 0, makeDevices(t.TempDir())
	for _, e := range entries {
		device := strings.HasPrefix(e.Mode, "2") || strings.HasPrefix(e.Mode, "6") && len(e.Mode) == 5
		if e.Path == `"."` || device && !devices {
			continue
		}
		e.Data = 0
		if !root {
			e.UID, e.GID = 0, 0
			e.Xattrs = maps.Clone(e.Xattrs)
			maps.DeleteFunc(e.Xattrs, func(name, _ string) bool { return strings.HasPrefix(name, "trusted.") })
		}
		list = append(list, e)
	}
	return list
}
