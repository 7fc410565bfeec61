package keys

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
)

// tagOnly is SuiteNone's cipher.AEAD: the ciphertext is the plaintext, and
// the tag is the first 16 bytes of
//
//	HMAC-SHA-256(key, nonce 12 | len(aad) u64 LE | aad | plaintext)
//
// It hides nothing. Unlike the other suites it would survive a nonce used
// twice, being a deterministic MAC.
type tagOnly struct{ key [keySize]byte }

var errTag = errors.New("message authentication failed")

var _ cipher.AEAD = (*tagOnly)(nil)

func newTagOnly(key []byte) *tagOnly {
	t := new(tagOnly)
	copy(t.key[:], key)
	return t
}

func (*tagOnly) NonceSize() int { return nonceSize }
func (*tagOnly) Overhead() int  { return tagSize }

// Seal appends plaintext and its tag to dst. As with the standard library's
// AEADs, plaintext[:0] may be dst, and a nonce of another size panics.
func (t *tagOnly) Seal(dst, nonce, plaintext, aad []byte) []byte {
	tag := t.tag(nonce, plaintext, aad)
	out, tail := grow(dst, len(plaintext)+tagSize)
	copy(tail, plaintext)
	copy(tail[len(plaintext):], tag[:])
	return out
}

// Open appends the plaintext to dst if the tag is right.
func (t *tagOnly) Open(dst, nonce, ciphertext, aad []byte) ([]byte, error) {
	if len(ciphertext) < tagSize {
		return nil, errTag
	}
	body, stored := ciphertext[:len(ciphertext)-tagSize], ciphertext[len(ciphertext)-tagSize:]
	tag := t.tag(nonce, body, aad)
	if subtle.ConstantTimeCompare(tag[:], stored) != 1 {
		return nil, errTag
	}
	out, tail := grow(dst, len(body))
	copy(tail, body)
	return out, nil
}

func (t *tagOnly) tag(nonce, plaintext, aad []byte) (tag [tagSize]byte) {
	if len(nonce) != nonceSize {
		panic("keys: incorrect nonce length given to the suite none")
	}
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(aad)))
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write(nonce)
	mac.Write(length[:])
	mac.Write(aad)
	mac.Write(plaintext)
	var sum [sha256.Size]byte
	copy(tag[:], mac.Sum(sum[:0]))
	return tag
}

// grow lengthens dst by n bytes and returns all of it and the new part.
func grow(dst []byte, n int) (all, tail []byte) {
	all = slices.Grow(dst, n)[:len(dst)+n]
	return all, all[len(dst):]
}
