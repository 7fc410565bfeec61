package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/backend/mem"
	"garret/store/object"
)

// sealLease makes a lease's object of any body.
func sealLease(t testing.TB, r *Repository, name string, body []byte) []byte {
	t.Helper()
	data := object.AppendHeader(nil, object.Lease)
	sealed, err := r.keys.Seal(keys.ListKey, name, data, body)
	if err != nil {
		t.Fatal(err)
	}
	return object.Finish(append(data, sealed...))
}

// A collector on this machine and boot must be able to tell whether the
// session's process is still there.
func TestLeaseSaysWho(t *testing.T) {
	b := mem.New()
	r := newTestRepository(t, b)
	l, err := newLease(t.Context(), r, index.SessionID{1}, LeaseReader)
	if err != nil {
		t.Fatal(err)
	}
	name := leaseName(l.id, 1)
	got, err := r.readLease(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if got.Kind != LeaseReader || got.PID != os.Getpid() || got.Boot == "" || got.Started.IsZero() || got.Program != Program() {
		t.Errorf("%+v", got)
	}
	if err := l.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	leases, err := backend.List(t.Context(), b, dirLeases)
	if err != nil || len(leases) != 1 || leases[0].Name != leaseName(l.id, 2) {
		t.Errorf("after a refresh there are %v, %v", leases, err)
	}
	if err := l.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.readLease(t.Context(), leaseName(l.id, 2)); !missing(err) {
		t.Errorf("after its release: %v", err)
	}
}

// A lease that was changed, cut, or moved to another session or number says
// nothing: a collector believes what leases say of processes.
func TestLeaseForged(t *testing.T) {
	b := mem.New()
	r := newTestRepository(t, b)
	name := leaseName(index.SessionID{1}, 7)
	data := sealLease(t, r, name, []byte(`{"kind":"writer","pid":5}`))
	read := func(name string, data []byte) (Lease, error) {
		if err := b.Put(t.Context(), name, data); err != nil {
			t.Fatal(err)
		}
		return r.readLease(t.Context(), name)
	}
	if l, err := read(name, data); err != nil || l != (Lease{Kind: LeaseWriter, PID: 5}) {
		t.Fatalf("%+v, %v", l, err)
	}
	body := data[:len(data)-object.CRCSize]
	for at := range body {
		forged := bytes.Clone(body)
		forged[at] ^= 1
		if l, err := read(name, object.Finish(forged)); err == nil || l != (Lease{}) {
			t.Fatalf("a change of byte %d: %+v, %v", at, l, err)
		}
		if l, err := read(name, object.Finish(bytes.Clone(body[:at]))); err == nil || l != (Lease{}) {
			t.Fatalf("%d of %d bytes: %+v, %v", at, len(body), l, err)
		}
	}
	for _, other := range []string{leaseName(index.SessionID{1}, 8), leaseName(index.SessionID{2}, 7)} {
		if _, err := read(other, data); !errors.Is(err, keys.ErrAuthentication) {
			t.Errorf("as %s: %v", other, err)
		}
	}
	if _, err := read(name, make([]byte, maxLease+1)); !errors.Is(err, backend.ErrTooLarge) {
		t.Errorf("a lease of %d bytes: %v", maxLease+1, err)
	}
}

// FuzzLeaseBody: whatever a holder of the keys seals as a lease is read, or is
// damaged.
func FuzzLeaseBody(f *testing.F) {
	b := mem.New()
	r := newTestRepository(f, b)
	whole, err := json.Marshal(Lease{Kind: LeaseWriter, Host: "h", Boot: "b", PID: 1, Program: "p"})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(whole), "", "{}", "null", `{"pid":"x"}`, `{"pid":1e99}`, `{"started":"never"}`, `{"kind":` + strings.Repeat("[", 100)} {
		f.Add([]byte(seed))
	}
	name := leaseName(index.SessionID{1}, 1)
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > maxLease/2 {
			return
		}
		if err := b.Put(t.Context(), name, sealLease(t, r, name, body)); err != nil {
			t.Fatal(err)
		}
		l, err := r.readLease(t.Context(), name)
		if err != nil {
			if l != (Lease{}) || !errors.Is(err, object.ErrDamaged) {
				t.Fatalf("%q: %+v, %v", body, l, err)
			}
			return
		}
		if _, err := json.Marshal(l); err != nil {
			t.Fatalf("%q: %+v cannot be written again: %v", body, l, err)
		}
	})
}

// FuzzNames: a listing may show anything; what is taken for a name of ours is
// the name that we would give.
func FuzzNames(f *testing.F) {
	for _, name := range []string{
		"config/1", "config/1.2", "config/2", "config/2.2", "config/", "config/0", "config/01", "config/-1", "config/.2", "config.1",
		leaseName(index.SessionID{1}, 1), fenceName(index.SessionID{1}), "leases/", "leases/x.1",
		leaseName(index.SessionID{1}, 1<<64-1), strings.Replace(leaseName(index.SessionID{1}, 0), ".0", ".01", 1),
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if n, second, ok := parseConfigName(name); ok {
			if m, again, ok := parseConfigName(configName(n, second)); !ok || m != n || again != second || n <= 0 {
				t.Errorf("%q is config %d, %v", name, n, second)
			}
		}
		if id, n, ok := parseLeaseName(name); ok {
			want := leaseName(id, n)
			if n == 0 {
				want = fenceName(id)
			}
			if other, m, ok := parseLeaseName(want); !ok || other != id || m != n {
				t.Errorf("%q is %s", name, want)
			}
		}
	})
}
