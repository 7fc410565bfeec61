package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"garret/index"
	"garret/store/backend"
	"garret/store/object"
)

// What there is, by its name, and the objects that are small and stored once:
// leases, fences, condemnations. A check without a key verifies them in the
// same way, as far as it can.

var errUnknownName = errors.New("no object of this version of garret has such a name; it is left alone")

// expect is what is known of an object by its name.
type expect struct {
	kind  object.Type // zero: any
	known bool
}

// expected tells what the object of that name should be.
func expected(name string) expect {
	folder, rest, ok := strings.Cut(name, "/")
	if !ok {
		return expect{}
	}
	switch folder {
	case dirConfig:
		_, _, known := parseConfigName(name)
		return expect{object.Config, known}
	case dirKeys:
		_, _, known := parseKeyName(name)
		return expect{object.KeySlot, known}
	case dirHistory:
		_, _, known := parseSnapshotName(name)
		return expect{object.Snapshot, known}
	case dirIndex:
		_, err := parseSegmentID(rest)
		return expect{object.Segment, err == nil}
	case dirLeases:
		_, n, known := parseLeaseName(name)
		if n == 0 {
			return expect{object.Fence, known}
		}
		return expect{object.Lease, known}
	case dirCondemned:
		_, err := index.ParsePackID(strings.TrimSuffix(rest, ".waits"))
		return expect{0, err == nil}
	case dirPacks:
		id, err := index.ParsePackID(base(name))
		return expect{object.Pack, err == nil && packName(id) == name}
	case dirParity:
		_, known := parseParityName(name)
		return expect{object.Parity, known}
	}
	return expect{}
}

