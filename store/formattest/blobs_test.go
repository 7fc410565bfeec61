package formattest

import (
	"bytes"
	"compress/zlib"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	dataKind = 1
	treeKind = 2
)

// row says where a blob is.
type row struct {
	pack           [16]byte
	offset, length uint32
	frame, blob    uint16
}

// packInfo is a row of a segment's pack table.
type packInfo struct {
	size    uint32
	kind    byte
	session *session
}

// index reads all index segments.
func (r *reader) index() error {
	names, err := r.list("index")
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.segment(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *reader) segment(name string) error {
	data, err := r.read(name)
	if err != nil {
		return err
	}
	if err := object(data, 'i'); err != nil {
		return err
	}
	end := len(data) - 4 - 177
	hash := sha256.Sum256(append([]byte(name), data[:end]...))
	if role, err := r.verify("index segment", hash[:], data[end:len(data)-4]); err != nil || role != 1 {
		return fmt.Errorf("role %d: %w", role, err)
	}
	plain, err := r.stream(r.keys.index, "garret v1 index object", name, data[:16], data[16:end])
	if err != nil {
		return err
	}
	return r.table(plain)
}

// table reads a segment's plaintext.
func (r *reader) table(b []byte) error {
	head, foot := b[:24], b[len(b)-24:]
	if string(head[:8]) != "garretix" || le.Uint16(head[8:]) != 1 || head[11] != 0 {
		return wrong("a segment's header")
	}
	bits, sessions, packs, enc := int(head[10]), int(le.Uint32(head[12:])), int(le.Uint32(head[16:])), int(le.Uint32(head[20:]))
	rows := int(le.Uint64(foot))
	tables := 24 + 16*sessions + enc + 25*packs
	fan := tables + 46*rows
	if fan+4<<bits+24 != len(b) {
		return wrong("a segment of %d bytes", len(b))
	}
	if crc(b[:tables]) != le.Uint32(foot[8:]) || crc(b[tables:fan]) != le.Uint32(foot[12:]) ||
		crc(b[fan:len(b)-24]) != le.Uint32(foot[16:]) || crc(head, foot[:20]) != le.Uint32(foot[20:]) {
		return wrong("a segment's CRC32C")
	}
	keys := b[24+16*sessions:]
	var opened []*session
	for i, start := 0, 0; i < sessions; i++ {
		s := b[24+16*i:]
		end := int(le.Uint32(s[12:]))
		known, err := r.session(le.Uint32(s[8:]), keys[start:end])
		if err != nil {
			return err
		}
		r.sessions[[8]byte(s)] = known
		opened, start = append(opened, known), end
	}
	var ids [][16]byte
	for i := range packs {
		p := b[24+16*sessions+enc+25*i:]
		ids = append(ids, [16]byte(p))
		r.packs[[16]byte(p)] = &packInfo{le.Uint32(p[16:]), p[20], opened[le.Uint32(p[21:])]}
	}
	var last []byte
	for i := range rows {
		e := b[tables+46*i:][:46]
		if bytes.Compare(last, e[:32]) > 0 {
			return wrong("rows out of order")
		}
		last = e[:32]
		r.rows[[32]byte(e)] = append(r.rows[[32]byte(e)], row{
			ids[u24(e[32:])], le.Uint32(e[35:]), u24(e[39:]), le.Uint16(e[42:]), le.Uint16(e[44:]),
		})
		// The fan-out says how many rows do not come after this ID's first bits.
		f := 0
		if bits > 0 {
			f = int(binary.BigEndian.Uint64(e) >> (64 - bits))
		}
		if before := fanEntry(b[fan:], f-1); i < before || i >= fanEntry(b[fan:], f) {
			return wrong("fan-out entry %d", f)
		}
	}
	return nil
}

func fanEntry(fan []byte, i int) int {
	if i < 0 {
		return 0
	}
	return int(le.Uint32(fan[4*i:]))
}

func u24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }

