package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"garret/index"
	"garret/store/backend"
	"garret/store/backend/faulty"
	"garret/store/backend/mem"
	"garret/store/object"
)

// A sound repository gives no false alarm at any level, is not changed, and can
// be checked where nothing can be written.
func TestCheckHealthy(t *testing.T) {
	b, r, _, parts := checkRepository(t)
	before := b.Clone()
	readOnly := faulty.New(b)
	readOnly.FailIf(func(c faulty.Call) bool { return c.Op&faulty.Changes != 0 }, faulty.Fault{Err: backend.ErrReadOnly})
	for name, on := range map[string]*Repository{"writable": r, "read-only": on(r, readOnly)} {
		for _, readData := range []bool{false, true} {
			c := check(t, on, readData)
			if len(c.problems) > 0 {
				t.Errorf("%s, data %v:", name, readData)
				c.dump(t)
			}
			if c.Snapshots != 2 || c.Segments != int64(len(objects(t, b, dirIndex))) || c.Packs != int64(len(objects(t, b, dirPacks))) {
				t.Errorf("%s, data %v: %+v", name, readData, c.CheckResult)
			}
			if rows := int64(16 + 2 + 2 + 4 + 4); c.Blobs < int64(len(parts))-4 || c.Blobs > rows+8 {
				t.Errorf("%s, data %v: %d blobs", name, readData, c.Blobs)
			}
		}
	}
	if c := checkNoKey(t, readOnly); len(c.problems) > 0 || c.Bytes != stored(t, b) || c.Objects != int64(len(objects(t, b, ""))) {
		t.Errorf("without a key: %+v", c.CheckResult)
		c.dump(t)
	}
	if !same(t, before, b) {
		t.Error("checking changed the repository")
	}
}

// ReadData reads every byte of every pack, and its progress ends where it said.
func TestCheckProgress(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	for _, readData := range []bool{false, true} {
		var p CheckProgress
		res, err := r.Check(t.Context(), CheckOptions{ReadData: readData, Walk: walkTest, Progress: &p})
		if err != nil {
			t.Fatal(err)
		}
		if p.Packs.Load() != p.TotalPacks.Load() || p.Bytes.Load() < stored(t, b) || p.Objects.Load() < p.TotalObjects.Load() {
			t.Errorf("data %v: %d of %d packs, %d of %d bytes, %d of %d objects", readData, p.Packs.Load(), p.TotalPacks.Load(),
				p.Bytes.Load(), p.TotalBytes.Load(), p.Objects.Load(), p.TotalObjects.Load())
		}
		if readData != (res.Bytes >= stored(t, b)) {
			t.Errorf("data %v: %d of %d bytes were read", readData, res.Bytes, stored(t, b))
		}
	}
}

// Each kind of object, deleted, cut short, or with one bit changed.
func TestCheckDamage(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	l, err := newLease(t.Context(), r, index.SessionID{1}, LeaseWriter)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release(t.Context())
	write(t, b, fenceName(index.SessionID{1}), object.Finish(object.AppendHeader(nil, object.Fence)))
	pack, tree := packsOf(t, b, index.Data)[0], packsOf(t, b, index.Tree)[0]
	key, snapshot := objects(t, b, dirKeys)[0], objects(t, b, dirHistory)[0]
	inFrame := map[string]int{pack: 2000, tree: 1180} // behind the header
	const (
		none       = iota // cannot be noticed, or as if it was never there
		note       = int(Note)
		repairable = int(Repairable)
		lost       = int(Lost)
		loss       = lost + 1 // and files are lost
	)
	for _, c := range []struct {
		object                  string
		deleted, short, flipped int // with a key, data read
		noKey                   int // short and flipped
	}{
		{"config/1", repairable, repairable, repairable, repairable},
		{"config/1.2", repairable, repairable, repairable, repairable},
		{key, repairable, repairable, repairable, repairable},
		{secondCopy(key), repairable, repairable, repairable, repairable},
		{snapshot, repairable, repairable, repairable, repairable},
		{secondCopy(snapshot), repairable, repairable, repairable, repairable},
		{objects(t, b, dirIndex)[0], none, repairable, repairable, lost},
		{leaseName(index.SessionID{1}, 1), none, note, note, note},
		{fenceName(index.SessionID{1}), none, note, note, note},
		{pack, loss, loss, loss, lost},
		{tree, loss, loss, loss, lost},
	} {
		for _, how := range []string{"deleted", "short", "flipped"} {
			t.Run(c.object+" "+how, func(t *testing.T) {
				d := b.Clone()
				data := read(t, d, c.object)
				want, wantNoKey := c.flipped, c.noKey
				switch how {
				case "deleted":
					remove(t, d, c.object)
					want, wantNoKey = c.deleted, none
					if want == repairable {
						wantNoKey = want // its twin says that it should be there
					}
				case "short":
					write(t, d, c.object, data[:len(data)-1-len(data)/3])
					want = c.short
				case "flipped":
					at := len(data) / 2
					if n, ok := inFrame[c.object]; ok {
						at = n
					}
					data[at] ^= 4
					write(t, d, c.object, data)
				}
				got := check(t, on(r, d), true)
				level := none
				for _, p := range got.problems {
					if p.Object == c.object || p.Object == dirKeys {
						level = max(level, int(p.Severity))
					}
				}
				if len(got.losses()) > 0 {
					level = loss
				}
				if level != want {
					t.Errorf("level %d, want %d", level, want)
					got.dump(t)
				}
				if want < lost && got.Lost > 0 {
					t.Error("what costs nothing is reported as a loss")
					got.dump(t)
				}
				noKey := checkNoKey(t, d)
				level = none
				for _, p := range noKey.problems {
					if p.Object == c.object || p.Object == dirKeys {
						level = max(level, int(p.Severity))
					}
				}
				if level != wantNoKey {
					t.Errorf("without a key: level %d, want %d", level, wantNoKey)
					noKey.dump(t)
				}
			})
		}
	}
}

