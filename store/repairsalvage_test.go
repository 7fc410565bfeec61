package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"garret/index"
	"garret/store/backend"
)

// partsIn returns the parts whose frames touch the bytes from from on of a pack.
func partsIn(t testing.TB, r *Repository, parts [][]byte, name string, from int) (hit []int) {
	t.Helper()
	rd, err := r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	for i, part := range parts {
		rd.set.Lookup(r.keys.Hasher(false).Sum(part), func(at index.Location) bool {
			if packName(at.Pack) == name && int(at.Offset+at.Length) > from {
				hit = append(hit, i)
			}
			return true
		})
	}
	return hit
}

// lossesOf says which ranges of which files are lost with some of the parts, as
// "path offset+length".
func lossesOf(host string, parts, own int, lost []int) (lines []string) {
	add := func(path string, first int, gaps []uint64, numbers ...int) {
		at, from, to := uint64(0), uint64(0), uint64(0)
		flush := func() {
			if to > from {
				lines = append(lines, fmt.Sprintf("%s %d+%d", path, from, to-from))
			}
		}
		for i, n := range numbers {
			if i < len(gaps) {
				at += gaps[i]
			}
			if slices.Contains(lost, n) {
				if to != at || to == from {
					flush()
					from = at
				}
				to = at + 40<<10
			}
			at += 40 << 10
		}
		flush()
	}
	var long []int
	for i := range 12 {
		long = append(long, i)
	}
	for _, dir := range []string{"home/shared", "home/copy\xff"} {
		add(dir+"/long", 0, nil, long...)
		add(dir+"/hole", 12, []uint64{0, 1000}, 12, 13)
	}
	add("etc/"+host, own, nil, own)
	slices.Sort(lines)
	return lines
}

// Half of a pack is zeros: what is readable of it is saved, what is not is
// named file by file, the pack is kept in quarantine, and the next snapshot of
// the unchanged source brings all of it back to the old ones too.
func TestRepairBeyondParity(t *testing.T) {
	b, r, parts := repairRepository(t)
	for _, what := range []string{"half", "header", "no directory", "all", "deleted"} {
		for i, name := range packsOf(t, b, index.Data) {
			size, _ := b.Size(t.Context(), name)
			if size < 200<<10 { // as much parity as data
				continue
			}
			t.Run(fmt.Sprint(what, " ", i), func(t *testing.T) {
				d := b.Clone()
				data := bytes.Clone(read(t, d, name))
				lost := partsIn(t, r, parts, name, 0)
				switch what {
				case "half":
					clear(data[len(data)/2:])
					lost = partsIn(t, r, parts, name, len(data)/2)
				case "header":
					clear(data[:len(data)/2])
					lost = nil
					for _, n := range partsIn(t, r, parts, name, 0) {
						if at := where(t, r, index.Data, parts[n]); int(at.Offset) < len(data)/2 {
							lost = append(lost, n)
						}
					}
				case "no directory":
					data = data[:len(data)/3]
					lost = partsIn(t, r, parts, name, len(data))
				case "all":
					rnd := rand.New(rand.NewPCG(1, 1))
					for i := range data {
						data[i] = byte(rnd.Uint32())
					}
				}
				if write(t, d, name, data); what == "deleted" {
					remove(t, d, name)
				}
				mine := on(r, d)
				plan, res := repair(t, mine, testRepair())
				if got := lostParts(t, mine, parts); !slices.Equal(got, lost) {
					t.Errorf("parts %v are lost, want %v\n%s", got, lost, planText(plan))
				}
				if what != "deleted" && !bytes.Equal(read(t, d, quarantineName(name)), data) {
					t.Error("quarantine does not have it")
				}
				if _, err := d.Size(t.Context(), name); !missing(err) {
					t.Error("it was left where it is")
				}
				wantStatement(t, mine, res, lost)

				// Again, and again: the same, and no new statement.
				before := d.Clone()
				if _, res2 := repair(t, mine, testRepair()); res2.Statement != res.Statement || res2.Lost != res.Lost {
					t.Errorf("then %+v, after %+v", res2, res)
				}
				wantSame(t, before, d)

				for i, host := range []string{"one", "two"} {
					snapshotOf(t, mine, host, treeOf(host, parts, 14+i))
				}
				if got := lostParts(t, mine, parts); len(got) > 0 {
					t.Errorf("after another snapshot, parts %v are lost", got)
				}
				plan, res = repair(t, mine, testRepair())
				if len(plan.Actions) > 0 || res.Lost > 0 {
					t.Errorf("after another snapshot: %+v\n%s", res, planText(plan))
				}
				wantSound(t, mine)
			})
		}
	}
}

