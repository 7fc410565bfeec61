package store

import (
	"testing"
)

// What is wrong with the two copies of an object is told once, and it is only
// lost when both are. A snapshot is there, with all its files, as long as one
// of its copies is.
func TestCheckCopies(t *testing.T) {
	b, r, snaps, _ := checkRepository(t)
	broken := func(d []byte) []byte { d[len(d)/2] ^= 1; return d }
	otherwise := func(d []byte) []byte { return d[:len(d)/2] }
	for _, name := range []string{"config/1", objects(t, b, dirKeys)[0], snapshotName(snaps[0].ID)} {
		for _, c := range []struct {
			what          string
			first, second func([]byte) []byte // nil: missing
			problems      int                 // about this object
			severity      Severity
		}{
			{"both damaged alike", broken, broken, 1, Lost},
			{"both damaged", broken, otherwise, 1, Lost},
			{"one damaged, one missing", broken, nil, 1, Lost},
			{"one missing, one damaged", nil, otherwise, 1, Lost},
			{"one damaged", broken, func(d []byte) []byte { return d }, 1, Repairable},
			{"one missing", nil, func(d []byte) []byte { return d }, 1, Repairable},
			{"both missing", nil, nil, 0, Note},
		} {
			t.Run(base(name)+" "+c.what, func(t *testing.T) {
				d := b.Clone()
				for copy, change := range map[string]func([]byte) []byte{name: c.first, secondCopy(name): c.second} {
					data := read(t, d, copy)
					remove(t, d, copy)
					if change != nil {
						write(t, d, copy, change(data))
					}
				}
				for level, got := range map[string]checked{"with a key": check(t, on(r, d), false), "without": checkNoKey(t, d)} {
					n, worst := 0, Note
					for _, p := range got.problems {
						if p.Object == name || p.Object == secondCopy(name) {
							n++
							worst = max(worst, p.Severity)
						}
					}
					if n != c.problems || worst != c.severity {
						t.Errorf("%s: %d problems, the worst is %v; want %d, %v", level, n, worst, c.problems, c.severity)
						got.dump(t)
					}
					snapshots := int64(len(snaps))
					if name == snapshotName(snaps[0].ID) && (c.severity == Lost || c.problems == 0) {
						snapshots--
					}
					if got.Snapshots != snapshots {
						t.Errorf("%s: %d snapshots, want %d", level, got.Snapshots, snapshots)
					}
				}
			})
		}
	}
}

// The second copy of a snapshot is not missed while its session is alive to put
// it; a superseded config is missed by nobody.
func TestCheckCopiesToCome(t *testing.T) {
	b, r, snaps, _ := checkRepository(t)
	remove(t, b, secondCopy(snapshotName(snaps[0].ID)))
	l, err := newLease(t.Context(), r, snaps[0].Session, LeaseWriter)
	if err != nil {
		t.Fatal(err)
	}
	for level, c := range map[string]checked{"with a key": check(t, r, false), "without": checkNoKey(t, b)} {
		if len(c.problems) > 0 {
			t.Errorf("%s: its session is alive:", level)
			c.dump(t)
		}
	}
	if err := l.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := check(t, r, false); len(c.problems) != 1 || c.Repairable != 1 {
		t.Error("its session has ended:")
		c.dump(t)
	}

	newer := r.config
	newer.Number = 2
	data, err := newer.encode(&r.keys.Put)
	if err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"both", "first", "second", "none"} {
		d := b.Clone()
		if err := putConfig(t.Context(), d, 2, data); err != nil {
			t.Fatal(err)
		}
		for _, second := range []bool{false, true} {
			if old == "none" || (old == "first") == second && old != "both" {
				write(t, d, configName(1, second), []byte("broken"))
			}
		}
		c := checkNoKey(t, d)
		if got := c.about("config/"); len(got) != map[string]int{"both": 0, "first": 1, "second": 1, "none": 1}[old] || c.Lost > 0 {
			t.Errorf("of an old config %s is sound:", old)
			c.dump(t)
		}
	}
}
