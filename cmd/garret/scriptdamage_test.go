package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"garret/fs/tree"
	"garret/keys"
	"garret/store"
	"garret/store/backend/local"
	"garret/store/object"
)

// Offsets in a pack, as package pack draws them.
const (
	packKind  = 16
	packEncap = 18
	packHead  = 48
)

// damageAt returns where an object is damaged: in a pack's first frame, else
// in the middle.
func damageAt(data []byte) int {
	if len(data) > packHead && object.Type(data[6]) == object.Pack {
		return packHead + int(binary.LittleEndian.Uint16(data[packEncap:])) + 8
	}
	return len(data) / 2
}

func cmdDamage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: damage flip|cut|empty WHAT REPO")
	}
	names, err := find(ts.MkAbs(args[2]), args[1])
	ts.Check(err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		ts.Check(err)
		at := damageAt(data)
		switch args[0] {
		case "flip":
			data[at] ^= 0x10
		case "cut":
			data = data[:at]
		case "empty":
			data = nil
		default:
			ts.Fatalf("damage: %q", args[0])
		}
		ts.Check(os.WriteFile(name, data, 0o600))
	}
}

// cmdFeature rewrites all configs of an unencrypted repository as a newer
// garret would, with a feature that this one does not know.
func cmdFeature(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || (args[0] != "read" && args[0] != "write") {
		ts.Fatalf("usage: feature read|write REPO")
	}
	repo := ts.MkAbs(args[1])
	slots, err := find(repo, "key")
	ts.Check(err)
	slot, err := os.ReadFile(slots[0])
	ts.Check(err)
	full, err := keys.OpenFullSlot(slot[object.HeaderSize:len(slot)-object.CRCSize], nil)
	ts.Check(err)
	configs, err := find(repo, "config")
	ts.Check(err)
	for _, name := range configs {
		data, err := os.ReadFile(name)
		ts.Check(err)
		signed := data[:len(data)-object.CRCSize-32]
		if args[0] == "read" {
			signed[8+3] |= 0x80
		} else {
			signed[12+3] |= 0x80
		}
		mac := full.AuthenticateConfig(signed)
		ts.Check(os.WriteFile(name, object.Finish(append(signed, mac[:]...)), 0o600))
	}
}

// twin stores a snapshot whose id begins as another's does.
func twin() {
	if err := storeTwin(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fatal(err)
	}
}

func storeTwin(ctx context.Context, repo, id string) (err error) {
	first, err := store.ParseSnapshotID(id)
	if err != nil {
		return err
	}
	b, err := local.Open(repo)
	if err != nil {
		return err
	}
	locked, err := store.Open(ctx, b)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	r, err := locked.Unlock(nil)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s, err := r.NewSession(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()
	rand.Reader = sameBeginning{rand.Reader, [2]byte(first[:2])}
	root := &tree.Node{Type: tree.Directory, Mode: 0o755}
	return s.Commit(ctx, &store.Snapshot{Time: time.Now().UTC(), Host: "twin", Sequence: 1}, &store.Details{Root: tree.AppendNode(nil, root)})
}

// sameBeginning is a source of random ids that begin alike.
type sameBeginning struct {
	io.Reader
	beginning [2]byte
}

func (r sameBeginning) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n == len(store.SnapshotID{}) {
		copy(p, r.beginning[:])
	}
	return n, err
}

// cmdRandom makes a file whose content depends on its name and size only.
func cmdRandom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: random FILE SIZE")
	}
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), noise(args[0], size), 0o644))
}
