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
	"garret/keys"
	"garret/store/backend"
	"garret/store/object"
)

// The objects that are small: config copies, key slots, leases, fences. A
// check without a key verifies them in the same way, as far as it can.

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
		_, _, known := parseConfigName(name)
		return expect{object.Config, known}
	}
	switch folder {
	case dirKeys:
		_, err := keys.ParseSlotID(rest)
		return expect{object.KeySlot, err == nil}
	case dirHistory:
		_, err := ParseSnapshotID(rest)
		return expect{object.Snapshot, err == nil}
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
	}
	return expect{}
}

// inventory lists everything once, for the totals, and checks the config.
func (c *checker) inventory(ctx context.Context) error {
	var configs []string
	err := c.r.backend.List(ctx, "", func(e backend.Entry) error {
		c.progress.TotalObjects.Add(1)
		c.progress.TotalBytes.Add(e.Size)
		switch want := expected(e.Name); {
		case !want.known:
			c.unknownName(e.Name)
		case want.kind == object.Config:
			configs = append(configs, e.Name)
		case want.kind == object.Pack:
			c.progress.TotalPacks.Add(1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = c.checkConfigs(ctx, c.r.backend, configs, func(s *storedConfig) error { return s.authenticate(&c.r.keys.Put) })
	return err
}

func (c *checker) unknownName(name string) {
	if !c.unknown[name] {
		c.unknown[name] = true
		c.problem(Problem{Object: name, Harmless: true, Err: errUnknownName})
	}
}

// checkConfigs checks the copies of the config and returns the newest that is
// sound, or nil. A copy is harmless to lose as long as its twin is sound.
func (r *reporter) checkConfigs(ctx context.Context, b backend.Backend, names []string, authenticate func(*storedConfig) error) (*storedConfig, error) {
	type copies struct {
		err  [2]error // why the first, the second copy is not sound
		seen [2]bool
	}
	found := make(map[int]*copies)
	var newest *storedConfig
	for _, name := range names {
		n, second, _ := parseConfigName(name)
		which := 0
		if second {
			which = 1
		}
		data, err := backend.ReadAll(ctx, b, name, maxConfig)
		if stop := fatal(ctx, err); stop != nil {
			return nil, stop
		}
		if missing(err) {
			continue // superseded meanwhile
		}
		var s *storedConfig
		if err == nil {
			r.done(int64(len(data)))
			s, err = parseConfig(data)
		}
		if err == nil {
			s.number = n
			err = authenticate(s)
		}
		if found[n] == nil {
			found[n] = new(copies)
		}
		found[n].seen[which], found[n].err[which] = true, err
		if err == nil && (newest == nil || n > newest.number) {
			newest = s
		}
	}
	for n, f := range found {
		for which := range f.err {
			name := configName(n, which == 1)
			twin := f.seen[1-which] && f.err[1-which] == nil
			if !f.seen[which] {
				if _, err := b.Size(ctx, name); !missing(err) {
					continue // written just now
				}
				f.err[which] = errors.New("this copy of the config is missing")
			}
			if err := f.err[which]; err != nil {
				r.problem(Problem{Object: name, Harmless: twin, Err: err})
			}
		}
	}
	if newest == nil {
		r.problem(Problem{Object: "config", Err: errors.New("no copy of the config is sound")})
	}
	return newest, nil
}

func (c *checker) keySlots(ctx context.Context) error {
	return c.checkSlots(ctx, c.r.backend, &c.r.config, c.unknownName)
}

// checkSlots checks what can be seen of key slots without their passphrases.
// config may be nil.
func (r *reporter) checkSlots(ctx context.Context, b backend.Backend, config *Config, unknown func(string)) error {
	sound := 0
	err := b.List(ctx, dirKeys, func(e backend.Entry) error {
		id, err := keys.ParseSlotID(base(e.Name))
		if err != nil {
			unknown(e.Name)
			return nil
		}
		data, err := backend.ReadAll(ctx, b, e.Name, maxSlot)
		if stop := fatal(ctx, err); stop != nil {
			return stop
		}
		if err == nil {
			r.done(e.Size)
			_, data, err = object.Open(data, object.KeySlot)
		}
		var info keys.SlotInfo
		if err == nil {
			info, err = keys.ReadSlot(data)
		}
		if err == nil && info.ID != id {
			err = fmt.Errorf("%w: it is slot %v", object.ErrDamaged, info.ID)
		}
		if err == nil && config != nil && (info.Repository != config.Repository || info.Suite != config.Suite) {
			err = fmt.Errorf("%w: it belongs to the repository %v", object.ErrDamaged, info.Repository)
		}
		switch {
		case err != nil && !missing(err):
			r.problem(Problem{Object: e.Name, Err: err})
		case err == nil && info.Role == keys.RoleFull:
			sound++
		}
		return nil
	})
	if err == nil && sound == 0 {
		r.problem(Problem{Object: dirKeys, Err: errors.New("no key slot is sound: once the keys in use now are gone, nobody can read this repository")})
	}
	return err
}

// leases checks leases and fences, and learns which sessions are alive. A
// damaged one still says what its name says, so it costs nothing.
func (c *checker) leases(ctx context.Context) error {
	c.live = make(map[index.SessionID]bool)
	var fenced []index.SessionID
	err := c.r.backend.List(ctx, dirLeases, func(e backend.Entry) error {
		id, n, ok := parseLeaseName(e.Name)
		if !ok {
			c.unknownName(e.Name)
			return nil
		}
		var err error
		if n > 0 {
			c.live[id] = true
			_, err = c.r.readLease(ctx, e.Name)
		} else {
			fenced = append(fenced, id)
			err = verifyObject(ctx, c.r.backend, e.Name, e.Size, object.Fence)
		}
		return c.small(ctx, e, true, err)
	})
	for _, id := range fenced {
		delete(c.live, id)
	}
	return err
}

// condemnations checks the records of packs that are on their way out.
func (c *checker) condemnations(ctx context.Context) error {
	return c.r.backend.List(ctx, dirCondemned, func(e backend.Entry) error {
		if !expected(e.Name).known {
			c.unknownName(e.Name)
			return nil
		}
		return c.small(ctx, e, false, verifyObject(ctx, c.r.backend, e.Name, e.Size, 0))
	})
}

// small reports on an object that was read whole.
func (r *reporter) small(ctx context.Context, e backend.Entry, harmless bool, err error) error {
	if stop := fatal(ctx, err); stop != nil {
		return stop
	}
	if missing(err) {
		return nil // removed since it was listed
	}
	r.done(e.Size)
	if err != nil {
		r.problem(Problem{Object: e.Name, Harmless: harmless, Err: err})
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
func readWhole(at object.ReaderAt, p []byte, off int64) error {
	n, err := at.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("%w: it ends at byte %d", object.ErrDamaged, off+int64(n))
	}
	return err
}