// inventory lists everything once, for the totals, and checks the config.
func (c *checker) inventory(ctx context.Context) error {
	err := c.r.backend.List(ctx, "", func(e backend.Entry) error {
		want := expected(e.Name)
		if !want.known && isAside(e.Name) {
			if c.limited() {
				return nil
			}
			return c.aside(ctx, c.r.backend, e)
		}
		c.progress.TotalObjects.Add(1)
		c.progress.TotalBytes.Add(e.Size)
		switch {
		case !want.known:
			c.unknownName(e.Name)
		case want.kind == object.Pack:
			c.progress.TotalPacks.Add(1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = c.checkConfigs(ctx, c.r.backend, func(s *storedConfig) error { return s.authenticate(&c.r.keys.Put) })
	return err
}

// isAside reports whether repair has put the object where it is, so that
// nothing else looks at it.
func isAside(name string) bool { return strings.HasPrefix(name, dirQuarantine+"/") }

var errAside = errors.New("a repair has set it aside; it removes it when what it was can be read again")

// aside reports on what repair has set aside, and checks the accounts that it
// leaves of what is lost.
func (r *reporter) aside(ctx context.Context, b backend.Backend, e backend.Entry) error {
	if strings.HasPrefix(e.Name, dirLosses+"/") {
		r.progress.TotalObjects.Add(1)
		r.progress.TotalBytes.Add(e.Size)
		return r.small(ctx, e, Note, verifyObject(ctx, b, e.Name, e.Size, lossReport))
	}
	r.problem(Problem{Object: e.Name, Severity: Note, Err: errAside})
	return nil
}

func (c *checker) unknownName(name string) {
	p := unknownObject(name)
	if !c.unknown[p.Object] && !c.limited() {
		c.unknown[p.Object] = true
		c.problem(p)
	}
}

var errBenchmark = errors.New("what a benchmark measures with: of one that is running, or was killed; a later one removes it")

// unknownObject returns the note about an object of an unknown name. All of a
// benchmark's, of which there may be thousands, are one folder.
func unknownObject(name string) Problem {
	if folder := BenchmarkFolder + "/"; strings.HasPrefix(name, folder) {
		return Problem{Object: folder, Severity: Note, Err: errBenchmark}
	}
	return Problem{Object: name, Severity: Note, Err: errUnknownName}
}

func (c *checker) keySlots(ctx context.Context) error {
	return c.checkSlots(ctx, c.r.backend, &c.r.config)
}

// leases checks leases and fences, and learns which sessions are alive. A
// damaged one still says what its name says, so it costs nothing.
func (c *checker) leases(ctx context.Context) error {
	live, err := liveSessions(ctx, c.r.backend)
	if err != nil {
		return err
	}
	c.live = live
	return c.r.backend.List(ctx, dirLeases, func(e backend.Entry) error {
		_, n, ok := parseLeaseName(e.Name)
		if !ok {
			c.unknownName(e.Name)
			return nil
		}
		var err error
		if n > 0 {
			_, err = c.r.readLease(ctx, e.Name)
		} else {
			err = verifyObject(ctx, c.r.backend, e.Name, e.Size, object.Fence)
		}
		return c.small(ctx, e, Note, err)
	})
}

// liveSessions lists the sessions with a lease and no fence.
func liveSessions(ctx context.Context, b backend.Backend) (map[index.SessionID]bool, error) {
	live := make(map[index.SessionID]bool)
	var fenced []index.SessionID
	err := b.List(ctx, dirLeases, func(e backend.Entry) error {
		switch id, n, ok := parseLeaseName(e.Name); {
		case ok && n > 0:
			live[id] = true
		case ok:
			fenced = append(fenced, id)
		}
		return nil
	})
	for _, id := range fenced {
		delete(live, id)
	}
	return live, err
}

// condemnations checks the records of packs that are on their way out.
func (c *checker) condemnations(ctx context.Context) error {
	return c.r.backend.List(ctx, dirCondemned, func(e backend.Entry) error {
		if !expected(e.Name).known {
			c.unknownName(e.Name)
			return nil
		}
		return c.small(ctx, e, Note, verifyObject(ctx, c.r.backend, e.Name, e.Size, 0))
	})
}

// small reports on an object that was read whole.
func (r *reporter) small(ctx context.Context, e backend.Entry, severity Severity, err error) error {
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	if missing(err) {
		return nil // removed since it was listed
	}
	r.done(e.Size)
	if err != nil {
		r.problem(Problem{Object: e.Name, Severity: severity, Err: err})
	}
	return nil
}

// verifyObject checks the header and the CRC32C of an object of any size but a
// pack, in constant memory. A zero type accepts any.
func verifyObject(ctx context.Context, b backend.Backend, name string, size int64, want object.Type) error {
	if size < object.HeaderSize+object.CRCSize {
		return fmt.Errorf("%w: only %d bytes are left of it", object.ErrDamaged, size)
	}
	at := object.ReaderAt{Ctx: ctx, Backend: b, Name: name}
	crc := crc32.New(object.Castagnoli)
	buf := make([]byte, min(size, 1<<20))
	var head [object.HeaderSize]byte
	var stored [object.CRCSize]byte
	for off := int64(0); off < size; off += int64(len(buf)) {
		part := buf[:min(int64(len(buf)), size-off)]
		if err := readWhole(at, part, off); err != nil {
			return err
		}
		if off == 0 {
			copy(head[:], part)
		}
		// The last bytes, which may straddle two reads, are the CRC.
		body := int(max(0, min(int64(len(part)), size-object.CRCSize-off)))
		crc.Write(part[:body])
		tail := part[body:]
		copy(stored[max(0, off-(size-object.CRCSize)):], tail)
	}
	if crc.Sum32() != binary.LittleEndian.Uint32(stored[:]) {
		return fmt.Errorf("%w: its CRC32C does not match", object.ErrDamaged)
	}
	if want == 0 {
		want = object.Type(head[6])
	}
	_, err := object.ParseHeader(head[:], want)
	return err
}

// readWhole fills p; an object that ends before is damaged.
func readWhole(at io.ReaderAt, p []byte, off int64) error {
	n, err := at.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it ends at byte %d", object.ErrDamaged, off+int64(n))
	}
	return err
}
