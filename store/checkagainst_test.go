package store

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/mem"
)

func checkCopy(t testing.TB, r *Repository, b, other backend.Backend) checked {
	t.Helper()
	var c checked
	o := CheckOptions{Report: func(p Problem) { c.problems = append(c.problems, p) }, Progress: new(CheckProgress)}
	var err error
	if r == nil {
		c.CheckResult, err = CheckAgainst(t.Context(), b, other, o)
	} else {
		c.CheckResult, err = on(r, b).CheckAgainst(t.Context(), other, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.consistent(t)
	return c
}

// A copy that is like the repository is found to be, and neither is changed.
// What is damaged or missing on one side is told, and on which side it is
// intact.
func TestCheckAgainst(t *testing.T) {
	b, r, snaps, _ := parityRepository(t)
	pack, tree, segment := largest(t, b, index.Data), largest(t, b, index.Tree), objects(t, b, dirIndex)[0]
	if c := checkCopy(t, r, b, b.Clone()); len(c.problems) > 0 || c.Objects != 2*int64(len(objects(t, b, ""))) || c.Bytes != 2*stored(t, b) {
		t.Errorf("a true copy: %+v", c.CheckResult)
		c.dump(t)
	}
	for _, name := range []string{"config/1", "config/1.2", objects(t, b, dirKeys)[0], snapshotName(snaps[0].ID), segment, pack, tree, parityOfName(t, pack), parityOfName(t, segment)} {
		for what, change := range map[string]func([]byte) []byte{
			"missing": nil,
			"flipped": func(d []byte) []byte { d[len(d)/2] ^= 1; return d },
			"short":   func(d []byte) []byte { return d[:len(d)/2] },
		} {
			for _, here := range []bool{true, false} {
				for _, key := range []*Repository{nil, r} {
					if here != (key == nil) && what != "missing" {
						continue // half of all combinations is enough
					}
					bad, good := b.Clone(), b.Clone()
					data := read(t, bad, name)
					remove(t, bad, name)
					if change != nil {
						write(t, bad, name, change(data))
					}
					before := bad.Clone()
					c := checkCopy(t, key, bad, good)
					want := "intact in " + good.Location()
					if !here {
						c = checkCopy(t, key, good, bad)
						want = "intact here"
					}
					if len(c.problems) != 1 || c.problems[0].Object != name || c.problems[0].Severity != Repairable || !strings.Contains(c.problems[0].String(), want) {
						t.Errorf("%s is %s, here %v, with a key %v:", name, what, here, key != nil)
						c.dump(t)
					}
					if !same(t, before, bad) || !same(t, b, good) {
						t.Fatal("the comparison has changed something")
					}
				}
			}
		}
	}
}

// What is damaged on both sides is lost, unless parity or the other copy helps.
func TestCheckAgainstBoth(t *testing.T) {
	b, r, snaps, _ := parityRepository(t)
	pack := largest(t, b, index.Data)
	flip := func(b backend.Backend, names ...string) {
		for _, name := range names {
			data := read(t, b, name)
			for i := 0; i < len(data); i += 3000 {
				data[i] ^= 1
			}
			write(t, b, name, data)
		}
	}
	gone := b.Clone()
	remove(t, gone, pack)
	spoiled := b.Clone()
	flip(spoiled, pack)
	for _, key := range []*Repository{nil, r} {
		for want, c := range map[string]checked{
			"it is missing here, and in ": checkCopy(t, key, gone, spoiled),
			"it is missing in ":           checkCopy(t, key, spoiled, gone),
		} {
			if len(c.about(pack+": ")) != 1 || len(c.about(want)) != 1 || c.Lost != 1 || len(c.problems) != 1 {
				t.Errorf("a pack that is missing on one side and damaged on the other: %q is wanted", want)
				c.dump(t)
			}
		}
	}
	snapshot := snapshotName(snaps[1].ID)
	for _, c := range []struct {
		here, there []string
		want        Severity
	}{
		{[]string{pack}, []string{pack}, Lost},
		{[]string{snapshot}, []string{snapshot}, Repairable},
		{[]string{snapshot, secondCopy(snapshot)}, []string{snapshot}, Repairable},
		{[]string{snapshot, secondCopy(snapshot)}, []string{snapshot, secondCopy(snapshot)}, Lost},
		{[]string{pack}, []string{snapshot}, Repairable},
	} {
		x, y := b.Clone(), b.Clone()
		flip(x, c.here...)
		flip(y, c.there...)
		for _, key := range []*Repository{nil, r} {
			if got := checkCopy(t, key, x, y); got.worst() != c.want {
				t.Errorf("damaged here %q, there %q: the worst is %v, want %v", c.here, c.there, got.worst(), c.want)
				got.dump(t)
			}
		}
	}
}

// A copy that is older lacks what came since, and has what was removed: that is
// no damage. A missing pack that its index lists is, where there is a key.
func TestCheckAgainstOlder(t *testing.T) {
	b, r, snaps, _ := checkRepository(t) // without parity nothing else tells
	old := b.Clone()
	forget(t, b, snaps[0].ID)
	snapshotOf(t, r, "new", testDir{"f": [][]byte{[]byte("new")}})
	for _, key := range []*Repository{nil, r} {
		c := checkCopy(t, key, b, old)
		var folders []string
		for _, p := range c.problems {
			folders = append(folders, p.Object)
		}
		slices.Sort(folders)
		if want := []string{dirHistory, dirHistory, dirIndex, dirPacks}; !slices.Equal(folders, want) || c.worst() != Note {
			t.Errorf("notes about %q, want %q", folders, want)
			c.dump(t)
		}
	}
	name := largest(t, b, index.Data)
	remove(t, b, name)
	if c := checkCopy(t, r, b, old); len(c.about(name+": it is missing here and intact in ")) != 1 || c.Repairable != 1 {
		t.Error("with a key a pack is missed:")
		c.dump(t)
	}
	if c := checkCopy(t, nil, b, old); c.worst() != Note || len(c.about("packs: "+old.Location()+" has 1 object in it")) != 1 {
		t.Error("without a key it is one of those that may have been removed:")
		c.dump(t)
	}
}

// One of two sound objects of a name is not what it says; and what is no copy
// is refused.
func TestCheckAgainstOther(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	forged := b.Clone()
	name := largest(t, b, index.Data)
	data := read(t, forged, name)
	data[5000] ^= 1
	rightCRCs(t, data)
	write(t, forged, name, data)
	if c := checkCopy(t, r, b, forged); c.Lost != 1 || len(c.about("not the same")) != 1 {
		t.Error("a pack that was replaced:")
		c.dump(t)
	}
	other := mem.New()
	newTestRepository(t, other)
	for what, c := range map[string]struct {
		b    backend.Backend
		want error
	}{"another repository": {other, ErrOtherRepository}, "nothing": {mem.New(), ErrNoRepository}} {
		_, err := CheckAgainst(t.Context(), b, c.b, CheckOptions{})
		_, keyErr := r.CheckAgainst(t.Context(), c.b, CheckOptions{})
		if !errors.Is(err, c.want) || !errors.Is(keyErr, c.want) {
			t.Errorf("%s: %v, with a key %v", what, err, keyErr)
		}
	}
	if _, err := CheckAgainst(t.Context(), b, b, CheckOptions{}); err == nil {
		t.Error("the repository itself is taken for a copy")
	}
}
