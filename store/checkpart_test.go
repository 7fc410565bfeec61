package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"garret/index"
)

// checkWith is check with options.
func checkWith(t testing.TB, r *Repository, o CheckOptions) checked {
	t.Helper()
	var c checked
	o.Report = func(p Problem) { c.problems = append(c.problems, p) }
	if o.Walk == nil {
		o.Walk = walkTest
	}
	var err error
	if c.CheckResult, err = r.Check(t.Context(), o); err != nil {
		t.Fatalf("check: %v", err)
	}
	c.consistent(t)
	return c
}

// says reports whether some sentence of what was and was not verified fits.
func (c checked) says(text string) bool {
	return strings.Contains(strings.Join(append(c.Verified, c.NotVerified...), "\n"), text)
}

// Every pack belongs to one of the parts, whatever packs there are, and a
// damaged frame is found by that part and by no other.
func TestCheckParts(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	name := largest(t, b, index.Data)
	data := read(t, b, name)
	data[len(data)/2] ^= 1
	write(t, b, name, data)
	whole := checkWith(t, r, CheckOptions{ReadData: true})
	const parts = 3
	found, bytes, blobs := 0, int64(0), int64(0)
	for n := 1; n <= parts; n++ {
		c := checkWith(t, r, CheckOptions{ReadData: true, Part: Part{Number: n, Of: parts}})
		if len(c.losses()) > 0 {
			found++
		}
		bytes += c.DataBytes
		blobs += c.DataBlobs
		if !c.says(fmt.Sprintf("Part %d of %d of the data", n, parts)) || !c.says("The content of files in the other parts.") {
			t.Errorf("part %d says %q, %q", n, c.Verified, c.NotVerified)
		}
	}
	if found != 1 || bytes != whole.DataBytes || blobs != whole.DataBlobs {
		t.Errorf("%d of %d parts have found it; %d of %d bytes, %d of %d blobs were read", found, parts, bytes, whole.DataBytes, blobs, whole.DataBlobs)
	}
	for range 1000 {
		id := newPackID(newSessionID())
		n := 0
		for i := 1; i <= 7; i++ {
			if (Part{Number: i, Of: 7}).has(id) {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("pack %v is in %d of 7 parts", id, n)
		}
	}
}

// A sample chooses its share, each place is as likely as any other, and a small
// repository is not passed over.
func TestSampler(t *testing.T) {
	const questions, rounds = 40, 4000
	for _, share := range []float64{0.05, 0.3, 0.7} {
		var chosen [questions]int
		total := 0
		for range rounds {
			s := newSampler(share, questions)
			for i := range chosen {
				if s.take() {
					chosen[i]++
					total++
				}
			}
		}
		want := share * rounds
		for i, n := range chosen {
			if float64(n) < 0.6*want || float64(n) > 1.4*want {
				t.Errorf("%g: place %d was chosen %d times in %d, about %g is right", share, i, n, rounds, want)
			}
		}
		if mean := float64(total) / rounds / questions; mean < 0.95*share || mean > 1.05*share {
			t.Errorf("%g: the share is %g", share, mean)
		}
	}
	for range 100 {
		s, n := newSampler(0.05, 3), 0
		for range 3 {
			if s.take() {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("of three places, %d are chosen", n)
		}
	}
}

// A sample says how much it read, and finds damage as often as it should.
func TestCheckSample(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	name := largest(t, b, index.Data)
	data := read(t, b, name)
	data[len(data)/2] ^= 1
	write(t, b, name, data)
	found, unseen := 0, 0
	for range 60 {
		c := checkWith(t, r, CheckOptions{ReadData: true, Part: Part{Share: 0.3}})
		if c.DataBytes == 0 || c.DataBytes >= c.DataTotal || c.DataTotal == 0 {
			t.Fatalf("%d of %d bytes were read", c.DataBytes, c.DataTotal)
		}
		if !c.says(fmt.Sprintf("A random sample of %d bytes of the %d bytes stored was read", c.DataBytes, c.DataTotal)) || !c.says("outside of the sample") {
			t.Fatalf("it says %q, %q", c.Verified, c.NotVerified)
		}
		if len(c.losses()) > 0 {
			found++
		} else {
			unseen++
		}
	}
	if found == 0 || unseen == 0 {
		t.Errorf("a sample of 30 %% has found the damage %d times, and not %d times", found, unseen)
	}
}

// A check that is limited in time begins no pack after it, and the next one goes
// on with what was verified longest ago, until all was; without the state it
// begins anew.
func TestCheckLimit(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	packs := int64(len(objects(t, b, dirPacks)))
	limited := CheckOptions{ReadData: true, Part: Part{Limit: 1}}
	c := checkWith(t, r, limited)
	if c.DataBytes != 0 || c.Covered != 0 || c.Packs != packs || !c.says("the time was up") {
		t.Errorf("no time at all: %+v", c.CheckResult)
	}
	c = checkWith(t, r, CheckOptions{ReadData: true, Part: Part{Limit: time.Hour}})
	if c.Covered != 1 || c.Oldest == nil || !c.says("100 % of the data was verified, the oldest part on ") || c.says("the time was up") {
		t.Errorf("an hour is enough: %q, %q", c.Verified, c.NotVerified)
	}
	// What was verified stays known.
	c = checkWith(t, r, limited)
	if c.DataBytes != 0 || c.Covered != 1 {
		t.Errorf("after that: %+v", c.CheckResult)
	}
	// The order: new ones first, then the oldest.
	last := newVerified(r.cache, "read-data")
	var ids [][16]byte
	for id := range last.last {
		ids = append(ids, id)
		last.last[id] = time.Unix(int64(1000+len(ids)), 0)
	}
	delete(last.last, ids[2])
	order := slices.Clone(ids)
	oldestFirst(last, order, func(id [16]byte) [16]byte { return id })
	if want := append([][16]byte{ids[2], ids[0], ids[1]}, ids[3:]...); !slices.Equal(order, want) {
		t.Errorf("the order is %x, want %x", order, want)
	}

	dir := filepath.Join(os.Getenv("XDG_CACHE_HOME"), "garret")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	c = checkWith(t, r, limited)
	if c.Covered != 0 || len(c.problems) > 0 {
		t.Errorf("without its state: %+v", c.CheckResult)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c = checkWith(t, r, CheckOptions{ReadData: true, Part: Part{Limit: time.Hour}})
	if !c.says("will not be known to the next") || len(c.problems) > 0 {
		t.Errorf("where nothing can be kept: %q, %q", c.Verified, c.NotVerified)
	}
}

// A damaged pack does not count as verified.
func TestCheckLimitDamaged(t *testing.T) {
	b, r, _, _ := parityRepository(t)
	name := largest(t, b, index.Data)
	data := read(t, b, name)
	data[len(data)/2] ^= 1
	write(t, b, name, data)
	c := checkWith(t, r, CheckOptions{ReadData: true, Part: Part{Limit: time.Hour}})
	if c.Covered == 1 || c.Repairable != 1 {
		t.Errorf("%+v", c.CheckResult)
		c.dump(t)
	}
	if _, ok := newVerified(r.cache, "read-data").last[index.PackID(mustID(t, name))]; ok {
		t.Error("the damaged pack is noted as verified")
	}
	for range 2 {
		n, err := CheckNoKey(t.Context(), b, CheckOptions{Part: Part{Limit: time.Hour}})
		if err != nil || n.Covered == 0 || n.Covered == 1 || n.Repairable != 1 {
			t.Errorf("without a key: %+v, %v", n, err)
		}
	}
	n, err := CheckNoKey(t.Context(), b, CheckOptions{Part: Part{Limit: 1}})
	if err != nil || n.Packs != 0 || n.Covered == 0 || n.Problems() != 0 {
		t.Errorf("without a key or time: %+v, %v", n, err)
	}
}

func mustID(t testing.TB, name string) (id [16]byte) {
	t.Helper()
	if err := parseID(id[:], base(name)); err != nil {
		t.Fatal(err)
	}
	return id
}

// Limited to a snapshot, a check looks at what that needs and at nothing else.
func TestCheckOnly(t *testing.T) {
	b, r, snaps, parts := checkRepository(t)
	one, two := where(t, r, index.Data, parts[14]), where(t, r, index.Data, parts[15])
	if one.Pack == two.Pack {
		t.Fatal("the hosts' own parts should be in different packs")
	}
	for _, readData := range []bool{false, true} {
		o := CheckOptions{ReadData: readData, Only: snaps[0].ID}
		c := checkWith(t, r, o)
		if len(c.problems) > 0 || c.Snapshots != 1 || !c.says("What other snapshots need.") {
			t.Errorf("sound: %+v", c.CheckResult)
			c.dump(t)
		}
		if all := checkWith(t, r, CheckOptions{ReadData: readData}); c.Bytes >= all.Bytes || c.Packs >= all.Packs {
			t.Errorf("%d bytes and %d packs were looked at, and %d and %d for everything", c.Bytes, c.Packs, all.Bytes, all.Packs)
		}
	}
	damage := func(at index.Location) {
		data := read(t, b, packName(at.Pack))
		data[at.Offset+at.Length/2] ^= 1
		write(t, b, packName(at.Pack), data)
	}
	damage(two)
	if c := checkWith(t, r, CheckOptions{ReadData: true, Only: snaps[0].ID}); len(c.problems) > 0 {
		t.Error("what only the other snapshot needs is damaged:")
		c.dump(t)
	}
	c := checkWith(t, r, CheckOptions{ReadData: true, Only: snaps[1].ID})
	c.wantLosses(t, fmt.Sprintf("%s etc/two 0+%d", snaps[1].ID.Short(), 40<<10))

	remove(t, b, packName(two.Pack))
	if c := checkWith(t, r, CheckOptions{Only: snaps[0].ID}); len(c.problems) > 0 {
		t.Error("a pack that only the other snapshot needs is missing:")
		c.dump(t)
	}
	if c := checkWith(t, r, CheckOptions{Only: snaps[1].ID}); len(c.losses()) == 0 || len(c.about("this pack is missing")) != 1 {
		t.Error("a pack that is needed is missing:")
		c.dump(t)
	}
}
