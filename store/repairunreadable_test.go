package store

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"garret/index"
	"garret/store/backend/faulty"
)

// A disk that was away for a moment gives nothing of what it holds: that is no
// damage, and what it holds must not be replaced by zeros and removed.
func TestRepairKeepsWhatCannotBeReadNow(t *testing.T) {
	b, r, parts := repairRepository(t)
	away := errors.New("input/output error")
	for _, folder := range []string{dirPacks, dirIndex, dirParity, dirHistory, dirKeys, dirConfig, ""} {
		d := b.Clone()
		f := faulty.New(d)
		mine := on(r, f)
		f.Add(func(c faulty.Call) faulty.Fault {
			if c.Op == faulty.ReadAt && strings.HasPrefix(c.Name, folder) && !strings.HasPrefix(c.Name, dirLeases) {
				return faulty.Fault{Err: away}
			}
			return faulty.Fault{}
		})
		plan, err := mine.PlanRepair(t.Context(), testRepair())
		if err == nil {
			_, err = plan.Execute(t.Context(), nil)
		}
		t.Logf("%q: %v", folder, err)
		for _, name := range objects(t, b, "") {
			if !slices.Contains(objects(t, d, ""), name) {
				t.Errorf("%q could not be read, and %s was removed", folder, name)
			}
		}
		again := openTestRepository(t, d)
		if lost := lostParts(t, again, parts); len(lost) > 0 {
			t.Errorf("%q could not be read, and parts %v are lost by the repair", folder, lost)
		}
		repair(t, again, testRepair())
		wantSound(t, again)
	}
}

// Nor is it without a key.
func TestRepairNoKeyKeepsWhatCannotBeReadNow(t *testing.T) {
	b, _, _ := repairRepository(t)
	away := errors.New("input/output error")
	d := b.Clone()
	f := faulty.New(d)
	f.Add(func(c faulty.Call) faulty.Fault {
		if c.Op == faulty.ReadAt {
			return faulty.Fault{Err: away}
		}
		return faulty.Fault{}
	})
	if plan, err := PlanRepairNoKey(t.Context(), f, RepairOptions{}); err == nil {
		_, _ = plan.Execute(t.Context(), nil)
	}
	wantSame(t, b, d)
}

// What only one pack cannot give is given later.
func TestRepairUnreadablePackComesBack(t *testing.T) {
	b, r, parts := repairRepository(t)
	name := packsOf(t, b, index.Data)[0]
	d := b.Clone()
	f := faulty.New(d)
	f.Add(func(c faulty.Call) faulty.Fault {
		if c.Op == faulty.ReadAt && c.Name == name {
			return faulty.Fault{Err: errors.New("input/output error")}
		}
		return faulty.Fault{}
	})
	plan, err := on(r, f).PlanRepair(t.Context(), testRepair())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Execute(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if lost := lostParts(t, on(r, d), parts); len(lost) > 0 {
		t.Errorf("parts %v are lost:\n%s", lost, planText(plan))
	}
	wantSound(t, on(r, d))
}

// A pack that somebody has made huge is healed in memory for a pack.
func TestHealHugePack(t *testing.T) {
	b, _, _ := repairRepository(t)
	name := packsOf(t, b, index.Data)[0]
	whole := read(t, b, name)
	id, _ := parsePackName(name)
	for _, before := range []bool{false, true} {
		for _, grown := range []int{1, len(whole), len(whole) + 1, 5*len(whole) + 7} {
			d := b.Clone()
			data := append(append([]byte{}, whole...), make([]byte, grown)...)
			if before {
				data = append(make([]byte, grown), whole...)
			}
			write(t, d, name, data)
			f := faulty.New(d)
			largest := 0
			f.Add(func(c faulty.Call) faulty.Fault {
				if c.Name == name {
					largest = max(largest, c.Bytes)
				}
				return faulty.Fault{}
			})
			healed, err := healedPack(t.Context(), f, id)
			if err != nil || !slices.Equal(healed, whole) {
				t.Errorf("%d bytes more, before it %v: %v", grown, before, err)
			}
			if largest > 2*len(whole) {
				t.Errorf("%d bytes more: %d are read at once", grown, largest)
			}
		}
	}
}
