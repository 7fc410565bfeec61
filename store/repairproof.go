package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"garret/index"
	"garret/keys"
	"garret/store/object"
	"garret/store/pack"
)

// prover tells whether bytes are those that an object had when it was written:
// by their CRC32C and their name and, with a key, by what authenticates them.
type prover struct {
	r *Repository // nil without a key

	mu       sync.Mutex
	sessions map[string]*keys.Session // by epoch and encapsulation
}

func newProver(r *Repository) *prover {
	return &prover{r: r, sessions: make(map[string]*keys.Session)}
}

// config proves config n.
func (p *prover) config(n int, data []byte) error {
	_, err := p.parseConfig(n, data)
	return err
}

func (p *prover) parseConfig(n int, data []byte) (*storedConfig, error) {
	c, err := parseConfig(data)
	if err == nil && c.Number != n {
		err = fmt.Errorf("%w: it is config %d", object.ErrDamaged, c.Number)
	}
	if err == nil && p.r != nil {
		err = c.authenticate(&p.r.keys.Put)
	}
	return c, err
}

// snapshot proves a snapshot's record.
func (p *prover) snapshot(id SnapshotID, data []byte) error {
	if p.r == nil {
		_, err := parseSnapshot(data)
		return err
	}
	s, err := p.r.verifySnapshot(id, data)
	if err == nil {
		_, err = p.r.openHead(id, s)
	}
	if err == nil {
		_, err = p.r.openDetails(id, s)
	}
	return err
}

// segment proves an index segment; with a key all but its rows' order, which
// mapping it shows.
func (p *prover) segment(id SegmentID, data []byte) error {
	// The CRC first: what it does not match is no newer program's work.
	if _, _, err := object.Open(data, object.Segment); err != nil || p.r == nil {
		return err
	}
	return p.r.decodeSegment(id, bytes.NewReader(data), int64(len(data)), io.Discard)
}

// packAccount is what a pack says of itself.
type packAccount struct {
	header  pack.Header
	layout  pack.Layout
	opener  pack.Opener   // with a key
	placed  []pack.Placed // frames, with a key
	session index.Session
}

// pack proves a pack. Every cell must match its CRC32C; with a key the
// directory must be authentic and, if frames is set, each frame and blob.
func (p *prover) pack(id index.PackID, data []byte, frames bool) (*packAccount, error) {
	layout, err := pack.ReadLayout(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("its trailer: %w", err)
	}
	cells, first := 0, int64(0)
	layout.BadCells(data[:layout.Body], 0, func(r pack.Range) {
		if cells == 0 {
			first = r.Offset
		}
		cells++
	})
	if cells > 0 {
		return nil, fmt.Errorf("%w: %d of its cells of %d bytes do not match their CRC32C, the first at byte %d", object.ErrDamaged, cells, pack.CellSize, first)
	}
	a, err := p.account(id, bytes.NewReader(data), int64(len(data)))
	if err != nil || p.r == nil || !frames {
		return a, err
	}
	w := p.newFrameReader()
	for i, f := range a.placed {
		s := storedFrame{ordinal: uint16(i), offset: f.Offset, length: f.Length, ids: f.IDs}
		if _, bad, err := w.open(a.opener, s, data); err != nil {
			return a, err
		} else if bad > 0 {
			return a, fmt.Errorf("%w: the HMACs of %d blobs of its frame %d do not match", object.ErrDamaged, bad, i)
		}
	}
	return a, nil
}

