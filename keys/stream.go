package keys

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
)

// The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015) with the
// parameters of age (C2SP age.md, "Payload"): the message is cut into pages,
// each sealed under a nonce of its number and of whether it is the last.
const (
	pageSize       = 64 << 10 // bytes of plaintext; the last page may hold fewer
	sealedPageSize = pageSize + tagSize
	saltSize       = 32

	// A sealed object begins with the key epoch, u32, and its salt.
	sealedHeadSize = 4 + saltSize
)

// SealedSize returns the length of a sealed object of n bytes of plaintext.
func SealedSize(n int64) int64 {
	pages := max(1, (n+pageSize-1)/pageSize)
	return sealedHeadSize + n + pages*tagSize
}

// pageNonce is safe because a key belongs to one object: every object has a
// random salt of 32 bytes, which the key is derived with. The last flag makes
// a cut at a page's end as visible as any other.
func pageNonce(page uint64, last bool) (nonce [nonceSize]byte) {
	binary.BigEndian.PutUint64(nonce[3:11], page)
	if last {
		nonce[11] = 1
	}
	return nonce
}

// object says what a sealed object is bound to; the salt is the object's own.
type object struct {
	secret     []byte
	label      string
	repository RepositoryID
	epoch      uint32
	suite      Suite
	name       string
	aad        []byte
}

// aead derives the object's key. Name and associated data are bound by the
// key and so to every page.
func (o object) aead(salt []byte) (cipher.AEAD, error) {
	b := append(info(o.label), o.repository[:]...)
	b = binary.LittleEndian.AppendUint32(b, o.epoch)
	b = append(b, byte(o.suite))
	b = appendLong(b, []byte(o.name))
	b = appendLong(b, o.aad)
	var key [keySize]byte
	derive(key[:], o.secret, salt, b)
	defer clear(key[:])
	return o.suite.aead(key[:])
}

// newHead appends what a new sealed object begins with.
func (o object) newHead(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, o.epoch)
	var salt [saltSize]byte
	rand.Read(salt[:])
	return append(b, salt[:]...)
}

// parseHead returns the salt that an object of sealedHeadSize bytes or more
// begins with.
func (o object) parseHead(head []byte) ([]byte, error) {
	if epoch := binary.LittleEndian.Uint32(head); epoch != o.epoch {
		return nil, fmt.Errorf("%q: %w: %w: %d", o.name, ErrAuthentication, ErrEpoch, epoch)
	}
	return head[4:sealedHeadSize], nil
}

// seal returns epoch, salt and pages.
func (o object) seal(plaintext []byte) ([]byte, error) {
	out := o.newHead(make([]byte, 0, SealedSize(int64(len(plaintext)))))
	aead, err := o.aead(out[4:])
	if err != nil {
		return nil, err
	}
	for page := uint64(0); ; page++ {
		n := min(pageSize, len(plaintext))
		nonce := pageNonce(page, n == len(plaintext))
		out = aead.Seal(out, nonce[:], plaintext[:n], nil)
		if plaintext = plaintext[n:]; len(plaintext) == 0 {
			return out, nil
		}
	}
}

// open returns all of the plaintext, or none and an error.
func (o object) open(sealed []byte) ([]byte, error) {
	if len(sealed) < sealedHeadSize+tagSize {
		return nil, fmt.Errorf("%q: %w: only %d bytes", o.name, ErrAuthentication, len(sealed))
	}
	salt, err := o.parseHead(sealed)
	if err != nil {
		return nil, err
	}
	aead, err := o.aead(salt)
	if err != nil {
		return nil, err
	}
	sealed = sealed[sealedHeadSize:]
	out := make([]byte, 0, len(sealed)-tagSize)
	for page := uint64(0); ; page++ {
		n := min(sealedPageSize, len(sealed))
		if out, err = o.openPage(out, aead, page, n == len(sealed), sealed[:n]); err != nil {
			return nil, err
		}
		if sealed = sealed[n:]; len(sealed) == 0 {
			return out, nil
		}
	}
}

// openPage appends a page's plaintext to dst. An empty page is refused unless
// it is the only one, so that a message has one form.
func (o object) openPage(dst []byte, aead cipher.AEAD, page uint64, last bool, sealed []byte) ([]byte, error) {
	if len(sealed) < tagSize || len(sealed) == tagSize && page > 0 {
		return nil, fmt.Errorf("%q: %w: page %d is cut short", o.name, ErrAuthentication, page)
	}
	nonce := pageNonce(page, last)
	out, err := aead.Open(dst, nonce[:], sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("%q: %w at page %d", o.name, ErrAuthentication, page)
	}
	return out, nil
}
