package store

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"garret/store/backend"
	"garret/store/backend/mem"
	"garret/store/object"
)

// wantFound makes sure that what was flipped is named, one byte alone with its
// place.
func (f *flipTest) wantFound(t *testing.T, c checked, flipped map[string][]int, within bool) {
	t.Helper()
	for name, places := range flipped {
		twin := strings.TrimSuffix(name, copySuffix)
		if !slices.ContainsFunc(c.problems, func(p Problem) bool {
			if p.Object != name {
				return p.Object == twin && flipped[twin] != nil // told as one
			}
			alone := len(flipped) == 1 && len(places) == 1 && p.Length > 0
			return !alone || p.Offset <= uint64(places[0]) && uint64(places[0]) < p.Offset+p.Length && p.Length <= 4096
		}) {
			t.Errorf("%s: flips at %d are not found", name, places)
			c.dump(t)
		}
	}
	if within && c.Lost > 0 {
		t.Error("nothing is lost, but:")
		c.dump(t)
	}
}

func (f *flipTest) wantListed(t *testing.T, r *Repository, within bool) {
	t.Helper()
	snaps, problems, err := r.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(snaps) < len(f.snaps) && (within || len(problems) == 0) {
		t.Errorf("%d snapshots, and %v", len(snaps), problems)
	}
	for _, s := range snaps {
		i := slices.IndexFunc(f.snaps, func(was *Snapshot) bool { return was.ID == s.ID })
		if i < 0 || !reflect.DeepEqual(s, f.snaps[i]) {
			t.Errorf("a snapshot has become %+v", s)
			continue
		}
		details, err := r.Details(t.Context(), s.ID)
		if err != nil && within || err == nil && !slices.ContainsFunc(f.details, func(was *Details) bool { return reflect.DeepEqual(was, details) }) {
			t.Errorf("details of %s: %+v, %v", s.ID.Short(), details, err)
		}
	}
}

func (f *flipTest) wantRead(t *testing.T, r *Repository, within bool) {
	t.Helper()
	rd, err := r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	wantRight(t, rd, f.blobs, within)
}

// wantRight reads blobs, none of which may be other bytes, and all of which
// must be there if all are said to be.
func wantRight(t *testing.T, rd *Reader, blobs []blob, all bool) {
	t.Helper()
	for _, want := range blobs {
		switch got, err := rd.Blob(t.Context(), want.kind, want.id); {
		case err == nil && !bytes.Equal(got, want.data):
			t.Errorf("a %v blob of %d bytes comes back wrong", want.kind, len(want.data))
		case err != nil && all:
			t.Errorf("a %v blob of %d bytes: %v", want.kind, len(want.data), err)
		}
	}
}

// wantChecked makes sure that checks with the key report nothing as lost that
// is not, and that one that reads data misses nothing.
func (f *flipTest) wantChecked(t *testing.T, r *Repository, flipped map[string][]int, within bool) {
	t.Helper()
	for _, readData := range []bool{false, true} {
		c := check(t, r, readData)
		if within && c.Lost > 0 {
			t.Errorf("data %v: nothing is lost, but:", readData)
			c.dump(t)
		}
		inParity := func(name string) bool { return expected(name).kind == object.Parity } // whose cells a check with a key does not read
		for name := range flipped {
			twin := strings.TrimSuffix(name, copySuffix)
			if readData && !inParity(name) && !slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Object == name || p.Object == twin }) {
				t.Errorf("%s is damaged and not reported", name)
				c.dump(t)
			}
		}
	}
}

// wantRepaired repairs, with the key or without, and wants the original bytes
// of all but leases and fences, which nothing heals.
func (f *flipTest) wantRepaired(t *testing.T, r *Repository, d *mem.Backend, within, withKey bool) {
	t.Helper()
	var plan *RepairPlan
	var err error
	if withKey {
		plan, err = r.PlanRepair(t.Context(), testRepair())
	} else {
		plan, err = PlanRepairNoKey(t.Context(), d, RepairOptions{})
	}
	if err == nil {
		_, err = plan.Execute(t.Context(), func(a RepairAction, err error) {
			if err != nil {
				t.Errorf("%v %s: %v", a.Kind, a.Object, err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if !within {
		f.wantRead(t, r, false)
		return
	}
	want := f.b.Clone()
	for _, b := range []backend.Backend{want, d} {
		for _, name := range objects(t, b, dirLeases) {
			remove(t, b, name)
		}
	}
	if len(plan.Beyond) > 0 || !wantSame(t, want, d) {
		t.Errorf("with the key %v:\n%s", withKey, planText(plan))
	}
}
