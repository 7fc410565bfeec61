package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
	"garret/store/codec"
	"garret/store/object"
)

// withParity returns a repository of one session's blobs, with parity.
func withParity(t *testing.T) (*mem.Backend, []blob) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	b := mem.New()
	if _, err := Init(t.Context(), b, InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: map[string]int{"min": 1}, Compression: codec.Default, Parity: DefaultParity,
		Passphrase: testPass, KDF: cheapKDF, PackSize: minPackSize * 4, FrameSize: 32 << 10,
	}); err != nil {
		t.Fatal(err)
	}
	s, err := openTestRepository(t, b).NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	blobs := putBlobs(t, s, 200, 1)
	commit(t, s, "one")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b, blobs
}

// Packs and index segments have their parity as soon as they are stored, and
// configs, slots and snapshots their second copies: without them nothing could
// be healed.
func TestRedundancyIsStored(t *testing.T) {
	b, _ := withParity(t)
	for _, folder := range []string{dirPacks, dirIndex} {
		for _, name := range objects(t, b, folder) {
			var id [16]byte
			if err := parseID(id[:], base(name)); err != nil {
				t.Fatal(err)
			}
			of := object.Pack
			if folder == dirIndex {
				of = object.Segment
			}
			if p, err := readParity(t.Context(), b, of, id); err != nil || p.Size() != int64(len(read(t, b, name))) || len(p.Verify(read(t, b, name))) != 0 {
				t.Errorf("parity of %s: %v", name, err)
			}
		}
	}
	for _, folder := range []string{dirConfig, dirKeys, dirHistory} {
		names := objects(t, b, folder)
		if len(names) != 2 || !bytes.Equal(read(t, b, names[0]), read(t, b, secondCopy(names[0]))) {
			t.Errorf("%v", names)
		}
	}
}

// What parity can heal is read as if nothing had happened, before any repair:
// a rotten pack, a lost pack, a rotten index segment. The repository is not
// changed by it.
func TestReaderHeals(t *testing.T) {
	damages := map[string]func(t *testing.T, b *mem.Backend, name string){
		"one bit": func(t *testing.T, b *mem.Backend, name string) {
			data := bytes.Clone(read(t, b, name))
			data[len(data)/2] ^= 4
			write(t, b, name, data)
		},
		"its first 8 KiB": func(t *testing.T, b *mem.Backend, name string) {
			data := bytes.Clone(read(t, b, name))
			clear(data[:min(len(data), 8<<10)])
			write(t, b, name, data)
		},
		"its end": func(t *testing.T, b *mem.Backend, name string) {
			data := read(t, b, name)
			write(t, b, name, data[:len(data)-min(len(data)/2, 8<<10)])
		},
	}
	for what, damage := range damages {
		t.Run(what, func(t *testing.T) {
			b, blobs := withParity(t)
			for _, folder := range []string{dirPacks, dirIndex} {
				for _, name := range objects(t, b, folder) {
					damage(t, b, name)
				}
			}
			before := b.Clone()
			t.Setenv("XDG_CACHE_HOME", t.TempDir()) // another machine
			rd := openTestReader(t, b, 1<<20)
			healed := make(map[index.PackID]error)
			rd.OnHeal(func(pack index.PackID, damage error) { healed[pack] = damage })
			if len(rd.Problems()) != 0 {
				t.Errorf("problems: %v", rd.Problems())
			}
			for i, w := range blobs {
				if got, err := rd.Blob(t.Context(), w.kind, w.id); err != nil || !bytes.Equal(got, w.data) {
					t.Fatalf("blob %d: %v", i, err)
				}
			}
			if len(healed) == 0 {
				t.Error("nobody was told")
			}
			for pack, err := range healed {
				if err == nil {
					t.Errorf("pack %v was healed of nothing", pack)
				}
			}
			for _, name := range objects(t, before, "") {
				if !strings.HasPrefix(name, dirLeases) && !bytes.Equal(read(t, before, name), read(t, b, name)) {
					t.Errorf("reading changed %s", name)
				}
			}
		})
	}
}

// Who waits for a frame that somebody else has begun to heal, and gives up, gets
// it healed nevertheless.
func TestHealingIsGivenUp(t *testing.T) {
	const damaged = 8 << 10 // bytes of each pack
	stored, blobs := withParity(t)
	for _, name := range objects(t, stored, dirPacks) {
		data := bytes.Clone(read(t, stored, name))
		clear(data[:damaged])
		write(t, stored, name, data)
	}
	b := faulty.New(stored)
	rd := openTestReader(t, b, 1<<20)
	i := slices.IndexFunc(blobs, func(w blob) bool {
		lost := false
		rd.set.Lookup(w.id, func(at index.Location) bool {
			lost = at.Offset < damaged
			return !lost
		})
		return lost
	})
	if i < 0 {
		t.Fatal("no blob is damaged")
	}
	w := blobs[i]
	begun := make(chan struct{})
	var slow atomic.Bool
	slow.Store(true)
	b.Add(func(c faulty.Call) faulty.Fault {
		if c.Op == faulty.ReadAt && strings.HasPrefix(c.Name, dirParity) && slow.CompareAndSwap(true, false) {
			close(begun)
			return faulty.Fault{Delay: time.Minute} // or until the context ends
		}
		return faulty.Fault{}
	})
	ctx, giveUp := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := rd.Blob(ctx, w.kind, w.id)
		first <- err
	}()
	<-begun
	second := make(chan error)
	go func() {
		got, err := rd.Blob(t.Context(), w.kind, w.id)
		if err == nil && !bytes.Equal(got, w.data) {
			err = errors.New("wrong bytes")
		}
		second <- err
	}()
	time.Sleep(50 * time.Millisecond) // most likely the second waits now
	giveUp()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up got %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("who waited got %v", err)
	}
}

// What cannot be healed is lost, and said to be: not a file that is not there,
// and not wrong bytes.
func TestReaderCannotHeal(t *testing.T) {
	b, blobs := withParity(t)
	for _, name := range objects(t, b, dirPacks) {
		remove(t, b, name)
	}
	for _, name := range objects(t, b, dirParity) {
		data := bytes.Clone(read(t, b, name))
		for i := range data {
			data[i] ^= 0x55
		}
		write(t, b, name, data)
	}
	rd := openTestReader(t, b, 1<<20)
	for _, w := range blobs[:20] {
		data, err := rd.Blob(t.Context(), w.kind, w.id)
		if data != nil || !errors.Is(err, ErrLost) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, backend.ErrNotExist) {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
	}
}
