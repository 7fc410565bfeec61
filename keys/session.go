package keys

import (
	"crypto/cipher"
	"crypto/hpke"
	"encoding/binary"
	"fmt"
)

// kem is the repository key pair's: X-Wing, hybrid of ML-KEM-768 and X25519,
// so that what is recorded today stays closed to a quantum computer, and
// stays closed too should ML-KEM fall.
var kem = hpke.MLKEM768X25519()

const (
	privateKeySize = 32   // bytes of the serialised private key, a seed
	publicKeySize  = 1216 // bytes of the serialised public key

	// EncapsulationSize is the length of a session's encapsulation, bytes.
	EncapsulationSize = 1120
)

// Session is the secret of one run of a writer, from which the keys of its
// packs come. It is immutable and safe for concurrent use.
type Session struct {
	repository    RepositoryID
	suite         Suite
	epoch         uint32
	encapsulation []byte
	secret        [64]byte // exported secret 32 | write secret 32
}

// NewSession makes a session secret and encapsulates it to the repository's
// public key (about 80 µs). Whoever made a session can read what was written
// in it; others need the private key.
func (k *Put) NewSession() (*Session, error) {
	enc, sender, err := hpke.NewSender(k.public, hpke.HKDFSHA256(), hpke.ExportOnly(), sessionInfo(k.repository, k.epoch))
	if err != nil {
		return nil, fmt.Errorf("new session: %w", err)
	}
	return k.session(k.epoch, enc, sender.Export)
}

// OpenSession recovers the session of an encapsulation. Bytes of the right
// length that nobody encapsulated may give a session too (ML-KEM rejects
// implicitly); nothing authenticates under it. Its errors are ErrEpoch and
// ErrDamaged.
func (k *Full) OpenSession(epoch uint32, encapsulation []byte) (*Session, error) {
	if epoch != k.epoch {
		return nil, fmt.Errorf("session of key epoch %d: %w", epoch, ErrEpoch)
	}
	if len(encapsulation) != EncapsulationSize {
		return nil, fmt.Errorf("session key: %w: an encapsulation of %d bytes", ErrDamaged, len(encapsulation))
	}
	recipient, err := hpke.NewRecipient(encapsulation, k.private, hpke.HKDFSHA256(), hpke.ExportOnly(), sessionInfo(k.repository, epoch))
	if err != nil {
		return nil, fmt.Errorf("session key: %w: %w", ErrDamaged, err)
	}
	return k.session(epoch, append([]byte(nil), encapsulation...), recipient.Export)
}

func (k *Put) session(epoch uint32, enc []byte, export func(string, int) ([]byte, error)) (*Session, error) {
	secret, err := export(labelExport, 32)
	if err != nil {
		return nil, fmt.Errorf("session secret: %w", err)
	}
	s := &Session{repository: k.repository, suite: k.suite, epoch: epoch, encapsulation: enc}
	copy(s.secret[:32], secret)
	// Anyone may encapsulate to a public key. That the write secret goes into
	// every key of the session is what keeps others from forging.
	copy(s.secret[32:], k.shared.write[:])
	clear(secret)
	return s, nil
}

func sessionInfo(repository RepositoryID, epoch uint32) []byte {
	b := append(info(labelSession), repository[:]...)
	return binary.LittleEndian.AppendUint32(b, epoch)
}

// Encapsulation returns what OpenSession needs, EncapsulationSize bytes. It
// is not secret. The caller must not change it.
func (s *Session) Encapsulation() []byte { return s.encapsulation }

// Epoch returns the key epoch that the session belongs to.
func (s *Session) Epoch() uint32 { return s.epoch }

// PackAEAD returns the AEAD of one pack's frames of one kind, safe for
// concurrent use. NonceSize is 12 and Overhead 16 in every suite.
//
// Frames are sealed under Nonce(ordinal), which is safe only because the key
// is this pack's alone: pack ids are random and never used again, a pack is
// written once, and no ordinal is given to two frames of it.
func (s *Session) PackAEAD(packID [16]byte, kind uint8) (cipher.AEAD, error) {
	b := append(info(labelPack), s.repository[:]...)
	b = binary.LittleEndian.AppendUint32(b, s.epoch)
	b = append(b, kind, byte(s.suite))
	var key [keySize]byte
	derive(key[:], s.secret[:], packID[:], b)
	defer clear(key[:])
	return s.suite.aead(key[:])
}

// Nonce returns the nonce of a pack's frame: eight zero bytes and the
// ordinal, big-endian.
func Nonce(ordinal uint32) (nonce [12]byte) {
	binary.BigEndian.PutUint32(nonce[8:], ordinal)
	return nonce
}

// String names the repository only.
func (s *Session) String() string { return "session of repository " + s.repository.String() }

// GoString returns what String returns.
func (s *Session) GoString() string { return s.String() }
