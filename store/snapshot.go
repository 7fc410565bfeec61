package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"garret/index"
	"garret/keys"
	"garret/store/object"
)

// Snapshot is an immutable record of one run. It is sealed under
// the list key, so that listing is cheap; Details stand under the session's
// key.
type Snapshot struct {
	ID       SnapshotID    `json:"id"`
	Time     time.Time     `json:"time"` // when the run began
	Duration time.Duration `json:"duration"`
	Host     string        `json:"host"`
	User     string        `json:"user"`
	Sources  [][]byte      `json:"sources"` // absolute paths, bytes
	Label    string        `json:"label,omitempty"`
	Program  string        `json:"program"`
	Parent   SnapshotID    `json:"parent,omitzero"`
	Partial  bool          `json:"partial,omitempty"` // a checkpoint: not all of the sources is there
	Totals   Totals        `json:"totals"`
	// XattrFamilies says which extended attributes occur: "user",
	// "security.capability", … Nil means that it is not known.
	XattrFamilies []string `json:"xattr_families"`

	// Session and its writer's place in the order of its snapshots.
	Session  index.SessionID `json:"-"` // in the clear in the object
	Sequence uint64          `json:"sequence"`
	Previous SnapshotID      `json:"previous,omitzero"` // of this host and these sources

	// Unverified means that a collector has given up on the snapshot's
	// session: it may lack blobs until it has been verified.
	Unverified bool `json:"-"`
}

// Totals counts what a snapshot holds and what it cost.
type Totals struct {
	Files       uint64 `json:"files"`
	Directories uint64 `json:"directories"`
	Others      uint64 `json:"others"`
	Unmodified  uint64 `json:"unmodified"` // files taken over from the parent unread
	Bytes       uint64 `json:"bytes"`      // logical size of all files
	BytesRead   uint64 `json:"bytes_read"`
	BytesAdded  uint64 `json:"bytes_added"`  // raw bytes of blobs that were new
	BytesStored uint64 `json:"bytes_stored"` // what the repository grew by before the record itself
	Warnings    uint64 `json:"warnings"`

	Excluded uint64 `json:"excluded,omitempty"` // entries left out on request, what is below them not counted
	Errors   uint64 `json:"errors,omitempty"`   // entries left out because they could not be read
	Changed  uint64 `json:"changed,omitempty"`  // files that changed while they were read
	// Reasons counts why entries are not there, or not as they were, in
	// fs/snapshot's words.
	Reasons map[string]uint64 `json:"reasons,omitempty"`
}

// Details is the part of a snapshot that only its readers need.
type Details struct {
	Root          []byte          `json:"root"`              // the root directory's node, in fs/tree's encoding
	Devices       json.RawMessage `json:"devices,omitempty"` // the file systems crossed, in fs/snapshot's encoding
	Warnings      []Warning       `json:"warnings,omitempty"`
	RewrittenFrom SnapshotID      `json:"rewritten_from,omitzero"`
}

// Warning is one entry that was not stored, or not as it should be.
type Warning struct {
	Path   []byte `json:"path"`
	Reason string `json:"reason"`
}

// MaxWarnings bounds the warnings a record lists; Totals.Warnings counts all.
const MaxWarnings = 1000

const (
	snapshotDomain = "snapshot"
	maxSnapshot    = 8 << 20
	snapshotFixed  = object.HeaderSize + 4 + 8 + 2 // up to the encapsulation
)

// The object: header | key epoch u32 | session id | encapsulation length u16
// and bytes | length u32 and sealed header | sealed details | signature | CRC.
// The signature is over the SHA-256 of the name and all bytes before it.

func (s *Session) encodeSnapshot(snap *Snapshot, d *Details) ([]byte, error) {
	name := snapshotName(snap.ID)
	data := object.AppendHeader(nil, object.Snapshot)
	data = binary.LittleEndian.AppendUint32(data, s.keys.Epoch())
	data = append(data, s.id[:]...)
	enc := s.keys.Encapsulation()
	data = binary.LittleEndian.AppendUint16(data, uint16(len(enc)))
	data = append(data, enc...)

	head, err := json.Marshal(snap)
	if err != nil {
		return nil, err
	}
	sealed, err := s.repo.keys.Seal(keys.ListKey, name, data, head)
	if err != nil {
		return nil, err
	}
	data = binary.LittleEndian.AppendUint32(data, uint32(len(sealed)))
	data = append(data, sealed...)

	details, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	if sealed, err = s.keys.Seal(name, nil, details); err != nil {
		return nil, err
	}
	data = append(data, sealed...)
	data = append(data, s.repo.keys.Sign(snapshotDomain, snapshotDigest(name, data))...)
	if len(data) > maxSnapshot-object.CRCSize {
		return nil, fmt.Errorf("a snapshot record of %d bytes is too large", len(data))
	}
	return object.Finish(data), nil
}