// One flipped bit anywhere is found without a key, and where; with the key too.
// Where there is parity nothing is lost by it.
func TestCheckBitFlips(t *testing.T) {
	for name, make := range map[string]func(testing.TB) (*mem.Backend, *Repository, []*Snapshot, [][]byte){
		"bare": checkRepository, "parity": parityRepository,
	} {
		t.Run(name, func(t *testing.T) {
			b, r, _, _ := make(t)
			checkBitFlips(t, b, r, name == "parity")
		})
	}
}

func checkBitFlips(t *testing.T, b *mem.Backend, r *Repository, heals bool) {
	names := objects(t, b, "")
	rnd := rand.New(rand.NewPCG(6, 0))
	for i := range 120 {
		name := names[i%len(names)]
		d := b.Clone()
		data := read(t, d, name)
		at := rnd.IntN(len(data))
		data[at] ^= 1 << rnd.UintN(8)
		write(t, d, name, data)
		c := checkNoKey(t, d)
		if !slices.ContainsFunc(c.problems, func(p Problem) bool {
			return p.Object == name && (p.Length == 0 || (p.Offset <= uint64(at) && uint64(at) < p.Offset+p.Length && p.Length <= 4096))
		}) {
			t.Errorf("%s: a flip in byte %d of %d is not found", name, at, len(data))
			c.dump(t)
		}
		if heals && (len(c.problems) != 1 || c.worst() != Repairable) {
			t.Errorf("%s: a flip in byte %d of %d is not told as one that can be repaired", name, at, len(data))
			c.dump(t)
		}
		if i%10 > 0 {
			continue // with a key it takes longer
		}
		c = check(t, on(r, d), true)
		if !slices.ContainsFunc(c.problems, func(p Problem) bool { return p.Object == name }) {
			t.Errorf("%s: a flip in byte %d of %d is not found with the key", name, at, len(data))
			c.dump(t)
		}
		if heals && c.worst() != Repairable {
			t.Errorf("%s: a flip in byte %d of %d is not told as one that can be repaired, with the key", name, at, len(data))
			c.dump(t)
		}
	}
}

// What is lost is named by snapshot, path and range: adjacent ranges as one, a
// directory that snapshots share or that occurs twice in each of its places.
func TestCheckLosses(t *testing.T) {
	b, r, snaps, parts := checkRepository(t)
	damage := func(part int) {
		at := where(t, r, index.Data, parts[part])
		data := read(t, b, packName(at.Pack))
		data[at.Offset+at.Length/2] ^= 1
		write(t, b, packName(at.Pack), data)
	}
	const n = 40 << 10
	everywhere := func(file string, offset, length int) (lines []string) {
		for _, s := range snaps {
			for _, dir := range []string{"home/shared/", "home/copy\xff/"} {
				lines = append(lines, fmt.Sprintf("%s %s%s %d+%d", s.ID.Short(), dir, file, offset, length))
			}
		}
		return lines
	}
	damage(3)
	damage(4)
	damage(7)
	damage(13)
	damage(15)
	if c := check(t, r, false); len(c.problems) > 0 {
		t.Error("without reading data, damage in a frame of data is not to be seen:")
		c.dump(t)
	}
	c := check(t, r, true)
	want := slices.Concat(everywhere("long", 3*n, 2*n), everywhere("long", 7*n, n), everywhere("hole", n+1000, n),
		[]string{fmt.Sprintf("%s etc/two 0+%d", snaps[1].ID.Short(), n)})
	c.wantLosses(t, want...)
	if frames := c.about("frame"); len(frames) < 5 || slices.ContainsFunc(frames, func(p Problem) bool { return p.Severity != Lost || p.Length == 0 }) {
		t.Error("the damaged frames are not all reported")
		c.dump(t)
	}
	if len(c.about("blobs are lost")) != 4 {
		t.Error("the merged ranges do not say how many blobs are lost")
	}

	// A pack with it.
	at := where(t, r, index.Data, parts[0])
	for _, part := range []int{1, 2} {
		if where(t, r, index.Data, parts[part]).Pack != at.Pack {
			t.Fatal("the first parts should be in one pack")
		}
	}
	remove(t, b, packName(at.Pack))
	for _, readData := range []bool{false, true} {
		c = check(t, r, readData)
		for _, s := range snaps {
			if !slices.ContainsFunc(c.losses(), func(l string) bool { return strings.HasPrefix(l, s.ID.Short()+" home/shared/long 0+") }) {
				t.Errorf("data %v: snapshot %s: the loss is not reported", readData, s.ID.Short())
				c.dump(t)
			}
		}
		if len(c.about("this pack is missing")) != 1 {
			t.Error("the missing pack is not reported")
		}
	}
}

