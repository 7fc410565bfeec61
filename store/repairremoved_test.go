package store

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"garret/store/backend"
	"garret/store/object"
)

// beforeChange calls a function before a change of the storage.
type beforeChange struct {
	backend.Backend
	do func(op, name string)
}

func (b *beforeChange) Put(ctx context.Context, name string, data []byte) error {
	b.do("put", name)
	return b.Backend.Put(ctx, name, data)
}

func (b *beforeChange) Delete(ctx context.Context, name string) error {
	b.do("delete", name)
	return b.Backend.Delete(ctx, name)
}

// A snapshot that is removed while a repair makes one of its copies anew stays
// removed, whichever copy that is, and wherever the two meet.
func TestRepairDoesNotBringBackARemovedSnapshot(t *testing.T) {
	b, r, _ := smallRepairRepository(t)
	first := objects(t, b, dirHistory)[0]
	id, _, _ := parseSnapshotName(first)
	for _, wounded := range []string{first, secondCopy(first)} {
		for _, gone := range []bool{false, true} {
			prepared := b.Clone()
			if gone {
				remove(t, prepared, wounded)
			} else {
				write(t, prepared, wounded, bytes.Clone(read(t, prepared, wounded))[:100])
			}
			name := wounded[len(first):] + map[bool]string{true: " missing", false: " damaged"}[gone]

			// The removal happens just before the repair puts the copy.
			d := prepared.Clone()
			removed := false
			x := &beforeChange{Backend: d, do: func(op, n string) {
				if op == "put" && n == wounded && !removed {
					removed = true
					if err := on(r, d).RemoveSnapshot(t.Context(), id); err != nil {
						t.Error(err)
					}
				}
			}}
			plan, err := on(r, x).PlanRepair(t.Context(), testRepair())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := plan.Execute(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if !removed || slices.ContainsFunc(objects(t, d, dirHistory), func(n string) bool { return strings.HasPrefix(n, first) }) {
				t.Errorf("%s: removed while it was repaired (%v), and back: %v", name, removed, objects(t, d, dirHistory))
			}

			// The repair happens within the removal.
			for _, at := range []string{secondCopy(first), first} {
				d := prepared.Clone()
				plan, err := on(r, d).PlanRepair(t.Context(), testRepair())
				if err != nil {
					t.Fatal(err)
				}
				repaired := false
				x := &beforeChange{Backend: d, do: func(op, n string) {
					if op == "delete" && n == at && !repaired {
						repaired = true
						if _, err := plan.Execute(t.Context(), nil); err != nil {
							t.Error(err)
						}
					}
				}}
				if err := on(r, x).RemoveSnapshot(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				if !repaired || slices.ContainsFunc(objects(t, d, dirHistory), func(n string) bool { return strings.HasPrefix(n, first) }) {
					t.Errorf("%s: repaired while it was removed (%v), and back: %v", name, repaired, objects(t, d, dirHistory))
				}
			}
		}
	}
}

// Of two whole key slots with one name only the passphrase tells which is right:
// neither replaces the other.
func TestRepairKeepsBothOfTwoKeySlots(t *testing.T) {
	b, r, _ := smallRepairRepository(t)
	first := objects(t, b, dirKeys)[0]
	forged := bytes.Clone(read(t, b, first))
	forged[len(forged)-30] ^= 1 // of what the passphrase seals
	slot := object.Finish(forged[object.HeaderSize : len(forged)-2*object.CRCSize])
	forged = object.Finish(append(forged[:object.HeaderSize:object.HeaderSize], slot...))
	for _, name := range []string{first, secondCopy(first)} {
		for _, key := range []bool{true, false} {
			d := b.Clone()
			write(t, d, name, forged)
			before := d.Clone()
			var plan *RepairPlan
			if key {
				plan, _ = repair(t, on(r, d), testRepair())
			} else {
				plan = repairNoKey(t, d, RepairOptions{})
			}
			wantSame(t, before, d)
			if len(plan.Left) != 1 || plan.Left[0].Object != secondCopy(first) {
				t.Errorf("nobody is told:\n%s", planText(plan))
			}
		}
	}
}

// Packs that are away for a while, on a disk that is not mounted, still have
// their parity when they come back, unless somebody knows that nothing needs
// them.
func TestRepairKeepsParityOfWhatMayComeBack(t *testing.T) {
	b, r, _ := repairRepository(t)
	for _, folders := range [][]string{{dirPacks}, {dirPacks, dirIndex}} {
		for _, key := range []bool{true, false} {
			d := b.Clone()
			for _, folder := range folders {
				for _, name := range objects(t, d, folder) {
					remove(t, d, name)
				}
			}
			if key {
				repair(t, on(r, d), testRepair())
			} else {
				repairNoKey(t, d, RepairOptions{})
			}
			for _, name := range objects(t, b, dirParity) {
				if !slices.Contains(objects(t, d, dirParity), name) {
					t.Errorf("without %v, with a key %v: %s was removed", folders, key, name)
				}
			}
		}
	}
}