func snapshotDigest(name string, data []byte) []byte {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write(data)
	return h.Sum(nil)
}

// storedSnapshot is a snapshot's object taken apart.
type storedSnapshot struct {
	epoch         uint32
	session       index.SessionID
	encapsulation []byte
	prefix        []byte // what the sealed header is bound to
	head          []byte // sealed
	details       []byte // sealed
	signed        []byte
	signature     []byte
}

func parseSnapshot(data []byte) (*storedSnapshot, error) {
	if _, _, err := object.Open(data, object.Snapshot); err != nil {
		return nil, err
	}
	short := fmt.Errorf("snapshot record of %d bytes: %w", len(data), object.ErrDamaged)
	end := len(data) - object.CRCSize - keys.SignatureSize
	if end < snapshotFixed {
		return nil, short
	}
	s := &storedSnapshot{signed: data[:end], signature: data[end : len(data)-object.CRCSize]}
	s.epoch = binary.LittleEndian.Uint32(data[object.HeaderSize:])
	s.session = index.SessionID(data[object.HeaderSize+4:])
	n := int(binary.LittleEndian.Uint16(data[object.HeaderSize+12:]))
	rest := data[snapshotFixed:end]
	if len(rest) < n+4 {
		return nil, short
	}
	s.encapsulation, rest = rest[:n], rest[n:]
	s.prefix = data[:snapshotFixed+n]
	head := uint64(binary.LittleEndian.Uint32(rest))
	if rest = rest[4:]; head > uint64(len(rest)) {
		return nil, short
	}
	s.head, s.details = rest[:head], rest[head:]
	return s, nil
}

// openHead decodes the part under the list key.
func (r *Repository) openHead(id SnapshotID, s *storedSnapshot) (*Snapshot, error) {
	head, err := r.keys.Open(keys.ListKey, snapshotName(id), s.prefix, s.head)
	if err != nil {
		return nil, err
	}
	snap := &Snapshot{}
	if err := json.Unmarshal(head, snap); err != nil {
		return nil, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	if snap.ID != id {
		return nil, fmt.Errorf("it calls itself %v: %w", snap.ID, object.ErrDamaged)
	}
	snap.Session = s.session
	return snap, nil
}

// readSnapshot reads the first sound copy of a snapshot's object and verifies
// its signature. problems is of a first copy that is not sound.
func (r *Repository) readSnapshot(ctx context.Context, id SnapshotID) (s *storedSnapshot, problems []error, err error) {
	problems, err = readCopies(ctx, r.backend, snapshotName(id), maxSnapshot, func(data []byte) (err error) {
		s, err = r.verifySnapshot(id, data)
		return err
	})
	return s, problems, err
}

// verifySnapshot takes a snapshot's object apart and verifies its signature.
func (r *Repository) verifySnapshot(id SnapshotID, data []byte) (*storedSnapshot, error) {
	s, err := parseSnapshot(data)
	if err != nil {
		return nil, err
	}
	_, err = r.keys.Verify(snapshotDomain, snapshotDigest(snapshotName(id), s.signed), s.signature)
	return s, err
}

// Details reads the part of a snapshot that listing does not need.
func (r *Repository) Details(ctx context.Context, id SnapshotID) (*Details, error) {
	s, _, err := r.readSnapshot(ctx, id)
	var d *Details
	if err == nil {
		d, err = r.openDetails(id, s)
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", id.Short(), err)
	}
	return d, nil
}

// openDetails decodes the part under the session's key.
func (r *Repository) openDetails(id SnapshotID, s *storedSnapshot) (*Details, error) {
	session, err := r.keys.OpenSession(s.epoch, s.encapsulation)
	if err != nil {
		return nil, err
	}
	plain, err := session.Open(snapshotName(id), nil, s.details)
	if err != nil {
		return nil, err
	}
	d := &Details{}
	if err := json.Unmarshal(plain, d); err != nil {
		return nil, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	return d, nil
}
