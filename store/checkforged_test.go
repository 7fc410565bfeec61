package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"garret/index"
	"garret/keys"
	"garret/store/backend"
	"garret/store/backend/mem"
	"garret/store/codec"
	"garret/store/object"
	"garret/store/pack"
)

// rightCRCs makes a pack's checksums fit what it holds.
func rightCRCs(t *testing.T, data []byte) {
	t.Helper()
	body := int(binary.LittleEndian.Uint64(data[len(data)-32:]))
	table := data[body : len(data)-32]
	for i := 0; i < body; i += pack.CellSize {
		binary.LittleEndian.PutUint32(table[i/pack.CellSize*4:], crc32.Checksum(data[i:min(i+pack.CellSize, body)], object.Castagnoli))
	}
	binary.LittleEndian.PutUint32(data[len(data)-16:], crc32.Checksum(data[body:len(data)-16], object.Castagnoli))
}

// Somebody without a key puts one pack's frame in the place of another's and
// makes all checksums right: only reading the data finds it.
func TestCheckReplacedFrame(t *testing.T) {
	b, r, _, parts := checkRepository(t)
	to, from := where(t, r, index.Data, parts[0]), where(t, r, index.Data, parts[15])
	if to.Pack == from.Pack || to.Length != from.Length {
		t.Fatal("the test needs frames of one length in two packs")
	}
	data := read(t, b, packName(to.Pack))
	copy(data[to.Offset:to.Offset+to.Length], read(t, b, packName(from.Pack))[from.Offset:])
	rightCRCs(t, data)
	write(t, b, packName(to.Pack), data)
	for name, c := range map[string]checked{"no key": checkNoKey(t, b), "default": check(t, r, false)} {
		if len(c.problems) > 0 {
			t.Errorf("%s: it cannot be noticed:", name)
			c.dump(t)
		}
	}
	c := check(t, r, true)
	if p := c.about("although its CRC32C does"); len(p) != 1 || p[0].Offset != uint64(to.Offset) || p[0].Severity != Lost {
		t.Error("the frame is not reported")
		c.dump(t)
	}
	if len(c.losses()) != 4 {
		t.Error("the file is not reported in its four places")
		c.dump(t)
	}
}

// A CRC32C that is wrong where all else is right is found too: without it the
// check that needs no key would be no use.
func TestCheckWrongCRC(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	name := packsOf(t, b, index.Data)[0]
	data := read(t, b, name)
	body := int(binary.LittleEndian.Uint64(data[len(data)-32:]))
	data[body+4*5] ^= 1
	binary.LittleEndian.PutUint32(data[len(data)-16:], crc32.Checksum(data[body:len(data)-16], object.Castagnoli))
	write(t, b, name, data)
	for level, c := range map[string]checked{"no key": checkNoKey(t, b), "data": check(t, r, true)} {
		if len(c.problems) != 1 || c.problems[0].Offset != 5*pack.CellSize || c.problems[0].Length != pack.CellSize {
			t.Errorf("%s: the cell is not reported alone:", level)
			c.dump(t)
		}
	}
}

