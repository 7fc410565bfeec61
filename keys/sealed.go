package keys

import (
	"fmt"
	"io"
)

// Purpose chooses the key of a sealed object.
type Purpose uint8

// The purposes. Both roles hold both keys.
const (
	ListKey  Purpose = 1 // leases, snapshot headers
	IndexKey Purpose = 2 // index segments
)

// Seal encrypts plaintext for everyone who holds the repository's keys, bound
// to the object's name and to aad, which is not stored. The result has
// SealedSize(len(plaintext)) bytes and differs every time.
func (k *Put) Seal(p Purpose, name string, aad, plaintext []byte) ([]byte, error) {
	o, err := k.object(p, name, aad)
	if err != nil {
		return nil, err
	}
	return o.seal(plaintext)
}

// Open returns what Seal sealed under the same purpose, name and aad. Other
// bytes, or other names, give an error that wraps ErrAuthentication, and no
// plaintext.
func (k *Put) Open(p Purpose, name string, aad, sealed []byte) ([]byte, error) {
	o, err := k.object(p, name, aad)
	if err != nil {
		return nil, err
	}
	return o.open(sealed)
}

// SealWriter is Seal for objects that are not held in memory: it seals what
// is written to it into w, one 64-KiB page at a time. Close writes the last
// page, without which the object does not open; it does not close w.
func (k *Put) SealWriter(p Purpose, name string, aad []byte, w io.Writer) (io.WriteCloser, error) {
	o, err := k.object(p, name, aad)
	if err != nil {
		return nil, err
	}
	return o.sealWriter(w)
}

// OpenReader is Open for objects that are not held in memory. It gives out
// each 64-KiB page as soon as that page is verified; the object as a whole is
// verified only when Read has returned io.EOF. Errors of r are passed on,
// others wrap ErrAuthentication. r is read to its end: what follows the
// object is an error.
func (k *Put) OpenReader(p Purpose, name string, aad []byte, r io.Reader) (io.Reader, error) {
	o, err := k.object(p, name, aad)
	if err != nil {
		return nil, err
	}
	return o.openReader(r)
}

func (k *Put) object(p Purpose, name string, aad []byte) (object, error) {
	o := object{repository: k.repository, epoch: k.epoch, suite: k.suite, name: name, aad: aad}
	switch p {
	case ListKey:
		o.secret, o.label = k.shared.list[:], labelListObject
	case IndexKey:
		o.secret, o.label = k.shared.index[:], labelIndexObject
	default:
		return o, fmt.Errorf("purpose %d of %q: %w", p, name, ErrInvalid)
	}
	return o, nil
}

// Seal encrypts a message, a snapshot's details, for the session's writer and
// for holders of the private key. It is bound to name and aad as in Put.Seal.
func (s *Session) Seal(name string, aad, plaintext []byte) ([]byte, error) {
	return s.object(name, aad).seal(plaintext)
}

// Open returns what Seal sealed in the same session under the same name and
// aad. Errors wrap ErrAuthentication.
func (s *Session) Open(name string, aad, sealed []byte) ([]byte, error) {
	return s.object(name, aad).open(sealed)
}

func (s *Session) object(name string, aad []byte) object {
	return object{
		secret:     s.secret[:],
		label:      labelSessionObject,
		repository: s.repository,
		epoch:      s.epoch,
		suite:      s.suite,
		name:       name,
		aad:        aad,
	}
}