// A directory whose page is lost is reported in each place, and what lies
// beside it is not.
func TestCheckLostTree(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	s, err := r.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// A session that is cut off after its first pack leaves one page elsewhere.
	deep := testDir{"x": testDir{"y": [][]byte{[]byte("deep")}}}
	third := commitTree(t, s, "three", deep)
	s.Close(t.Context())
	for _, name := range packsOf(t, b, index.Tree) {
		if strings.HasPrefix(base(name), third.Session.String()) {
			remove(t, b, name)
		}
	}
	for _, readData := range []bool{false, true} {
		c := check(t, r, readData)
		c.wantLosses(t, third.ID.Short()+"  0+0")
		if p := c.about("snapshot " + third.ID.Short() + ": /: tree blob"); len(p) != 1 {
			t.Error("the loss of the root is not told as such")
			c.dump(t)
		}
	}
}

// A second copy heals: the first may be gone or damaged, and it costs nothing.
func TestCheckSecondCopy(t *testing.T) {
	b, r, _, parts := checkRepository(t)
	at := where(t, r, index.Data, parts[2])
	name := packName(at.Pack)
	sound := read(t, b, name)
	remove(t, b, name)
	// The blobs are in nobody's effective index now, so they are stored again.
	again := testDir{}
	for i, part := range parts[:16] {
		again[fmt.Sprint("part", i)] = [][]byte{part}
	}
	again["small"] = [][]byte{[]byte("a"), []byte("b"), []byte("of one"), []byte("of two")}
	snapshotOf(t, r, "again", again)
	for what, damage := range map[string]func([]byte) []byte{
		"missing": nil,
		"short":   func(d []byte) []byte { return d[:len(d)/2] },
		"flipped": func(d []byte) []byte { d[at.Offset] ^= 1; return d },
	} {
		if damage != nil {
			write(t, b, name, damage(slices.Clone(sound)))
		}
		for _, readData := range []bool{false, true} {
			c := check(t, r, readData)
			c.wantLosses(t)
			if c.Problems() > 0 || (c.Notes != 1 && (what != "flipped" || readData)) {
				t.Errorf("%s, data %v: one note is wanted", what, readData)
				c.dump(t)
			}
		}
		if damage != nil {
			remove(t, b, name)
		}
	}
}

// Problems are told in one line and in one JSON object, whatever the path.
func TestProblem(t *testing.T) {
	id := SnapshotID{0xab, 0xcd, 0xef, 0x01, 0x23}
	err := errors.New("lost")
	for _, c := range []struct {
		p          Problem
		line, json string
	}{
		{Problem{Object: "config/1", Severity: Repairable, Err: err}, "config/1: lost",
			`{"object":"config/1","severity":"repairable","error":"lost"}`},
		{Problem{Object: "packs/00/11", Offset: 0, Length: 10, Err: err}, "packs/00/11: bytes 0-9: lost",
			`{"object":"packs/00/11","offset":0,"length":10,"severity":"lost","error":"lost"}`},
		{Problem{Snapshot: id, Path: []byte{}, Err: err}, "snapshot abcdef01: /: lost",
			`{"snapshot":"abcdef01230000000000000000000000","path":"","severity":"lost","error":"lost"}`},
		{Problem{Snapshot: id, Path: []byte("a\n\xff"), Offset: 5, Length: 1, Err: err}, `snapshot abcdef01: "/a\n\xff": bytes 5-5: lost`,
			`{"snapshot":"abcdef01230000000000000000000000","path":"a\n` + "\ufffd" + `","path_base64":"YQr/","offset":5,"length":1,"severity":"lost","error":"lost"}`},
	} {
		if got := c.p.String(); got != c.line {
			t.Errorf("%s, want %s", got, c.line)
		}
		got, err := json.Marshal(c.p)
		if err != nil || string(got) != c.json {
			t.Errorf("%s, %v, want %s", got, err, c.json)
		}
	}
}
