package keys

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// The labels that keep one use of a secret apart from every other. A label
// stands at the head of what is derived or signed and ends with a zero byte,
// so that none is the beginning of another. They are part of the format.
const (
	// From the repository secret, salted with the repository id.
	labelDataID    = "garret v1 data id"
	labelTreeID    = "garret v1 tree id"
	labelGear      = "garret v1 chunker gear"
	labelCut       = "garret v1 chunker cut"
	labelWrite     = "garret v1 write secret"
	labelIndex     = "garret v1 index key"
	labelList      = "garret v1 list key"
	labelConfig    = "garret v1 config key"
	labelCertifier = "garret v1 certifier key"

	// Sessions: HPKE's info, the exporter's context, and what is derived
	// from the exported secret.
	labelSession       = "garret v1 session"
	labelExport        = "garret v1 session secret"
	labelPack          = "garret v1 pack"
	labelSessionObject = "garret v1 session object"

	// Sealed objects, from the list key and the index key.
	labelListObject  = "garret v1 list object"
	labelIndexObject = "garret v1 index object"

	// Slots, from the passphrase's Argon2id.
	labelSlot = "garret v1 slot"

	// What Ed25519 keys sign.
	labelCertificate = "garret v1 certificate"
	labelSignature   = "garret v1 signature"
)

// derive fills out with HKDF-SHA-256 (RFC 5869) of secret. Lengths here are
// a key's, far from HKDF's limits, so that an error is a programming error.
func derive(out, secret, salt, info []byte) {
	key, err := hkdf.Key(sha256.New, secret, salt, string(info), len(out))
	if err != nil {
		panic("keys: " + err.Error())
	}
	copy(out, key)
	clear(key)
}

// info starts the bytes that say what a key is for: label, zero byte. The
// callers append fields of fixed size, or with their lengths before them.
func info(label string) []byte {
	b := make([]byte, 0, 128)
	return append(append(b, label...), 0)
}

// appendLong appends p after its length.
func appendLong(b, p []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(p)))
	return append(b, p...)
}

// sharedKeys are the keys that both roles hold, all derived from the
// repository secret.
type sharedKeys struct {
	dataID, treeID [32]byte
	gear           [32]byte
	cut            [16]byte
	write          [32]byte
	index          [keySize]byte
	list           [keySize]byte
	config         [keySize]byte
}

const sharedKeysSize = 7*32 + 16

type labelled struct {
	label string
	key   []byte
}

// fields lists the keys in the order in which a put-only slot stores them.
func (s *sharedKeys) fields() [8]labelled {
	return [...]labelled{
		{labelDataID, s.dataID[:]},
		{labelTreeID, s.treeID[:]},
		{labelGear, s.gear[:]},
		{labelCut, s.cut[:]},
		{labelWrite, s.write[:]},
		{labelIndex, s.index[:]},
		{labelList, s.list[:]},
		{labelConfig, s.config[:]},
	}
}

func (s *sharedKeys) derive(secret []byte, repository RepositoryID) {
	for _, f := range s.fields() {
		derive(f.key, secret, repository[:], info(f.label))
	}
}
