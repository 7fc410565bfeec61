package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"garret/keys"
	"garret/store/backend"
	"garret/store/cache"
	"garret/store/codec"
	"garret/store/object"
)

// Errors that callers tell apart.
var (
	// ErrNoRepository means that nothing at the location is a repository.
	ErrNoRepository = errors.New("no garret repository")
	// ErrHalfMade means that an init was interrupted.
	ErrHalfMade = errors.New("an unfinished repository")
	// ErrNoKey means that no key slot can be opened.
	ErrNoKey = errors.New("no usable key slot")
)

// maxSlot bounds a key slot's object.
const maxSlot = 64 << 10

// InitOptions are the choices that a new repository keeps.
type InitOptions struct {
	Suite       keys.Suite
	Chunker     any // encoded as JSON into the config
	Compression codec.Method
	Label       string // of the first key slot
	Passphrase  keys.Passphrase
	KDF         keys.KDFParams
	FrameSize   int // 0: DefaultFrameSize
	PackSize    int // 0: DefaultPackSize
	Parity      int // percent; 0 for none
}

// Init makes a repository in an empty backend. The config is written last: what
// is interrupted before is no repository.
func Init(ctx context.Context, b backend.Backend, o InitOptions) (Config, error) {
	full, err := keys.Generate(o.Suite)
	if err != nil {
		return Config{}, err
	}
	slot, id, err := full.NewSlot(o.Label, o.Passphrase, o.KDF)
	if err != nil {
		return Config{}, err
	}
	chunker, err := json.Marshal(o.Chunker)
	if err != nil {
		return Config{}, err
	}
	c := Config{
		Format:      configFormat,
		Number:      1,
		Repository:  full.Repository(),
		Suite:       o.Suite,
		Created:     time.Now().UTC().Truncate(time.Second),
		Chunker:     chunker,
		FrameSize:   o.FrameSize,
		PackSize:    o.PackSize,
		Compression: o.Compression,
		Parity:      o.Parity,
		PublicKey:   full.PublicKey(),
		Certifier:   full.CertifierKey(),
	}
	if c.FrameSize == 0 {
		c.FrameSize = DefaultFrameSize
	}
	if c.PackSize == 0 {
		c.PackSize = DefaultPackSize
	}
	if err := c.validate(); err != nil {
		return Config{}, err
	}
	data, err := c.encode(&full.Put)
	if err != nil {
		return Config{}, err
	}
	slotObject := object.Finish(append(object.AppendHeader(nil, object.KeySlot), slot...))
	if err := putBoth(ctx, b, keyName(id), slotObject); err != nil {
		return Config{}, err
	}
	return c, putConfig(ctx, b, 1, data)
}

// Locked is a repository that has been found but not unlocked.
type Locked struct {
	backend  backend.Backend
	configs  []*storedConfig
	slots    []slot
	problems []error
}

type slot struct {
	name string
	data []byte
	info keys.SlotInfo
}

// Open finds the repository in b.
func Open(ctx context.Context, b backend.Backend) (*Locked, error) {
	configs, problems, err := readConfigs(ctx, b)
	if err != nil {
		return nil, err
	}
	l := &Locked{backend: b, configs: configs, problems: problems}
	if err := l.readSlots(ctx); err != nil {
		return nil, err
	}
	if len(configs) == 0 {
		switch {
		case len(problems) > 0:
			return nil, fmt.Errorf("%w: no copy of the config can be read: %w", ErrNoRepository, errors.Join(problems...))
		}
		// An init that was interrupted has stored nothing yet.
		for _, folder := range []string{dirHistory, dirIndex, dirPacks} {
			holds, err := holdsAny(ctx, b, folder)
			if err != nil {
				return nil, err
			}
			if holds {
				return nil, fmt.Errorf("%w: every copy of the config is gone, and the rest is still there; keep it: "+
					"`garret repair --no-key --from REPOSITORY` takes the config from a copy of the repository", object.ErrDamaged)
			}
		}
		switch {
		case len(l.slots) > 0 || len(l.problems) > 0:
			return nil, ErrHalfMade
		}
		return nil, ErrNoRepository
	}
	return l, nil
}

// holdsAny reports whether there is any object in a folder.
func holdsAny(ctx context.Context, b backend.Backend, folder string) (bool, error) {
	found := errors.New("found")
	err := b.List(ctx, folder, func(backend.Entry) error { return found })
	if errors.Is(err, found) {
		return true, nil
	}
	return false, err
}