// A blob that is not what its ID says, in a frame that is well sealed: only
// somebody with a key, or a bug, writes such a thing.
func TestCheckWrongID(t *testing.T) {
	b, r, _, parts := checkRepository(t)
	session, err := r.keys.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	in := index.Session{ID: newSessionID(), Epoch: session.Epoch(), Encapsulation: session.Encapsulation()}
	id := newPackID(in.ID)
	aead, err := session.PackAEAD(id, uint8(index.Data))
	if err != nil {
		t.Fatal(err)
	}
	p := pack.NewBuilder(pack.Header{Kind: index.Data, Suite: uint8(r.config.Suite), Epoch: in.Epoch, Session: in.ID, Pack: id, Encapsulation: in.Encapsulation}, aead, keys.Nonce, nil)
	compress, err := codec.NewCompressor(codec.Method{})
	if err != nil {
		t.Fatal(err)
	}
	frame, err := pack.AppendFrame(nil, compress, []byte("goodevil"), []uint32{4, 4})
	if err != nil {
		t.Fatal(err)
	}
	hash := r.keys.Hasher(false)
	ids := []index.ID{hash.Sum([]byte("good")), hash.Sum(parts[0])}
	offset, length, ordinal, err := p.Add(frame, ids)
	if err != nil {
		t.Fatal(err)
	}
	data := p.Finish()
	write(t, b, packName(id), data)
	build := index.NewBuilder()
	n := build.AddPack(index.Pack{ID: id, Size: uint32(len(data)), Kind: index.Data}, in)
	for i, id := range ids {
		build.Add(id, n, offset, length, ordinal, uint16(i))
	}
	segment := newSegmentID()
	if data, err = r.encodeSegment(segment, build); err != nil {
		t.Fatal(err)
	}
	write(t, b, segmentName(segment), data)

	if c := check(t, r, false); len(c.problems) > 0 {
		t.Error("without reading data it cannot be noticed:")
		c.dump(t)
	}
	// There is another copy of what it claims to be.
	c := check(t, r, true)
	if p := c.about("HMAC of its blob 1 does not match"); len(c.problems) != 1 || len(p) != 1 || p[0].Object != packName(id) || p[0].Severity != Note {
		t.Error("the blob is not reported alone, as a note")
		c.dump(t)
	}
	remove(t, b, packName(where2(t, r, parts[0], id).Pack))
	if c = check(t, r, true); len(c.about("/home/shared/long: bytes 0-")) != 2 {
		t.Error("with the other copy gone, the file is lost in both snapshots")
		c.dump(t)
	}
}

// where2 returns the place of the copy of a blob that is not in that pack.
func where2(t *testing.T, r *Repository, data []byte, not index.PackID) (found index.Location) {
	t.Helper()
	rd, err := r.NewReader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close(t.Context())
	rd.set.Lookup(r.keys.Hasher(false).Sum(data), func(at index.Location) bool {
		found = at
		return at.Pack == not
	})
	return found
}

// A pack whose account of itself is damaged is read by what the index says:
// only what is really gone is lost.
func TestCheckByRows(t *testing.T) {
	b, r, _, parts := checkRepository(t)
	last := where(t, r, index.Data, parts[0])
	for i := range parts[:12] { // the last frame of that pack
		if at := where(t, r, index.Data, parts[i]); at.Pack == last.Pack && at.Offset > last.Offset {
			last = at
		}
	}
	name := packName(last.Pack)
	sound := read(t, b, name)
	for what, damage := range map[string]func([]byte) []byte{
		"directory": func(d []byte) []byte { d[len(d)-400] ^= 1; return d }, // behind it: the CRC table
		"trailer":   func(d []byte) []byte { d[len(d)-1] ^= 1; return d },
		"short":     func(d []byte) []byte { return d[:last.Offset+5] },
		"long":      func(d []byte) []byte { return append(d, 0) },
	} {
		write(t, b, name, damage(bytes.Clone(sound)))
		for _, readData := range []bool{false, true} {
			c := check(t, r, readData)
			lost := 0
			if what == "short" {
				lost = 4
			}
			if len(c.losses()) != lost || len(c.problems) != lost+1 {
				t.Errorf("%s, data %v: one problem and %d losses are wanted:", what, readData, lost)
				c.dump(t)
			}
		}
	}
}