// wantStatement compares what a repair says is lost, now and in what it has
// stored, with what is lost in truth.
func wantStatement(t *testing.T, r *Repository, res *RepairResult, lost []int) {
	t.Helper()
	snaps, _, err := r.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, s := range snaps[:2] {
		for _, line := range lossesOf(s.Host, 20, 14+i, lost) {
			want = append(want, s.ID.Short()+" "+line)
		}
	}
	slices.Sort(want)
	report, name, err := r.LossReport(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(want) == 0 {
		if res.Lost > 0 || report != nil {
			t.Errorf("nothing is lost, but: %+v", res)
		}
		return
	}
	if report == nil || name != res.Statement || report.Lost != res.Lost {
		t.Fatalf("the statement is %q, %+v; want %+v", name, report, res)
	}
	for _, losses := range [][]Loss{res.Losses, report.Losses} {
		var got []string
		for _, l := range losses {
			if l.Path != nil {
				got = append(got, fmt.Sprintf("%s %s %d+%d", l.Snapshot.Short(), l.Path, l.Offset, l.Length))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("lost:\n  %q\nwant:\n  %q", got, want)
		}
	}
}

// A blob that only a frame with others' damage holds is saved all the same, and
// a pack of which no key was wrong but its checksums is given up whole: nothing
// readable is lost.
func TestSalvageOfWrongChecksums(t *testing.T) {
	b, r, parts := repairRepository(t)
	for _, name := range objects(t, b, dirPacks) {
		id, _ := index.ParsePackID(base(name))
		remove(t, b, parityName(id))
		data := bytes.Clone(read(t, b, name))
		data[len(data)-20] ^= 1 // of the trailer
		write(t, b, name, data)
	}
	_, res := repair(t, r, testRepair())
	if lost := lostParts(t, r, parts); len(lost) > 0 || res.Lost > 0 {
		t.Errorf("parts %v are lost: %+v", lost, res)
	}
	wantSound(t, r)
}

// Somebody without a key puts one pack's frame in the place of another's and
// makes all checksums right. Its parity says that it was otherwise, and undoes
// it; without parity the frame is lost, which reading the data finds, and
// nothing else. Without a key nobody can tell whether pack or parity is right.
func TestRepairReplacedFrame(t *testing.T) {
	b, r, parts := repairRepository(t)
	forge := func(d backend.Backend) (forged index.PackID) {
		to, from := where(t, r, index.Data, parts[0]), where(t, r, index.Data, parts[15])
		if to.Pack == from.Pack || to.Length != from.Length {
			t.Fatal("the test needs frames of one length in two packs")
		}
		data := bytes.Clone(read(t, d, packName(to.Pack)))
		copy(data[to.Offset:to.Offset+to.Length], read(t, d, packName(from.Pack))[from.Offset:])
		rightCRCs(t, data)
		write(t, d, packName(to.Pack), data)
		return to.Pack
	}

	d := b.Clone()
	id := forge(d)
	before := d.Clone()
	if plan := repairNoKey(t, d, RepairOptions{}); len(plan.Actions) > 0 || len(plan.Left) != 1 {
		t.Errorf("without a key:\n%s", planText(plan))
	}
	wantSame(t, before, d)
	if plan, _ := repair(t, on(r, d), testRepair()); !wantSame(t, b, d) {
		t.Log(planText(plan))
	}

	d = b.Clone()
	forge(d)
	remove(t, d, parityName(id))
	o := testRepair()
	o.ReadData = true
	if _, res := repair(t, on(r, d), o); res.Lost == 0 {
		t.Error("nothing is lost")
	}
	if lost := lostParts(t, on(r, d), parts); !slices.Equal(lost, []int{0}) {
		t.Errorf("parts %v are lost", lost)
	}
}