// readSlots reads the key slots. One copy of a slot is enough.
func (l *Locked) readSlots(ctx context.Context) error {
	var found []keys.SlotID
	err := l.backend.List(ctx, dirKeys, func(e backend.Entry) error {
		id, _, ok := parseKeyName(e.Name)
		switch {
		case !ok:
			l.problems = append(l.problems, fmt.Errorf("%s: %w", e.Name, errUnknownName))
		case !slices.Contains(found, id):
			found = append(found, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range found {
		s := slot{name: keyName(id)}
		problems, err := readCopies(ctx, l.backend, s.name, maxSlot, func(data []byte) (err error) {
			s.data, s.info, err = openSlot(data, id)
			return err
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.problems = append(l.problems, problems...)
		if err == nil {
			l.slots = append(l.slots, s)
		}
	}
	return nil
}

// openSlot takes the slot out of its object, as far as that can be done
// without its passphrase.
func openSlot(data []byte, id keys.SlotID) ([]byte, keys.SlotInfo, error) {
	_, data, err := object.Open(data, object.KeySlot)
	if err != nil {
		return nil, keys.SlotInfo{}, err
	}
	info, err := keys.ReadSlot(data)
	if err == nil && info.ID != id {
		err = fmt.Errorf("%w: it is slot %v", object.ErrDamaged, info.ID)
	}
	return data, info, err
}

// Config returns the newest readable config. It is not authenticated.
func (l *Locked) Config() Config { return l.configs[0].Config }

// Problems returns what is wrong with config copies and key slots.
func (l *Locked) Problems() []error { return l.problems }

// NeedsPassphrase reports whether Unlock needs one.
func (l *Locked) NeedsPassphrase() bool { return l.Config().Suite != keys.SuiteNone }

// Unlock opens the repository with the slot that the passphrase fits.
func (l *Locked) Unlock(pass keys.Passphrase) (*Repository, error) {
	if len(l.slots) == 0 {
		if len(l.problems) == 0 {
			return nil, ErrNoKey
		}
		return nil, fmt.Errorf("%w: %w", ErrNoKey, errors.Join(l.problems...))
	}
	var failed []error
	for _, s := range l.slots {
		if s.info.Role != keys.RoleFull {
			continue
		}
		full, err := keys.OpenFullSlot(s.data, pass)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for _, c := range l.configs {
			if err := c.authenticate(&full.Put); err != nil {
				failed = append(failed, err)
				continue
			}
			return newRepository(l, c, full), nil
		}
	}
	if len(failed) == 0 {
		return nil, ErrNoKey
	}
	// A wrong passphrase is what a user can do something about.
	if i := slices.IndexFunc(failed, func(err error) bool { return !errors.Is(err, keys.ErrPassphrase) }); i >= 0 {
		return nil, failed[i]
	}
	return nil, failed[0]
}

// Repository is an unlocked repository. It is safe for concurrent use.
type Repository struct {
	backend  backend.Backend
	config   Config
	writable error // why nothing may be written, or nil
	keys     *keys.Full
	cache    *cache.Cache
	problems []error

	hashers sync.Pool // of *hasher

	merging sync.Mutex // held while cached index segments are merged

	mu    sync.Mutex
	heads map[SnapshotID]snapshotHead // read before: they never change
}

func newRepository(l *Locked, c *storedConfig, full *keys.Full) *Repository {
	return &Repository{
		backend:  l.backend,
		config:   c.Config,
		writable: c.header.Writable(),
		keys:     full,
		cache:    cache.Open(c.Repository.String(), l.backend.Location()),
		problems: l.problems,
		heads:    make(map[SnapshotID]snapshotHead),
	}
}

// SetCompression sets how this process compresses what it stores; before a
// session begins.
func (r *Repository) SetCompression(m codec.Method) { r.config.Compression = m }

// Config returns the authenticated config.
func (r *Repository) Config() Config { return r.config }

// Backend returns where the repository is stored.
func (r *Repository) Backend() backend.Backend { return r.backend }

// ChunkerKeys returns the keys of the content-defined chunker.
func (r *Repository) ChunkerKeys() (gear [32]byte, cut [16]byte) { return r.keys.ChunkerKeys() }

// Problems returns what is wrong with config copies and key slots.
func (r *Repository) Problems() []error { return r.problems }

// Close releases the backend.
func (r *Repository) Close() error {
	r.merging.Lock() // wait for what goes on beside
	defer r.merging.Unlock()
	return r.backend.Close()
}

// missing reports whether err means that an object is not there.
func missing(err error) bool {
	return errors.Is(err, backend.ErrNotExist) || errors.Is(err, fs.ErrNotExist)
}