// When something is lost in many snapshots, finding out where takes time in
// proportion to the damage: what they share and is sound is not walked in each.
func TestCheckLossesOfManySnapshots(t *testing.T) {
	b, r, _, parts := checkRepository(t)
	const snapshots, dirs = 10, 30
	for i := range snapshots {
		d := testDir{"z": testDir{"b": testDir{"broken": [][]byte{parts[0]}}}}
		for j := range dirs {
			d[fmt.Sprint("dir", j)] = testDir{"f": [][]byte{fmt.Append(nil, "file", j)}}
		}
		d["own"] = [][]byte{fmt.Append(nil, i)}
		snapshotOf(t, r, "many", d)
	}
	remove(t, b, packName(where(t, r, index.Data, parts[0]).Pack))
	pages := 0
	walk := func(ctx context.Context, b Blobs, root []byte, seen func(index.ID) bool, visit func(Use) error) error {
		return walkTest(ctx, b, root, seen, func(u Use) error {
			if u.Kind == index.Tree {
				pages++
			}
			return visit(u)
		})
	}
	lost := 0
	_, err := r.Check(t.Context(), CheckOptions{Walk: walk, Report: func(p Problem) {
		if string(p.Path) == "z/b/broken" {
			lost++
		}
	}})
	if err != nil || lost != snapshots {
		t.Errorf("%d losses, %v", lost, err)
	}
	// Two walks over what is distinct; then three pages in each snapshot.
	if most := 2*(snapshots+dirs+2+10) + 3*snapshots + 20; pages > most {
		t.Errorf("%d pages were visited, at most %d are needed", pages, most)
	}
}

