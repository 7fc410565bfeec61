package keys

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
	"unicode"
	"unicode/utf8"
)

// The parts of a slot; doc.go draws them. Integers are little-endian.
const (
	slotMagic   = "garretks"
	slotVersion = 1

	slotOffVersion       = len(slotMagic)
	slotOffRole          = slotOffVersion + 1
	slotOffSuite         = slotOffRole + 1
	slotOffKDF           = slotOffSuite + 1
	slotOffReadFeatures  = slotOffKDF + 1
	slotOffWriteFeatures = slotOffReadFeatures + 4
	slotOffRepository    = slotOffWriteFeatures + 4
	slotOffID            = slotOffRepository + len(RepositoryID{})
	slotOffCreated       = slotOffID + len(SlotID{})
	slotOffTime          = slotOffCreated + 8
	slotOffMemory        = slotOffTime + 4
	slotOffThreads       = slotOffMemory + 4
	slotOffLabelLength   = slotOffThreads + 1
	slotOffLabel         = slotOffLabelLength + 1

	slotCRCSize = 4

	// MaxLabel is the longest label, bytes.
	MaxLabel = 64

	// MaxSlotSize bounds the length of any slot, bytes.
	MaxSlotSize = slotOffLabel + MaxLabel + saltSize + putPayloadSize + tagSize + slotCRCSize
)

// maxCreated is the last second of the year 9999.
const maxCreated = 253402300799

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// SlotInfo is what a slot says in the clear. Until the slot has been opened
// nothing vouches for it.
type SlotInfo struct {
	ID         SlotID
	Role       Role
	Suite      Suite
	Repository RepositoryID
	Label      string    // UTF-8, at most MaxLabel bytes, nothing that steers a terminal
	Created    time.Time // UTC, whole seconds
	KDF        KDFParams

	// WriteFeatures holds a bit for each thing that who replaces the slot
	// must know how to keep. This version knows none.
	WriteFeatures uint32
}

// ReadSlot reads what a slot says in the clear. Errors wrap ErrDamaged or
// ErrUnsupported.
func ReadSlot(slot []byte) (SlotInfo, error) {
	s, err := parseSlot(slot)
	if err != nil {
		return SlotInfo{}, err
	}
	return s.SlotInfo, nil
}

// slotParts is a slot taken apart.
type slotParts struct {
	SlotInfo
	salt   [saltSize]byte
	header []byte // all before sealed, which it authenticates
	sealed []byte // payload and tag
}

// appendHeader appends everything before the sealed payload.
func (s *slotParts) appendHeader(b []byte) []byte {
	b = append(b, slotMagic...)
	b = append(b, slotVersion, byte(s.Role), byte(s.Suite), byte(s.KDF.KDF))
	b = binary.LittleEndian.AppendUint32(b, 0) // read features
	b = binary.LittleEndian.AppendUint32(b, s.WriteFeatures)
	b = append(b, s.Repository[:]...)
	b = append(b, s.ID[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Created.Unix()))
	b = binary.LittleEndian.AppendUint32(b, s.KDF.Time)
	b = binary.LittleEndian.AppendUint32(b, s.KDF.Memory)
	b = append(b, s.KDF.Threads, byte(len(s.Label)))
	b = append(b, s.Label...)
	return append(b, s.salt[:]...)
}

// appendCRC ends a slot.
func appendCRC(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func parseSlot(b []byte) (*slotParts, error) {
	if len(b) < slotOffLabel+saltSize+tagSize+slotCRCSize || string(b[:len(slotMagic)]) != slotMagic {
		return nil, fmt.Errorf("%w: not a key slot", ErrDamaged)
	}
	body := b[:len(b)-slotCRCSize]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, fmt.Errorf("%w: the key slot's checksum is wrong", ErrDamaged)
	}
	// Later versions keep magic, version, features and checksum in place, so
	// that this one can say what it met.
	if v := b[slotOffVersion]; v != slotVersion {
		return nil, fmt.Errorf("key slot of version %d: %w", v, ErrUnsupported)
	}
	if f := binary.LittleEndian.Uint32(b[slotOffReadFeatures:]); f != 0 {
		return nil, fmt.Errorf("key slot with features %#x: %w", f, ErrUnsupported)
	}
	s, err := parseSlotFields(body)
	if err != nil {
		return nil, fmt.Errorf("key slot: %w: %w", ErrDamaged, err)
	}
	return s, nil
}

func parseSlotFields(b []byte) (*slotParts, error) {
	s := &slotParts{SlotInfo: SlotInfo{
		ID:         SlotID(b[slotOffID:]),
		Role:       Role(b[slotOffRole]),
		Suite:      Suite(b[slotOffSuite]),
		Repository: RepositoryID(b[slotOffRepository:]),
		KDF: KDFParams{
			KDF:     KDF(b[slotOffKDF]),
			Time:    binary.LittleEndian.Uint32(b[slotOffTime:]),
			Memory:  binary.LittleEndian.Uint32(b[slotOffMemory:]),
			Threads: b[slotOffThreads],
		},
		WriteFeatures: binary.LittleEndian.Uint32(b[slotOffWriteFeatures:]),
	}}
	payload, ok := payloadSizes[s.Role]
	if !ok {
		return nil, fmt.Errorf("unknown %v", s.Role)
	}
	if !s.Suite.valid() {
		return nil, fmt.Errorf("unknown %v", s.Suite)
	}
	if err := s.KDF.check(s.Suite); err != nil {
		return nil, err
	}
	created := int64(binary.LittleEndian.Uint64(b[slotOffCreated:]))
	if created < 0 || created > maxCreated {
		return nil, fmt.Errorf("created %d s after 1970", created)
	}
	s.Created = time.Unix(created, 0).UTC()
	label := int(b[slotOffLabelLength])
	if len(b) != slotOffLabel+label+saltSize+payload+tagSize {
		return nil, fmt.Errorf("%d bytes in a slot of role %v", len(b), s.Role)
	}
	s.Label = string(b[slotOffLabel : slotOffLabel+label])
	if err := checkLabel(s.Label); err != nil {
		return nil, err
	}
	s.salt = [saltSize]byte(b[slotOffLabel+label:])
	s.header, s.sealed = b[:slotOffLabel+label+saltSize], b[slotOffLabel+label+saltSize:]
	return s, nil
}

// checkLabel refuses what could steer a terminal or mislead a reader: a label
// is shown before anything vouches for it.
func checkLabel(label string) error {
	if len(label) > MaxLabel {
		return fmt.Errorf("label of %d bytes", len(label))
	}
	if !utf8.ValidString(label) {
		return fmt.Errorf("label %q is not UTF-8", label)
	}
	for _, r := range label {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("label %q holds control characters", label)
		}
	}
	return nil
}
