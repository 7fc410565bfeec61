package store

import (
	"fmt"
	"slices"
	"testing"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
	"garret/store/codec"
	"garret/store/pack"
)

// parityRepository is checkRepository with parity.
func parityRepository(t testing.TB) (b *mem.Backend, r *Repository, snaps []*Snapshot, parts [][]byte) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	b = mem.New()
	_, err := Init(t.Context(), b, InitOptions{
		Suite: keys.SuiteAES256GCM, Chunker: map[string]int{"min": 1}, Compression: codec.Default, Parity: DefaultParity,
		Passphrase: testPass, KDF: cheapKDF, PackSize: minPackSize * 4, FrameSize: 32 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	r = openTestRepository(t, b)
	for i := range 20 {
		parts = append(parts, noise(uint64(i), 40<<10))
	}
	for i, host := range []string{"one", "two"} {
		snaps = append(snaps, snapshotOf(t, r, host, treeOf(host, parts, 14+i)))
	}
	return b, r, snaps, parts
}

// worst returns the worst severity, 0 if there is no problem.
func (c checked) worst() (s Severity) {
	for _, p := range c.problems {
		s = max(s, p.Severity)
	}
	return s
}

// largest returns the largest pack of a kind.
func largest(t testing.TB, b backend.Backend, kind index.Kind) string {
	t.Helper()
	return slices.MaxFunc(packsOf(t, b, kind), func(x, y string) int { return len(read(t, b, x)) - len(read(t, b, y)) })
}

// parityOfName returns the name of an object's parity.
func parityOfName(t testing.TB, name string) string {
	t.Helper()
	id, err := index.ParsePackID(base(name))
	if err != nil {
		t.Fatal(err)
	}
	return parityName(id)
}

// What parity heals is repairable and loses nothing, at each level that can see
// it and without a key; what it cannot heal is lost, by file.
func TestCheckHeals(t *testing.T) {
	b, r, _, _ := parityRepository(t)
	for level, c := range map[string]checked{"default": check(t, r, false), "data": check(t, r, true), "no key": checkNoKey(t, b)} {
		if len(c.problems) > 0 {
			t.Errorf("%s: a sound repository:", level)
			c.dump(t)
		}
	}
	data, tree, segment := largest(t, b, index.Data), largest(t, b, index.Tree), objects(t, b, dirIndex)[0]
	const cell = pack.CellSize
	flip := func(at ...int) func([]byte) []byte {
		return func(d []byte) []byte {
			for _, i := range at {
				d[(i+len(d))%len(d)] ^= 4
			}
			return d
		}
	}
	zero := func(from, to int) func([]byte) []byte {
		return func(d []byte) []byte { clear(d[from:min(to, len(d))]); return d }
	}
	everywhere := Repairable
	for _, c := range []struct {
		what             string
		object           string
		change           func([]byte) []byte // nil: deleted
		key, data, noKey Severity            // the worst that each level reports
	}{
		{"a bit in a frame", data, flip(5 * cell), 0, everywhere, everywhere},
		{"bits in four frames", data, flip(5*cell, 15*cell, 30*cell, 60*cell), 0, everywhere, everywhere},
		{"a bit in the header", data, flip(20), everywhere, everywhere, everywhere},
		{"a bit in the directory", data, flip(-400), everywhere, everywhere, everywhere},
		{"a bit in the trailer", data, flip(-1), everywhere, everywhere, everywhere},
		{"the first 64 KiB", data, zero(0, 16*cell), everywhere, everywhere, everywhere},
		{"cut short by 64 KiB", data, func(d []byte) []byte { return d[:len(d)-16*cell] }, everywhere, everywhere, everywhere},
		{"without its beginning", data, func(d []byte) []byte { return d[10*cell:] }, everywhere, everywhere, everywhere},
		{"one byte more", data, func(d []byte) []byte { return append(d, 0) }, everywhere, everywhere, everywhere},
		{"empty", tree, func([]byte) []byte { return nil }, everywhere, everywhere, everywhere},
		{"a bit of a tree", tree, flip(1300), everywhere, everywhere, everywhere},
		{"all of a tree's pack", tree, zero(0, 1<<20), everywhere, everywhere, everywhere},
		{"a tree's pack gone", tree, nil, everywhere, everywhere, everywhere},
		{"a segment's bit", segment, flip(100), everywhere, everywhere, everywhere},
		{"a segment cut short", segment, func(d []byte) []byte { return d[:50] }, everywhere, everywhere, everywhere},
		{"a segment gone", segment, nil, everywhere, everywhere, everywhere},
		{"a pack's parity gone", parityOfName(t, data), nil, everywhere, everywhere, everywhere},
		{"a segment's parity gone", parityOfName(t, segment), nil, everywhere, everywhere, everywhere},
		{"a parity's head", parityOfName(t, data), flip(30), everywhere, everywhere, everywhere},
		{"a parity's bit", parityOfName(t, data), flip(3 * cell), 0, everywhere, everywhere},
		{"a parity cut short", parityOfName(t, data), func(d []byte) []byte { return d[:len(d)-1] }, everywhere, everywhere, everywhere},
		{"another's parity", parityOfName(t, data), func([]byte) []byte { return read(t, b, parityOfName(t, tree)) }, everywhere, everywhere, everywhere},

		{"half a pack", data, zero(0, 40*cell), Lost, Lost, Lost},
		{"a large pack gone", data, nil, Lost, Lost, Lost}, // its parity says that it was there
	} {
		t.Run(c.what, func(t *testing.T) {
			d := b.Clone()
			was := read(t, d, c.object)
			remove(t, d, c.object)
			if c.change != nil {
				write(t, d, c.object, c.change(slices.Clone(was)))
			}
			before := d.Clone()
			for level, want := range map[string]Severity{"default": c.key, "data": c.data, "no key": c.noKey} {
				var got checked
				if level == "no key" {
					got = checkNoKey(t, d)
				} else {
					got = check(t, on(r, d), level == "data")
				}
				if got.worst() != want {
					t.Errorf("%s: the worst is %v, want %v", level, got.worst(), want)
					got.dump(t)
				}
				if want != Lost && len(got.losses()) > 0 || want == Lost && level != "no key" && len(got.losses()) == 0 {
					t.Errorf("%s: losses:", level)
					got.dump(t)
				}
				if want > 0 && !slices.ContainsFunc(got.problems, func(p Problem) bool { return p.Object == c.object || p.Object == parityOfName(t, c.object) }) {
					t.Errorf("%s: %s is not named", level, c.object)
					got.dump(t)
				}
				if !same(t, before, d) {
					t.Fatal("checking has changed something")
				}
			}
		})
	}
}

// The ranges that parity puts right are told, cell by cell, and once.
func TestCheckHealedRanges(t *testing.T) {
	b, r, _, _ := parityRepository(t)
	name := largest(t, b, index.Data)
	d := read(t, b, name)
	var want []string
	for _, at := range []int{3, 4, 5, 20, 41} {
		d[at*pack.CellSize+7] ^= 1
	}
	for _, w := range [][2]int{{3, 3}, {20, 1}, {41, 1}} {
		want = append(want, fmt.Sprintf("%d+%d", w[0]*pack.CellSize, w[1]*pack.CellSize))
	}
	write(t, b, name, d)
	for level, c := range map[string]checked{"data": check(t, r, true), "no key": checkNoKey(t, b)} {
		var got []string
		for _, p := range c.problems {
			got = append(got, fmt.Sprintf("%d+%d", p.Offset, p.Length))
		}
		if !slices.Equal(got, want) || c.Repairable != len(want) {
			t.Errorf("%s: %q, want %q", level, got, want)
			c.dump(t)
		}
	}
}

// Damage that parity heals does not hide damage that it does not.
func TestCheckHealedAndLost(t *testing.T) {
	b, r, snaps, _ := parityRepository(t)
	_ = snaps
	packs := packsOf(t, b, index.Data)
	slices.SortFunc(packs, func(x, y string) int { return len(read(t, b, y)) - len(read(t, b, x)) })
	lost, healed := packs[0], packs[1]
	for _, name := range []string{lost, healed} {
		d := read(t, b, name)
		d[2000] ^= 1
		write(t, b, name, d)
	}
	remove(t, b, parityOfName(t, lost))
	c := check(t, r, true)
	if p := c.about(healed); len(p) != 1 || p[0].Severity != Repairable {
		t.Error("the pack that is healed:")
		c.dump(t)
	}
	if p := c.about(lost + ": bytes"); len(p) != 1 || p[0].Severity != Lost || len(c.losses()) == 0 {
		t.Error("the pack that has no parity:")
		c.dump(t)
	}
}

// A frame that was written wrongly is not healed by its parity, which is of the
// same bytes.
func TestCheckHealsNothing(t *testing.T) {
	b, r, _, parts := parityRepository(t)
	to, from := where(t, r, index.Data, parts[0]), where(t, r, index.Data, parts[15])
	d := read(t, b, packName(to.Pack))
	copy(d[to.Offset:to.Offset+to.Length], read(t, b, packName(from.Pack))[from.Offset:])
	rightCRCs(t, d)
	e := parityEncoder{percent: 5}
	if _, err := e.put(t.Context(), b, 'p', packName(to.Pack), to.Pack, d); err != nil {
		t.Fatal(err)
	}
	if c := check(t, r, true); c.worst() != Lost || len(c.losses()) != 4 || len(c.about("although its CRC32C does")) != 1 {
		t.Error("a frame in the place of another:")
		c.dump(t)
	}
}

// A bad sector is healed like any other damage.
func TestCheckHealsBadSector(t *testing.T) {
	b, r, _, _ := parityRepository(t)
	name := largest(t, b, index.Data)
	const sector = 9 * pack.CellSize
	bad := faulty.New(b)
	bad.FailIf(func(c faulty.Call) bool {
		return c.Op == faulty.ReadAt && c.Name == name && c.Off <= sector && sector < c.Off+int64(c.Bytes)
	}, faulty.Fault{Err: fmt.Errorf("input/output error")})
	for level, c := range map[string]checked{"data": check(t, on(r, bad), true), "no key": checkNoKey(t, bad)} {
		if len(c.problems) != 1 || c.problems[0].Offset != sector || c.problems[0].Length != pack.CellSize || c.Repairable != 1 {
			t.Errorf("%s: one sector cannot be read:", level)
			c.dump(t)
		}
	}
}

// Nothing that is only moved, forgotten or stored meanwhile gives an alarm,
// with parity either.
func TestCheckParityWhileItChanges(t *testing.T) {
	b, r, snaps, parts := parityRepository(t)
	moved := b.Clone()
	for _, folder := range []string{dirPacks, dirIndex, dirParity} {
		for _, name := range objects(t, moved, folder) {
			remove(t, moved, name)
		}
	}
	for i, s := range snaps {
		copied := snapshotOf(t, on(r, moved), "collector", treeOf(s.Host, parts, 14+i))
		forget(t, moved, copied.ID)
	}
	added := b.Clone()
	snapshotOf(t, on(r, added), "new", testDir{"new": [][]byte{noise(77, 50<<10), parts[0]}})
	for name, after := range map[string]*mem.Backend{"collected": moved, "new snapshot": added} {
		for readData, step := range map[bool]int{false: 5, true: 13} {
			t.Run(name, func(t *testing.T) {
				duringCheck(t, b, r, readData, step, difference(t, b, after))
			})
		}
	}
}

// Parity that is not the config's is fine; without any, none is missed.
func TestCheckParityPercent(t *testing.T) {
	b, r, _, _ := parityRepository(t)
	for _, percent := range []int{0, 1, 50} {
		c := r.config
		c.Number, c.Parity = 2+percent, percent
		data, err := c.encode(&r.keys.Put)
		if err != nil {
			t.Fatal(err)
		}
		if err := putConfig(t.Context(), b, c.Number, data); err != nil {
			t.Fatal(err)
		}
		d := b.Clone()
		if percent == 0 {
			remove(t, d, objects(t, d, dirParity)[0])
		}
		for level, got := range map[string]checked{"data": check(t, openTestRepository(t, d), true), "no key": checkNoKey(t, d)} {
			if len(got.problems) > 0 {
				t.Errorf("%s, %d %%:", level, percent)
				got.dump(t)
			}
		}
	}
}