// The index and the directories are compared in both directions.
func TestCheckIndexAgainstDirectory(t *testing.T) {
	b, r, _, parts := checkRepository(t)
	at := where(t, r, index.Data, parts[0])
	segment := func(id index.ID, at index.Location, size uint32) {
		t.Helper()
		rd, err := r.NewReader(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		in, _ := rd.set.Session(at.Pack.Session())
		rd.Close(t.Context())
		build := index.NewBuilder()
		n := build.AddPack(index.Pack{ID: at.Pack, Size: size, Kind: at.Kind}, in)
		build.Add(id, n, at.Offset, at.Length, at.Frame, at.Blob)
		name := newSegmentID()
		data, err := r.encodeSegment(name, build)
		if err != nil {
			t.Fatal(err)
		}
		write(t, b, segmentName(name), data)
	}
	size := uint32(len(read(t, b, packName(at.Pack))))
	// The same row once more is no problem.
	segment(index.ID(r.keys.Hasher(false).Sum(parts[0])), at, size)
	if c := check(t, r, true); len(c.problems) > 0 {
		t.Error("a row in two segments is no problem:")
		c.dump(t)
	}
	// A row that no directory has, and a pack of another size.
	segment(index.ID{1, 2, 3}, at, size)
	c := check(t, r, false)
	if p := c.about("the index lists 1 blobs in it that its directory does not have"); len(c.problems) != 1 || len(p) != 1 || p[0].Object != packName(at.Pack) {
		t.Error("a row of nothing is not reported")
		c.dump(t)
	}
	segment(index.ID{4}, at, size+1)
	if c = check(t, r, false); len(c.about("it and another segment disagree about pack "+at.Pack.String())) != 1 {
		t.Error("two segments that disagree are not reported")
		c.dump(t)
	}
	c.wantLosses(t)

	// A directory with blobs that no segment lists.
	other := b.Clone()
	for _, name := range objects(t, other, dirIndex) {
		remove(t, other, name)
	}
	b = other
	r = on(r, b)
	restore := check(t, r, false)
	if n := len(objects(t, b, dirPacks)); len(restore.losses()) != 0 || restore.Segments != 0 || restore.Repairable != n || restore.Lost > 0 {
		t.Error("without an index, the packs say what they hold")
		restore.dump(t)
	}
}

// Names that mean nothing are left alone; a pack under another's name is not
// that pack.
func TestCheckNames(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	names := []string{"config.x", "lost", "packs/00/readme", "history/abc", "index/0123", "leases/x", "keys/y", "notes/z"}
	for _, name := range names {
		write(t, b, name, []byte("?"))
	}
	for level, c := range map[string]checked{"no key": checkNoKey(t, b), "default": check(t, r, false)} {
		if c.Problems() > 0 || c.Notes != len(names) {
			t.Errorf("%s: %d unknown names:", level, len(names))
			c.dump(t)
		}
	}
	// What repair has set aside is told as such; its account of losses is
	// checked, and as long as it is sound there is nothing to say.
	aside := b.Clone()
	for _, name := range names {
		remove(t, aside, name)
	}
	report, err := on(r, aside).writeLosses(t.Context(), &LossReport{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, aside, dirQuarantine+"/packs/00/11", []byte("rotten"))
	for level, c := range map[string]checked{"no key": checkNoKey(t, aside), "default": check(t, on(r, aside), false)} {
		if len(c.problems) != 1 || len(c.about("a repair has set it aside")) != 1 || c.worst() != Note {
			t.Errorf("%s: one object was set aside:", level)
			c.dump(t)
		}
	}
	write(t, aside, report, []byte("rotten"))
	if c := checkNoKey(t, aside); len(c.about(report)) != 1 || c.worst() != Note {
		t.Error("a damaged account of losses:")
		c.dump(t)
	}

	packs := packsOf(t, b, index.Data)
	write(t, b, packs[1], read(t, b, packs[0]))
	if c := checkNoKey(t, b); len(c.about("it is pack "+base(packs[0]))) != 1 {
		t.Error("a pack under another's name is not noticed without a key")
		c.dump(t)
	}
	if c := check(t, r, false); len(c.losses()) == 0 || c.Problems() == 0 {
		t.Error("a pack under another's name is not noticed")
		c.dump(t)
	}
}

// A segment is read from the repository, whatever the local cache has.
func TestCheckReadsSegmentsAnew(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	check(t, r, false) // fills the cache
	name := objects(t, b, dirIndex)[0]
	data := read(t, b, name)
	data[len(data)/2] ^= 1
	write(t, b, name, data)
	if c := check(t, r, false); len(c.about(name)) != 1 {
		t.Error("a damaged segment is hidden by the cache")
		c.dump(t)
	}
}

// A check that cannot go on says so, and does not call it damage.
func TestCheckStops(t *testing.T) {
	b, r, _, _ := checkRepository(t)
	report := func(p Problem) { t.Errorf("a problem is reported: %s", p) }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, readData := range []bool{false, true} {
		if _, err := r.Check(ctx, CheckOptions{ReadData: readData, Walk: walkTest, Report: report}); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled check: %v", err)
		}
	}
	if _, err := CheckNoKey(ctx, b, CheckOptions{Report: report}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled check without a key: %v", err)
	}
	if _, err := CheckNoKey(t.Context(), mem.New(), CheckOptions{Report: report}); !errors.Is(err, ErrNoRepository) {
		t.Errorf("nothing there: %v", err)
	}
	b.Close()
	if _, err := CheckNoKey(t.Context(), b, CheckOptions{Report: report}); !errors.Is(err, backend.ErrClosed) {
		t.Errorf("a closed backend: %v", err)
	}
}

// Objects larger than the window they are read through are checked to the last
// byte.
func TestVerifyObject(t *testing.T) {
	b := mem.New()
	const window = 1 << 20
	for _, n := range []int{0, 1, window - 21, window - 20, window - 19, window - 17, window - 16, 2*window + 5} {
		data := object.Finish(append(object.AppendHeader(nil, object.Segment), make([]byte, n)...))
		write(t, b, "x", data)
		size := int64(len(data))
		if err := verifyObject(t.Context(), b, "x", size, object.Segment); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		if err := verifyObject(t.Context(), b, "x", size, object.Lease); !errors.Is(err, object.ErrDamaged) {
			t.Errorf("%d bytes of another type: %v", n, err)
		}
		for _, at := range []int{0, 16, len(data) - 5, len(data) - 4, len(data) - 1} {
			bad := bytes.Clone(data)
			bad[at] ^= 1
			write(t, b, "x", bad)
			if err := verifyObject(t.Context(), b, "x", size, object.Segment); !errors.Is(err, object.ErrDamaged) {
				t.Errorf("%d bytes, bit in byte %d flipped: %v", n, at, err)
			}
		}
		write(t, b, "x", data[:len(data)-1])
		if err := verifyObject(t.Context(), b, "x", size, object.Segment); err == nil || !strings.Contains(err.Error(), "ends at byte") {
			t.Errorf("%d bytes, cut short while it is read: %v", n, err)
		}
	}
}
