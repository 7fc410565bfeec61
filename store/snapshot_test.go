package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/backend/mem"
	"garret/store/object"
)

// storedRecord commits a snapshot with everything set and returns its object.
func storedRecord(t testing.TB, r *Repository) (*Snapshot, *Details, []byte) {
	t.Helper()
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	snap := &Snapshot{
		Time: time.Date(2026, 11, 22, 13, 0, 0, 5, time.UTC), Host: "häuschen", User: "u", Label: "weekly",
		Sources: [][]byte{[]byte("/src\xff"), []byte("/b")}, Parent: SnapshotID{1}, Previous: SnapshotID{2}, Sequence: 1<<64 - 1,
		XattrFamilies: []string{"user"},
		Partial:       true, Totals: Totals{Files: 1, Directories: 2, Others: 3, Unmodified: 4, Bytes: 1 << 63, BytesRead: 6, BytesAdded: 7, Warnings: 8},
	}
	d := &Details{
		Root: []byte{0, 0xff}, Devices: json.RawMessage(`[{"a":1}]`),
		Warnings: []Warning{{[]byte("p\xfe"), "why"}}, RewrittenFrom: SnapshotID{3},
	}
	if err := s.Commit(t.Context(), snap, d); err != nil {
		t.Fatal(err)
	}
	data, err := backend.ReadAll(t.Context(), r.backend, snapshotName(snap.ID), maxSnapshot)
	if err != nil {
		t.Fatal(err)
	}
	return snap, d, data
}

// Everything that a run says of itself is still there when it is read.
func TestSnapshotRecord(t *testing.T) {
	r := newTestRepository(t, mem.New())
	snap, d, _ := storedRecord(t, r)
	snaps, problems, err := r.Snapshots(t.Context())
	if err != nil || len(problems) > 0 || len(snaps) != 1 {
		t.Fatal(snaps, problems, err)
	}
	if got, want := fmt.Sprintf("%+v", *snaps[0]), fmt.Sprintf("%+v", *snap); got != want {
		t.Errorf("read\n%s, written\n%s", got, want)
	}
	got, err := r.Details(t.Context(), snap.ID)
	if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", d) {
		t.Errorf("details are\n%+v, not\n%+v: %v", got, d, err)
	}
}

// A record that was changed, cut, or put under another name is no snapshot,
// though its checksum fits: the storage must not be able to make one.
func TestSnapshotForged(t *testing.T) {
	r := newTestRepository(t, mem.New())
	snap, _, data := storedRecord(t, r)
	open := func(id SnapshotID, data []byte) error {
		s, err := r.verifySnapshot(id, data)
		if err == nil {
			_, err = r.openHead(id, s)
		}
		return err
	}
	if err := open(snap.ID, data); err != nil {
		t.Fatal(err)
	}
	body := data[:len(data)-object.CRCSize]
	step := 1
	for at := 0; at < len(body); at += step {
		if at > snapshotFixed {
			step = 5 // sealed or signed, all alike
		}
		forged := bytes.Clone(body)
		forged[at] ^= 1
		err := open(snap.ID, object.Finish(forged))
		if !errors.Is(err, keys.ErrAuthentication) && !errors.Is(err, object.ErrDamaged) && !errors.Is(err, object.ErrReadFeature) {
			t.Fatalf("a change of byte %d: %v", at, err)
		}
	}
	for n := 0; n < len(body); n += 7 {
		err := open(snap.ID, object.Finish(bytes.Clone(body[:n])))
		if !errors.Is(err, keys.ErrAuthentication) && !errors.Is(err, object.ErrDamaged) {
			t.Fatalf("%d of %d bytes: %v", n, len(body), err)
		}
	}
	if err := open(SnapshotID{9}, data); !errors.Is(err, keys.ErrAuthentication) {
		t.Errorf("under another name: %v", err)
	}

	// Forged, the first copy does not stand in the way of the second; when both
	// are, there is no such snapshot.
	forged := bytes.Clone(body)
	forged[len(forged)-1] ^= 1
	for i, name := range []string{snapshotName(snap.ID), secondCopy(snapshotName(snap.ID))} {
		write(t, r.backend, name, object.Finish(bytes.Clone(forged)))
		_, err := r.Details(t.Context(), snap.ID)
		if both := i == 1; errors.Is(err, keys.ErrAuthentication) != both || (err == nil) == both {
			t.Errorf("%d copies are forged: %v", i+1, err)
		}
	}
}

// Lengths in the clear lead nowhere outside of the record.
func TestParseSnapshotLengths(t *testing.T) {
	record := func(encapsulation uint16, head uint32, rest int) []byte {
		b := object.AppendHeader(nil, object.Snapshot)
		b = append(binary.LittleEndian.AppendUint32(b, 1), make([]byte, len(index.SessionID{}))...)
		b = append(binary.LittleEndian.AppendUint16(b, encapsulation), make([]byte, min(int(encapsulation), rest))...)
		b = binary.LittleEndian.AppendUint32(b, head)
		return object.Finish(append(b, make([]byte, rest)...))
	}
	const tail = keys.SignatureSize
	for _, c := range []struct {
		encapsulation uint16
		head          uint32
		rest          int
		ok            bool
	}{
		{0, 0, tail, true},
		{0, 0, tail - 1, false},
		{0, 10, tail + 10, true},
		{0, 11, tail + 10, false},
		{0, 1<<31 - 1, tail, false},
		{0, 1<<32 - 1, tail, false},
		{5, 3, tail + 3, true},
		{1<<16 - 1, 0, tail, false},
	} {
		s, err := parseSnapshot(record(c.encapsulation, c.head, c.rest))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, object.ErrDamaged) {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && (len(s.encapsulation) != int(c.encapsulation) || len(s.head) != int(c.head) || len(s.signature) != tail) {
			t.Errorf("%+v: %+v", c, s)
		}
	}
}

// FuzzParseSnapshot: the parts are all of the record, one after another. The
// checksum is made to fit.
func FuzzParseSnapshot(f *testing.F) {
	r := newTestRepository(f, mem.New())
	snap, _, data := storedRecord(f, r)
	genuine := data[:len(data)-object.CRCSize]
	f.Add(genuine)
	f.Add(genuine[:snapshotFixed])
	f.Add(genuine[:snapshotFixed+keys.EncapsulationSize+4])
	f.Add(append(object.AppendHeader(nil, object.Snapshot), bytes.Repeat([]byte{0xff}, 300)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseSnapshot(object.Finish(bytes.Clone(data)))
		if err != nil {
			if s != nil || !errors.Is(err, object.ErrDamaged) && !errors.Is(err, object.ErrReadFeature) {
				t.Fatalf("%v, %v", s, err)
			}
			return
		}
		again := binary.LittleEndian.AppendUint32(bytes.Clone(s.prefix), uint32(len(s.head)))
		again = append(append(append(again, s.head...), s.details...), s.signature...)
		if !bytes.Equal(again, data) || !bytes.HasSuffix(s.prefix, s.encapsulation) {
			t.Fatalf("%x is taken apart as %x", data, again)
		}
		var got *Snapshot
		if s, err = r.verifySnapshot(snap.ID, object.Finish(bytes.Clone(data))); err == nil {
			got, err = r.openHead(snap.ID, s)
		}
		if (err == nil) != bytes.Equal(data, genuine) || (got == nil) != (err != nil) {
			t.Fatalf("%x: %v, %v", data, got, err)
		}
	})
}
