package mount

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"garret/fs/tree"
)

func TestNodeIDs(t *testing.T) {
	for _, number := range []uint32{1, 2, 1 << 20, maxSnapshot} {
		for _, position := range []uint64{0, 1, 12345, maxPosition} {
			id := treeNode(number, position)
			if n, p := splitTree(id); n != number || p != position || id>>62 != 0 {
				t.Errorf("%d, %d → %#x → %d, %d", number, position, id, n, p)
			}
		}
	}
	for _, k := range []kind{kindFixed, kindLatest, kindHost, kindHostLatest, kindHostLink, kindIDLink} {
		for _, argument := range []uint32{0, 1, math.MaxUint32} {
			id := topNode(k, argument)
			gotKind, gotArgument := splitTop(id)
			if number, _ := splitTree(id); gotKind != k || gotArgument != argument || number != 0 {
				t.Errorf("%d, %d → %#x → %d, %d", k, argument, id, gotKind, gotArgument)
			}
		}
	}
}

// Groups that differ in anything have inodes that differ, also from those of
// all other entries.
func TestGroupInodes(t *testing.T) {
	seen := map[uint64]bool{}
	for _, number := range []uint32{1, 2, maxSnapshot} {
		for _, device := range []uint32{0, 1, math.MaxUint32} {
			for inode := range uint64(3000) {
				for _, high := range []uint64{0, 1 << 32, 1 << 63} {
					ino := groupInode(number, tree.HardLink{Device: device, Inode: inode | high})
					if ino>>62 != 1 || seen[ino] {
						t.Fatalf("%d, %d, %d: inode %#x", number, device, inode|high, ino)
					}
					seen[ino] = true
				}
			}
		}
	}
}

func TestKernelDevice(t *testing.T) {
	for _, test := range []struct{ major, minor, want uint32 }{
		{1, 3, 0x103}, {8, 0, 0x800}, {259, 300, 300&0xff | 259<<8 | 1<<20}, {4095, 1048575, math.MaxUint32},
	} {
		if got := kernelDevice(unix.Mkdev(test.major, test.minor)); got != test.want {
			t.Errorf("%d:%d is %#x, want %#x", test.major, test.minor, got, test.want)
		}
	}
}

func TestSnapshotNames(t *testing.T) {
	long := strings.Repeat("ü", 50)
	for _, test := range []struct {
		s    Snapshot
		want string
	}{
		{dated("1a2b3c4d", 0), "2026-11-22T13-00-00Z_host_label_1a2b3c4d"},
		{Snapshot{ID: "0123456789abcdef", Host: "h", Time: time.Date(2026, 1, 2, 1, 0, 0, 0, time.FixedZone("", 3600))}, "2026-01-02T00-00-00Z_h_01234567"},
		{Snapshot{ID: "0123456789", Host: "a/b", Label: "x\x00\n\xff", Partial: true}, "0001-01-01T00-00-00Z_a-b_x---_01234567.partial"},
		{Snapshot{ID: "..", Host: "", Label: "."}, "0001-01-01T00-00-00Z______"},
		{Snapshot{ID: "01234567", Host: long, Label: long}, "0001-01-01T00-00-00Z_" + long[:64] + "_" + long[:64] + "_01234567"},
	} {
		got, _ := snapshotName(&test.s, func(string) bool { return false })
		if got != test.want || strings.ContainsAny(got, "/\x00") || len(got) > 255 {
			t.Errorf("%+v is called %q, want %q", test.s, got, test.want)
		}
	}
}

func manySnapshots(n int) []Snapshot {
	random := rand.New(rand.NewPCG(1, 2))
	list := make([]Snapshot, n)
	for i := range list {
		list[i] = Snapshot{ID: fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()), Host: fmt.Sprint("host", i%17), Time: time.Unix(int64(i), 0)}
	}
	return list
}