// account reads header, trailer and directory of a pack, whatever else may be
// wrong with it. Without a key there is no directory.
func (p *prover) account(id index.PackID, at io.ReaderAt, size int64) (*packAccount, error) {
	head := make([]byte, min(size, pack.HeaderRead))
	if n, err := at.ReadAt(head, 0); n < len(head) {
		return nil, err
	}
	h, err := pack.ParseHeader(head)
	if err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	if h.Pack != id {
		return nil, fmt.Errorf("%w: it is pack %v", object.ErrDamaged, h.Pack)
	}
	a := &packAccount{header: h, session: index.Session{ID: h.Session, Epoch: h.Epoch, Encapsulation: h.Encapsulation}}
	if a.layout, err = pack.ReadLayout(at, size); err != nil {
		return nil, fmt.Errorf("its trailer: %w", err)
	}
	if p.r == nil {
		return a, nil
	}
	if h.Suite != uint8(p.r.config.Suite) {
		return nil, fmt.Errorf("its header: %w: it is of another repository", object.ErrDamaged)
	}
	if a.opener, err = p.opener(id, h.Kind, a.session); err != nil {
		return nil, err
	}
	a.placed, err = a.opener.Directory(at, a.layout, h.Len())
	return a, err
}

// opener derives a pack's key. Each session is opened once.
func (p *prover) opener(id index.PackID, kind index.Kind, in index.Session) (pack.Opener, error) {
	name := fmt.Sprintf("%d %s", in.Epoch, in.Encapsulation)
	p.mu.Lock()
	session := p.sessions[name]
	p.mu.Unlock()
	if session == nil {
		var err error
		if session, err = p.r.keys.OpenSession(in.Epoch, in.Encapsulation); err != nil {
			return pack.Opener{}, fmt.Errorf("session %v: %w", in.ID, err)
		}
		p.mu.Lock()
		p.sessions[name] = session
		p.mu.Unlock()
	}
	aead, err := session.PackAEAD(id, uint8(kind))
	if err != nil {
		return pack.Opener{}, err
	}
	return pack.Opener{ID: id, Kind: kind, AEAD: aead, Nonce: keys.Nonce}, nil
}

// storedFrame is where a frame lies and what it should hold.
type storedFrame struct {
	ordinal        uint16
	offset, length uint32
	ids            []index.ID
	at             []uint16 // ordinals of the blobs in the frame; nil: all blobs, in order
}

// blob returns the ordinal in the frame of ids[i].
func (f storedFrame) blob(i int) int {
	if f.at == nil {
		return i
	}
	return int(f.at[i])
}

// frameReader opens frames in memory that it uses again.
type frameReader struct {
	hasher *hasher
	buf    []byte
	frame  pack.Frame
	good   []bool
}

func (p *prover) newFrameReader() *frameReader {
	return &frameReader{hasher: p.r.hasher()}
}

// open opens the frame that lies in a pack's data, and recomputes the HMACs of
// its blobs: w.good tells which match, bad how many do not. The frame is valid
// until the next call; data is not changed.
func (w *frameReader) open(o pack.Opener, f storedFrame, data []byte) (frame *pack.Frame, bad int, err error) {
	end := int64(f.offset) + int64(f.length)
	if end > int64(len(data)) {
		return nil, 0, fmt.Errorf("frame %d: %w: it ends early", f.ordinal, object.ErrDamaged)
	}
	w.buf = append(w.buf[:0], data[f.offset:end]...)
	plain, err := o.Frame(w.buf, f.ordinal)
	if err == nil {
		err = w.frame.Decode(plain)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("frame %d: %w", f.ordinal, err)
	}
	if f.at == nil && w.frame.Len() != len(f.ids) {
		return nil, 0, fmt.Errorf("frame %d: %w: it holds %d blobs, the directory says %d", f.ordinal, object.ErrDamaged, w.frame.Len(), len(f.ids))
	}
	w.good = w.hasher.verify(o.Kind, &w.frame, f)
	for _, good := range w.good {
		if !good {
			bad++
		}
	}
	return &w.frame, bad, nil
}

// isNewer reports whether what was wrong with an object is that a newer program
// wrote it, or under keys of another epoch: it is not for this one to repair.
func isNewer(err error) bool {
	for _, newer := range []error{object.ErrReadFeature, index.ErrVersion, keys.ErrUnsupported, keys.ErrEpoch} {
		if errors.Is(err, newer) {
			return true
		}
	}
	return false
}

// oneLine is an error's text on one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
