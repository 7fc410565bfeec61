package formattest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"
)

// aead returns the suite's AEAD.
func (r *reader) aead(key []byte) cipher.AEAD {
	switch r.suite {
	case 1:
		block, err := aes.NewCipher(key)
		if err != nil {
			panic(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			panic(err)
		}
		return gcm
	case 2:
		chacha, err := chacha20poly1305.New(key)
		if err != nil {
			panic(err)
		}
		return chacha
	}
	return noneAEAD{key}
}

// noneAEAD is the suite none: the plaintext and a tag.
type noneAEAD struct{ key []byte }

func (noneAEAD) NonceSize() int                     { return 12 }
func (noneAEAD) Overhead() int                      { return 16 }
func (noneAEAD) Seal(_, _, _, _ []byte) (no []byte) { panic("a reader seals nothing") }
func (a noneAEAD) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < 16 {
		return nil, wrong("a sealed message of %d bytes", len(sealed))
	}
	plain, tag := sealed[:len(sealed)-16], sealed[len(sealed)-16:]
	mac := hmac.New(sha256.New, a.key)
	mac.Write(nonce)
	mac.Write(le.AppendUint64(nil, uint64(len(aad))))
	mac.Write(aad)
	mac.Write(plain)
	if !hmac.Equal(mac.Sum(nil)[:16], tag) {
		return nil, wrong("a tag")
	}
	return append(dst, plain...), nil
}

// stream opens a sealed object.
func (r *reader) stream(secret []byte, purpose, name string, aad, sealed []byte) ([]byte, error) {
	if len(sealed) < 4+32+16 {
		return nil, wrong("a sealed object of %d bytes", len(sealed))
	}
	if epoch := le.Uint32(sealed); epoch != r.keys.epoch {
		return nil, wrong("key epoch %d", epoch)
	}
	sealed = sealed[4:]
	info := label(purpose, r.keys.repository, u32(r.keys.epoch), []byte{r.suite},
		le.AppendUint64(nil, uint64(len(name))), []byte(name), le.AppendUint64(nil, uint64(len(aad))), aad)
	aead := r.aead(derive(32, secret, sealed[:32], info))
	sealed = sealed[32:]
	var plain []byte
	for page := uint64(0); ; page++ {
		n := min(64<<10+16, len(sealed))
		nonce := make([]byte, 12)
		binary.BigEndian.PutUint64(nonce[3:], page)
		if n == len(sealed) {
			nonce[11] = 1
		}
		var err error
		if plain, err = aead.Open(plain, nonce, sealed[:n], nil); err != nil {
			return nil, err
		}
		if sealed = sealed[n:]; len(sealed) == 0 {
			return plain, nil
		}
	}
}

// session is what a session's encapsulation opens to.
type session struct {
	epoch  uint32
	secret []byte // 64 bytes
}

func (r *reader) session(epoch uint32, encapsulation []byte) (*session, error) {
	info := label("garret v1 session", r.keys.repository, u32(epoch))
	recipient, err := hpke.NewRecipient(encapsulation, r.keys.private, hpke.HKDFSHA256(), hpke.ExportOnly(), info)
	if err != nil {
		return nil, err
	}
	exported, err := recipient.Export("garret v1 session secret", 32)
	if err != nil {
		return nil, err
	}
	return &session{epoch, append(exported, r.keys.write...)}, nil
}

// packAEAD returns what opens one pack.
func (r *reader) packAEAD(s *session, pack [16]byte, kind byte) cipher.AEAD {
	info := label("garret v1 pack", r.keys.repository, u32(s.epoch), []byte{kind, r.suite})
	return r.aead(derive(32, s.secret, pack[:], info))
}

// openFrame opens a frame, or a pack's directory.
func openFrame(aead cipher.AEAD, pack [16]byte, kind byte, ordinal uint32, directory byte, sealed []byte) ([]byte, error) {
	nonce := make([]byte, 12)
	binary.BigEndian.PutUint32(nonce[8:], ordinal)
	aad := append(append(pack[:], kind), u32(ordinal)...)
	return aead.Open(nil, nonce, sealed, append(aad, directory))
}