// Numbers and names do not depend on which newer snapshots there are, nor on
// the order of the list, nor on what came and went while mounted.
func TestNumbersStay(t *testing.T) {
	list := manySnapshots(20000)
	whole, err := newCatalog(nil, list, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.byNumber) != len(list) || len(whole.byName) != len(list) || len(whole.byShort) != len(list) {
		t.Fatalf("%d numbers, %d names for %d snapshots", len(whole.byNumber), len(whole.byName), len(list))
	}
	older := slices.Clone(list[:10000])
	slices.Reverse(older)
	part, err := newCatalog(nil, older, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	grown, err := newCatalog(part, list[5000:], part.changed) // the clock has stood still
	if err != nil {
		t.Fatal(err)
	}
	compare := func(a, b *catalog) {
		t.Helper()
		both := 0
		for _, s := range a.snapshots {
			other := b.byID[s.ID]
			if other == nil {
				continue
			}
			both++
			if other.number != s.number || other.name != s.name || other.generation != s.generation {
				t.Errorf("%s is %d %s, then %d %s", s.ID, s.number, s.name, other.number, other.name)
			}
		}
		if both < 5000 {
			t.Errorf("%d snapshots in both", both)
		}
	}
	compare(part, whole)
	compare(part, grown)
	if !grown.changed.After(part.changed) {
		t.Error("the listing changed, its time did not")
	}
	if again, _ := newCatalog(grown, list[5000:], time.Now()); again != grown {
		t.Error("the same list makes another catalog")
	}
}

func TestNumbersCollide(t *testing.T) {
	a, _, err := snapshotNumber("x", func(uint32) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := snapshotNumber("x", func(n uint32) bool { return n == a })
	if err != nil || b == a || b == 0 {
		t.Errorf("%d taken, then %d, %v", a, b, err)
	}
	if _, _, err := snapshotNumber("x", func(n uint32) bool { return true }); err == nil {
		t.Error("a number although all are taken")
	}
	twins := []Snapshot{{ID: "01234567aa", Time: time.Unix(1, 0)}, {ID: "01234567bb", Time: time.Unix(2, 0)}, {ID: "01234567aa", Time: time.Unix(1, 0)}}
	c, err := newCatalog(nil, twins, time.Now())
	if err != nil || len(c.snapshots) != 2 || c.byShort["01234567"].ID != "01234567aa" || c.byShort["01234567bb"] == nil {
		t.Errorf("%v, %v", c.byShort, err)
	}
}

// The number of a snapshot that is gone is given to no other, for who still holds
// one of its files would be shown another's; and when it is back it has it again.
func TestNumbersAreNotReused(t *testing.T) {
	free := func(uint32) bool { return false }
	first := map[uint32]string{} // the ID of a snapshot with this number
	var x, y Snapshot
	for i := 0; y.ID == ""; i++ {
		id := fmt.Sprintf("%064x", i)
		n, _, err := snapshotNumber(id, free)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := first[n]; ok {
			x, y = Snapshot{ID: other}, Snapshot{ID: id}
		}
		first[n] = id
	}
	var c *catalog
	number := func(of Snapshot, list ...Snapshot) uint32 {
		t.Helper()
		var err error
		if c, err = newCatalog(c, list, time.Now()); err != nil {
			t.Fatal(err)
		}
		return c.byID[of.ID].number
	}
	before := number(x, x)
	between := number(y, y)
	if between == before {
		t.Errorf("%s has the number of %s", y.ID, x.ID)
	}
	if again := number(x, x, y); again != before || c.byID[y.ID].number != between {
		t.Errorf("%d, then %d; the other had %d and has %d", before, again, between, c.byID[y.ID].number)
	}
}

// A listing in pieces has every entry once, whatever the sizes of the pieces
// and whatever comes and goes between them.
func TestListingInPieces(t *testing.T) {
	list := manySnapshots(500)
	first, _ := newCatalog(nil, list[:400], time.Now())
	second, _ := newCatalog(first, list[100:], time.Now())
	dirs := []uint64{nodeRoot, nodeSnapshots, nodeHosts, nodeIDs, topNode(kindHost, first.hosts[3].number)}
	for _, dir := range dirs {
		whole := func(c *catalog) map[string]uint64 {
			m := map[string]uint64{}
			c.children(dir, 0, func(_ uint64, name string, id uint64) bool { m[name] = id; return true })
			return m
		}
		before, after := whole(first), whole(second)
		for _, size := range []int{1, 2, 7, 1000} {
			seen := map[string]int{}
			c, offset := first, uint64(0)
			for done := false; !done; {
				count := 0
				done = true
				c.children(dir, offset, func(next uint64, name string, id uint64) bool {
					if count++; count > size {
						done = false
						return false
					}
					if next <= offset {
						t.Fatalf("offset %d after %d", next, offset)
					}
					offset = next
					seen[name]++
					if found, ok := c.child(dir, name); !ok || found != id {
						t.Fatalf("%s is listed as %#x and found as %#x", name, id, found)
					}
					if c.parent(id) != dir && dir != nodeSnapshots {
						t.Fatalf("%s is not in its parent", name)
					}
					return true
				})
				c = second // from the second piece on
			}
			for name, id := range after {
				if before[name] == id && seen[name] != 1 {
					t.Fatalf("directory %#x in pieces of %d: %s is listed %d times", dir, size, name, seen[name])
				}
			}
		}
	}
}

func TestFamilies(t *testing.T) {
	for _, test := range []struct {
		names []string
		asked string
		want  bool
	}{
		{nil, "user.x", true},
		{[]string{}, "user.x", false},
		{[]string{"user"}, "user.x", true},
		{[]string{"user"}, "user.x.y", true},
		{[]string{"user"}, "username.x", false},
		{[]string{"user.x"}, "user.x", true},
		{[]string{"user.x"}, "user.y", false},
		{[]string{"security.capability"}, "security.selinux", false},
	} {
		if got := newFamilies(test.names).mayHold(test.asked); got != test.want {
			t.Errorf("%q may hold %s: %v", test.names, test.asked, got)
		}
	}
	known, unknown := &listed{Snapshot: Snapshot{XattrFamilies: []string{"user"}}}, &listed{}
	none := &listed{Snapshot: Snapshot{XattrFamilies: []string{}}}
	if u := unionOf([]*listed{known, none}); !u.mayHold("user.x") || u.mayHold("trusted.x") || u.none() {
		t.Errorf("union: %v", u)
	}
	if u := unionOf([]*listed{known, unknown}); !u.mayHold("trusted.x") {
		t.Errorf("union with what is not known: %v", u)
	}
}

func TestParseMount(t *testing.T) {
	line := `36 35 0:57 / /mnt/a\040b\134c\012 rw,noatime master:1 - fuse.garret some\040thing ro,user_id=0`
	if m, ok := parseMount(line); !ok || m != (mountPoint{36, "0:57", "/mnt/a b\\c\n", "fuse.garret"}) || !m.ours() {
		t.Errorf("%+v, %v", m, ok)
	}
	for _, line := range []string{"", "36", "36 35 0:57 / /mnt rw", "x 35 0:57 / /mnt rw - fuse.garret a b"} {
		if m, ok := parseMount(line); ok {
			t.Errorf("%q: %+v", line, m)
		}
	}
}

// A request that was interrupted goes on for a while, then its context ends; a
// request that has ended takes its context with it.
func TestRequestContext(t *testing.T) {
	c := &connection{waiting: map[uint64]*request{}}
	r := &request{unique: 8, conn: c}
	if c.interrupt(8) {
		t.Error("one that does not wait is interrupted")
	}
	done := r.Done()
	if c.interrupt(6) || !c.interrupt(8) || !c.interrupt(8) {
		t.Error("the wrong request is interrupted")
	}
	time.Sleep(interruptGrace / 4)
	if r.Err() != nil {
		t.Error("ended at once")
	}
	select {
	case <-done:
	case <-time.After(10 * interruptGrace):
		t.Fatal("never ended")
	}
	if r.Err() != context.Canceled {
		t.Errorf("%v", r.Err())
	}
	r.end()
	if c.interrupt(8) {
		t.Error("one that has been answered is interrupted")
	}

	for _, asked := range []bool{false, true} {
		r := &request{}
		if asked {
			r.Done()
		}
		if r.Err() != nil {
			t.Error("ended too early")
		}
		r.end()
		select {
		case <-r.Done():
		case <-time.After(time.Second):
			t.Error("goes on after its end")
		}
		if r.Err() == nil {
			t.Error("no error after its end")
		}
	}
}