// pack reads a whole pack without the index and checks that the index says the
// same.
func (r *reader) pack(name string) error {
	data, err := r.read(name)
	if err != nil {
		return err
	}
	if err := header(data, 'p'); err != nil {
		return err
	}
	kind, suite := data[16], data[17]
	headEnd := 48 + int(le.Uint16(data[18:]))
	id := [16]byte(data[32:])
	if suite != r.suite || !bytes.Equal(id[:8], data[24:32]) || name != fmt.Sprintf("packs/%02x/%x", id[15], id) {
		return wrong("pack %x as %s", id, name)
	}
	foot := data[len(data)-32:]
	body, sealedDir, frames := int(le.Uint64(foot)), int(le.Uint32(foot[8:])), int(le.Uint32(foot[12:]))
	if string(foot[20:]) != "garret-pack\x00" || crc(data[body:len(data)-16]) != le.Uint32(foot[16:]) {
		return wrong("a pack's trailer")
	}
	for i, at := 0, 0; at < body; i, at = i+1, at+4096 {
		if crc(data[at:min(at+4096, body)]) != le.Uint32(data[body+4*i:]) {
			return wrong("CRC32C of cell %d", i)
		}
	}
	s, err := r.session(le.Uint32(data[20:]), data[48:headEnd])
	if err != nil {
		return err
	}
	aead := r.packAEAD(s, id, kind)
	dir, err := openFrame(aead, id, kind, uint32(frames), 1, data[body-sealedDir:body])
	if err != nil {
		return err
	}
	info := r.packs[id]
	if info == nil || int(info.size) != len(data) || info.kind != kind {
		return wrong("pack %x is indexed as %+v", id, info)
	}
	ids, at := dir[8*frames:], headEnd
	for f := range frames {
		length, blobs := le.Uint32(dir[8*f:]), int(le.Uint32(dir[8*f+4:]))
		plain, err := openFrame(aead, id, kind, uint32(f), 0, data[at:at+int(length)])
		if err != nil {
			return err
		}
		content, err := frame(plain)
		if err != nil || len(content) != blobs {
			return wrong("frame %d of %d blobs: %v", f, blobs, err)
		}
		for i, blob := range content {
			name := [32]byte(ids)
			ids = ids[32:]
			if r.id(kind, blob) != name {
				return wrong("blob %d of frame %d is not %x", i, f, name)
			}
			if want := (row{id, uint32(at), length, uint16(f), uint16(i)}); !slices.Contains(r.rows[name], want) {
				return wrong("blob %x is at %+v, which the index does not say", name, want)
			}
		}
		at += int(length)
	}
	if at != body-sealedDir || len(ids) != 0 {
		return wrong("a pack's directory")
	}
	return nil
}

func (r *reader) id(kind byte, data []byte) [32]byte {
	key := r.keys.dataID
	if kind == treeKind {
		key = r.keys.treeID
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	return [32]byte(mac.Sum(nil))
}

// blob finds and reads a blob by its ID, as a reader of one file does.
func (r *reader) blob(kind byte, id []byte) ([]byte, error) {
	at := r.rows[[32]byte(id)]
	if len(at) == 0 {
		return nil, wrong("blob %x is not indexed", id)
	}
	w := at[0]
	key := fmt.Sprintf("%x/%d", w.pack, w.frame)
	content, ok := r.frames[key]
	if !ok {
		data, err := r.read(fmt.Sprintf("packs/%02x/%x", w.pack[15], w.pack))
		if err != nil {
			return nil, err
		}
		s := r.sessions[[8]byte(w.pack[:])]
		plain, err := openFrame(r.packAEAD(s, w.pack, kind), w.pack, kind, uint32(w.frame), 0, data[w.offset:w.offset+w.length])
		if err != nil {
			return nil, err
		}
		if content, err = frame(plain); err != nil {
			return nil, err
		}
		r.frames[key] = content
	}
	blob := content[w.blob]
	if r.id(kind, blob) != [32]byte(id) {
		return nil, wrong("HMAC of blob %x", id)
	}
	return blob, nil
}

var decoder = sync.OnceValues(func() (*zstd.Decoder, error) { return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)) })

// frame takes a frame's plaintext apart.
func frame(plain []byte) (blobs [][]byte, err error) {
	rawLen := int(u24(plain[1:]))
	rest := plain[4:]
	uvarint := func() int {
		v, n := binary.Uvarint(rest)
		rest = rest[n:]
		return int(v)
	}
	lengths := make([]int, uvarint())
	for i := range lengths {
		lengths[i] = uvarint()
	}
	var raw []byte
	switch plain[0] & 15 {
	case 0:
		raw = rest
	case 3:
		d, err := decoder()
		if err != nil {
			return nil, err
		}
		if raw, err = d.DecodeAll(rest, nil); err != nil {
			return nil, err
		}
	case 4:
		z, err := zlib.NewReader(bytes.NewReader(rest))
		if err != nil {
			return nil, err
		}
		if raw, err = io.ReadAll(z); err != nil {
			return nil, err
		}
	default:
		return nil, wrong("codec %d", plain[0])
	}
	switch plain[0] >> 4 {
	case 0:
	case 1:
		for i := 0; i+5 <= len(raw); i++ {
			if (raw[i] == 0xe8 || raw[i] == 0xe9) && (raw[i+4] == 0 || raw[i+4] == 0xff) {
				low := (u24(raw[i+1:]) - uint32(i)) & (1<<24 - 1)
				raw[i+1], raw[i+2], raw[i+3] = byte(low), byte(low>>8), byte(low>>16)
			}
		}
	default:
		return nil, wrong("filter %d", plain[0]>>4)
	}
	if len(raw) != rawLen {
		return nil, wrong("a frame of %d bytes, not %d", len(raw), rawLen)
	}
	for _, n := range lengths {
		blobs = append(blobs, raw[:n])
		raw = raw[n:]
	}
	if len(raw) != 0 {
		return nil, wrong("%d bytes of no blob", len(raw))
	}
	return blobs, nil
}
