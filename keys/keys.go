package keys

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// firstEpoch is the key epoch of a new repository.
const firstEpoch = 1

// Put holds what storing needs. No method of it reads stored content, and
// none of its fields would allow that: reading takes the private key, which
// only Full has. It is immutable and safe for concurrent use.
type Put struct {
	repository RepositoryID
	suite      Suite
	epoch      uint32
	shared     sharedKeys
	public     hpke.PublicKey
	certifier  ed25519.PublicKey
	own        identity
}

// Full holds every key of a repository.
type Full struct {
	Put
	secret       [32]byte
	private      hpke.PrivateKey
	privateBytes [privateKeySize]byte
	certifierKey ed25519.PrivateKey
	slotted      bool // own is the signing key of a slot that exists
}

// Generate makes the keys of a new repository: a random id, a random secret,
// a key pair, and the signing key that the first NewSlot puts into its slot.
func Generate(suite Suite) (*Full, error) {
	if !suite.valid() {
		return nil, fmt.Errorf("%v: %w", suite, ErrInvalid)
	}
	// crypto/rand.Read does not fail: it ends the program instead.
	var repository RepositoryID
	var secret, private [32]byte
	rand.Read(repository[:])
	rand.Read(secret[:])
	rand.Read(private[:])
	k, err := newFull(repository, suite, firstEpoch, secret[:], private[:])
	if err != nil {
		return nil, err
	}
	k.own = k.newIdentity(RoleFull)
	return k, nil
}

// newFull derives everything but the signing key of the holder's own slot.
func newFull(repository RepositoryID, suite Suite, epoch uint32, secret, private []byte) (*Full, error) {
	key, err := kem.NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("repository private key: %w: %w", ErrDamaged, err)
	}
	k := &Full{private: key}
	copy(k.secret[:], secret)
	copy(k.privateBytes[:], private)
	k.repository, k.suite, k.epoch = repository, suite, epoch
	k.public = key.PublicKey()
	k.shared.derive(secret, repository)

	var seed [ed25519.SeedSize]byte
	derive(seed[:], secret, repository[:], info(labelCertifier))
	k.certifierKey = ed25519.NewKeyFromSeed(seed[:])
	k.certifier = k.certifierKey.Public().(ed25519.PublicKey)
	return k, nil
}

// Repository returns the id of the repository that the keys belong to.
func (k *Put) Repository() RepositoryID { return k.repository }

// Suite returns how the repository's content is protected.
func (k *Put) Suite() Suite { return k.suite }

// Epoch returns the key epoch that new sessions belong to.
func (k *Put) Epoch() uint32 { return k.epoch }

// Slot returns the id and the role under which Sign signs.
func (k *Put) Slot() Signer { return Signer{k.own.slot, k.own.role} }

// PublicKey returns the serialised public key that sessions are encapsulated
// to (MLKEM768-X25519, 1216 bytes).
func (k *Put) PublicKey() []byte { return k.public.Bytes() }

// CertifierKey returns the Ed25519 public key that certifies the slots'
// signing keys, 32 bytes.
func (k *Put) CertifierKey() []byte { return append([]byte(nil), k.certifier...) }

// ChunkerKeys returns the two independent keys of the content-defined
// chunker: of its gear table, and of the cipher that decides cuts.
func (k *Put) ChunkerKeys() (gear [32]byte, cut [16]byte) { return k.shared.gear, k.shared.cut }

// AuthenticateConfig returns the HMAC-SHA-256 of data under the config key.
// Compare it with crypto/hmac.Equal. Both roles have that key.
func (k *Put) AuthenticateConfig(data []byte) (mac [32]byte) {
	h := hmac.New(sha256.New, k.shared.config[:])
	h.Write(data)
	h.Sum(mac[:0])
	return mac
}

// String names the repository, so that keys that end up in a message by
// mistake are not shown.
func (k *Put) String() string { return "keys of repository " + k.repository.String() }

// GoString returns what String returns.
func (k *Put) GoString() string { return k.String() }
