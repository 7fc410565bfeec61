package store

import (
	"bytes"
	"testing"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/mem"
)

// A mirror gives back whatever neither parity nor a copy does: packs, an index,
// snapshots that are damaged here, the last key slot; but not what was removed
// here on purpose.
func TestRepairFromMirror(t *testing.T) {
	b, r, parts := repairRepository(t)
	segments := objects(t, b, dirIndex)
	largest := packsOf(t, b, index.Data)[0]
	for _, name := range packsOf(t, b, index.Data) {
		if len(read(t, b, name)) > len(read(t, b, largest)) {
			largest = name
		}
	}
	snapshot := objects(t, b, dirHistory)[0]
	id, _ := index.ParsePackID(base(largest))
	all := func(d *mem.Backend, names ...string) {
		for _, name := range names {
			if _, err := d.Size(t.Context(), name); err == nil {
				remove(t, d, name)
			}
		}
	}
	for what, damage := range map[string]func(d, mirror *mem.Backend){
		"a pack": func(d, _ *mem.Backend) { all(d, largest) },
		"a pack, its parity, and the index": func(d, _ *mem.Backend) {
			all(d, append(segments, largest, parityName(id))...)
			for _, s := range segments {
				sid, _ := parseSegmentID(base(s))
				all(d, parityName(sid))
			}
		},
		"both copies of a snapshot": func(d, _ *mem.Backend) {
			for _, name := range []string{snapshot, secondCopy(snapshot)} {
				write(t, d, name, read(t, d, name)[:100])
			}
		},
		"a pack that is damaged there, too": func(d, m *mem.Backend) {
			data := bytes.Clone(read(t, d, largest))
			half := len(data) / 8192 * 4096
			clear(data[:half])
			write(t, d, largest, data)
			data = bytes.Clone(read(t, m, largest))
			clear(data[half:])
			write(t, m, largest, data)
		},
		"so without parity": func(d, m *mem.Backend) {
			data := bytes.Clone(read(t, d, largest))
			clear(data[:len(data)/8192*4096])
			write(t, d, largest, data)
			data = bytes.Clone(read(t, m, largest))
			clear(data[len(data)/8192*4096 : len(data)-4096])
			write(t, m, largest, data)
			all(m, parityName(id))
			write(t, d, parityName(id), []byte("rubbish"))
		},
	} {
		t.Run(what, func(t *testing.T) {
			d, m := b.Clone(), b.Clone()
			damage(d, m)
			before := m.Clone()
			o := testRepair()
			o.From = m
			plan, res := repair(t, on(r, d), o)
			if res.Lost > 0 || len(plan.Beyond) > 0 {
				t.Errorf("%+v\n%s", res, planText(plan))
			}
			if lost := lostParts(t, on(r, d), parts); len(lost) > 0 {
				t.Errorf("parts %v are lost\n%s", lost, planText(plan))
			}
			wantSound(t, on(r, d))
			wantSame(t, before, m)
			if what != "a pack, its parity, and the index" {
				wantSame(t, b, d)
			}
		})
	}

	t.Run("removed on purpose", func(t *testing.T) {
		d := b.Clone()
		sid, _, _ := parseSnapshotName(snapshot)
		if err := on(r, d).RemoveSnapshot(t.Context(), sid); err != nil {
			t.Fatal(err)
		}
		o := testRepair()
		o.From = b
		if plan, _ := repair(t, on(r, d), o); len(plan.Actions) > 0 {
			t.Errorf("plan:\n%s", planText(plan))
		}
	})
	t.Run("without a key", func(t *testing.T) {
		d := b.Clone()
		for _, name := range append(objects(t, d, dirConfig), objects(t, d, dirKeys)...) {
			write(t, d, name, nil)
		}
		for _, name := range objects(t, d, dirPacks) {
			write(t, d, name, read(t, d, name)[:30])
		}
		o := RepairOptions{From: b}
		if _, err := PlanRepairNoKey(t.Context(), d, o); err == nil {
			t.Error("nothing here tells which repository it is")
		}
		slot := objects(t, b, dirKeys)[0]
		write(t, d, slot, read(t, b, slot))
		repairNoKey(t, d, o)
		wantSame(t, b, d)
	})
	t.Run("all slots", func(t *testing.T) {
		d := b.Clone()
		all(d, objects(t, d, dirKeys)...)
		repairNoKey(t, d, RepairOptions{From: b})
		wantSame(t, b, d)
	})
}

// What is no copy of this repository is refused.
func TestRepairFromAnother(t *testing.T) {
	b, r, _ := repairRepository(t)
	other, _, _ := repairRepository(t)
	for name, from := range map[string]backend.Backend{"another": other, "nothing": mem.New(), "itself": b} {
		o := testRepair()
		o.From = from
		if _, err := r.PlanRepair(t.Context(), o); err == nil {
			t.Errorf("%s was taken for a mirror", name)
		}
		if _, err := PlanRepairNoKey(t.Context(), b, RepairOptions{From: from}); err == nil {
			t.Errorf("%s was taken for a mirror without a key", name)
		}
	}
}
